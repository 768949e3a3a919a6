//! A batch of emotion events in the order of the table's keys, in flat memory.

use ecs_domain::emotion::{EmotionEvent, StressThreshold};
use uuid::Uuid;

use crate::column::day_number_of;

/// A batch, ready to be folded.
pub(crate) struct Batch {
    /// By day, user, id, and then by place in the caller's slice, so that of two same events the first one counts.
    pub(crate) rows: Vec<Row>,
    /// The users of the batch in rising order, each once.
    pub(crate) users: Vec<Uuid>,
    /// The senders' words for the emotions, end to end.
    words: String,
}

/// One event.
pub(crate) struct Row {
    pub(crate) day: i64,
    /// Index into [`Batch::users`].
    pub(crate) user: u32,
    pub(crate) id: Uuid,
    /// Index into the caller's slice.
    pub(crate) place: u32,
    /// Microseconds since 1970.
    pub(crate) occurred_at: i64,
    pub(crate) positivity: u32,
    pub(crate) intensity: u32,
    pub(crate) stress: u32,
    pub(crate) is_stress_event: bool,
    word_start: u32,
    word_end: u32,
}

impl Batch {
    /// Takes the events over, but for what the fold doesn't need. A batch has fewer than 2^32 events.
    pub(crate) fn new(events: &[EmotionEvent], threshold: StressThreshold) -> Self {
        let mut users: Vec<Uuid> = events.iter().map(|event| event.user.uuid()).collect();
        users.sort_unstable();
        users.dedup();
        let mut words = String::with_capacity(events.len() * 8);
        let mut rows: Vec<Row> = (0_u32..)
            .zip(events)
            .map(|(place, event)| Row::new(place, event, &users, &mut words, threshold))
            .collect();
        rows.sort_unstable_by_key(|row| (row.day, row.user, row.id, row.place));
        Self { rows, users, words }
    }

    /// The sender's word for this event.
    pub(crate) fn word(&self, row: &Row) -> &str {
        self.words.get(row.word_start as usize..row.word_end as usize).unwrap_or_default()
    }

    /// The rows in runs of the same day and user.
    pub(crate) fn runs(&self) -> impl Iterator<Item = &[Row]> {
        self.rows.chunk_by(|a, b| a.day == b.day && a.user == b.user)
    }
}

impl Row {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "words have at most 64 characters, batches some thousands"
    )]
    fn new(
        place: u32,
        event: &EmotionEvent,
        users: &[Uuid],
        words: &mut String,
        threshold: StressThreshold,
    ) -> Self {
        let word_start = words.len() as u32;
        words.push_str(event.kind.as_str());
        let user = users.partition_point(|user| *user < event.user.uuid());
        Self {
            day: day_number_of(event.occurred_at),
            user: user as u32,
            id: event.id.uuid(),
            place,
            occurred_at: event.occurred_at.as_microsecond(),
            positivity: event.metrics.positivity.billionths(),
            intensity: event.metrics.intensity.billionths(),
            stress: event.metrics.stress.billionths(),
            is_stress_event: threshold.is_met_by(&event.metrics),
            word_start,
            word_end: words.len() as u32,
        }
    }
}
