//! A batch of emotion events as the arrays that the fold's statement takes.

use ecs_domain::emotion::EmotionEvent;
use ecs_domain::{Day, Timestamp, utc_day};
use uuid::Uuid;

use crate::column::micros;

/// A batch, ready to be folded: one column per array, in the order of the table's key, each event once.
pub(crate) struct Batch<'a> {
    /// The users of the batch, each once, in rising order.
    pub(crate) users: Vec<Uuid>,
    /// Whose event it is, as a place in `users`, counted from 1 as SQL does.
    pub(crate) user: Vec<i32>,
    /// UTC days.
    pub(crate) days: Vec<Day>,
    /// Event ids.
    pub(crate) ids: Vec<Uuid>,
    /// When it was felt, in whole microseconds.
    pub(crate) occurred_at: Vec<Timestamp>,
    /// The sender's words.
    pub(crate) kinds: Vec<&'a str>,
    /// Billionths.
    pub(crate) positivity: Vec<i32>,
    /// Billionths.
    pub(crate) intensity: Vec<i32>,
    /// Billionths.
    pub(crate) stress: Vec<i32>,
    /// For each event of the caller, in the caller's order: where it is in the arrays, and whether it is there for the
    /// first time.
    pub(crate) places: Vec<Place>,
}

/// Where an event of the caller went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// Index into the arrays.
    pub(crate) row: usize,
    /// Whether the same event stood before it in the batch.
    pub(crate) repeats: bool,
}

impl<'a> Batch<'a> {
    /// Sorts the events and takes repeats out. Keys in one order in every fold keep folds that meet from waiting for each
    /// other in a circle.
    pub(crate) fn new(events: &'a [EmotionEvent]) -> Self {
        let mut users: Vec<Uuid> = events.iter().map(|event| event.user.uuid()).collect();
        users.sort_unstable();
        users.dedup();
        let mut sorted: Vec<(Key, usize)> = events.iter().map(key).zip(0..).collect();
        // Of two same events the one that the caller has first stands first, and counts.
        sorted.sort_unstable();
        let mut batch = Self::with_capacity(users, events.len());
        let mut last = None;
        for (key, place) in sorted {
            let repeats = last.replace(key) == Some(key);
            if !repeats && let Some(event) = events.get(place) {
                batch.push(key, event);
            }
            let row = batch.ids.len().saturating_sub(1);
            if let Some(found) = batch.places.get_mut(place) {
                *found = Place { row, repeats };
            }
        }
        batch
    }

    fn with_capacity(users: Vec<Uuid>, events: usize) -> Self {
        Self {
            users,
            user: Vec::with_capacity(events),
            days: Vec::with_capacity(events),
            ids: Vec::with_capacity(events),
            occurred_at: Vec::with_capacity(events),
            kinds: Vec::with_capacity(events),
            positivity: Vec::with_capacity(events),
            intensity: Vec::with_capacity(events),
            stress: Vec::with_capacity(events),
            places: vec![Place { row: 0, repeats: false }; events],
        }
    }

    fn push(&mut self, (day, user, id): Key, event: &'a EmotionEvent) {
        let at = self.users.partition_point(|other| *other < user) + 1;
        self.user.push(i32::try_from(at).unwrap_or(i32::MAX));
        self.days.push(day);
        self.ids.push(id);
        self.occurred_at.push(micros(event.occurred_at));
        self.kinds.push(event.kind.as_str());
        // At most a billion each, which these integers hold.
        let part = |parts: u32| i32::try_from(parts).unwrap_or(i32::MAX);
        self.positivity.push(part(event.metrics.positivity.billionths()));
        self.intensity.push(part(event.metrics.intensity.billionths()));
        self.stress.push(part(event.metrics.stress.billionths()));
    }

    /// The rows' keys with the places of their users, in the order of the arrays.
    pub(crate) fn keys(&self) -> impl Iterator<Item = (Key, usize)> {
        let owners = self.user.iter().map(|at| usize::try_from(*at).unwrap_or(0).saturating_sub(1));
        self.days.iter().zip(&self.ids).zip(owners).map(|((day, id), owner)| {
            let user = self.users.get(owner).copied().unwrap_or_default();
            ((*day, user, *id), owner)
        })
    }

    /// The first and the last day.
    pub(crate) fn span(&self) -> Option<(Day, Day)> {
        Some((*self.days.first()?, *self.days.last()?))
    }
}

/// What makes two events the same.
pub(crate) type Key = (Day, Uuid, Uuid);

/// The day is that of the instant before its nanoseconds are cut off; both are the same.
fn key(event: &EmotionEvent) -> Key {
    (utc_day(event.occurred_at), event.user.uuid(), event.id.uuid())
}

#[cfg(test)]
mod tests {
    use ecs_domain::emotion::{EmotionKind, Metrics, Unit};
    use ecs_domain::{EventId, UserId};

    use super::*;

    fn event(user: u128, id: u128, at: &str, billionths: u32) -> EmotionEvent {
        let unit = Unit::from_billionths(billionths).unwrap();
        EmotionEvent {
            id: EventId::new(Uuid::from_u128(id)),
            user: UserId::new(Uuid::from_u128(user)),
            occurred_at: at.parse().unwrap(),
            kind: EmotionKind::new("calm".to_owned()).unwrap(),
            metrics: Metrics { positivity: unit, intensity: unit, stress: unit },
        }
    }

    #[test]
    fn rows_are_sorted_and_stand_once() {
        let events = [
            event(2, 1, "2026-11-20T08:00:00Z", 1),
            event(1, 9, "2026-11-20T08:00:00Z", 2),
            event(2, 1, "2026-11-20T09:00:00Z", 3),
            event(2, 1, "2026-11-19T09:00:00Z", 4),
        ];
        let batch = Batch::new(&events);
        assert_eq!(batch.positivity, [4, 2, 1], "by day, user and id; of the same the first");
        assert_eq!(batch.user, [2, 1, 2]);
        let place = |row, repeats| Place { row, repeats };
        assert_eq!(batch.places, [place(2, false), place(1, false), place(2, true), place(0, false)]);
        let keys: Vec<_> = batch.keys().map(|(key, _)| key).collect();
        assert!(keys.is_sorted());
        assert_eq!(keys, [key(&events[3]), key(&events[1]), key(&events[0])]);
    }
}
