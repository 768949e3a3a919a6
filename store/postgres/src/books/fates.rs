//! What became of an event.

use std::collections::{HashMap, HashSet};

use ecs_domain::dead_letter::DeadLetterState;
use ecs_domain::{Day, EventId};
use ecs_store::{EventKey, Fate, Ledger};
use uuid::Uuid;

use crate::column::{get, word};
use crate::engine::{Answer, Fault, Session};
use crate::erasures;
use crate::folds::DISCARDED;
use crate::plan::FIXED_PLANS;

pub(crate) mod statements {
    //! The SQL of fates, where the test of the query plans sees it.

    pub(crate) const EMOTIONS: &str = "
SELECT k.place,
    EXISTS (SELECT FROM emotional_events e
        WHERE e.day = k.day AND e.user_id = k.user_id AND e.event_id = k.event_id
            AND e.day >= $4::date AND e.day <= $5::date) AS counted,
    (SELECT i.fate FROM emotion_inbox i
        WHERE i.day = k.day AND i.user_id = k.user_id AND i.event_id = k.event_id) AS fate
FROM unnest($1::date[], $2::uuid[], $3::uuid[]) WITH ORDINALITY AS k (day, user_id, event_id, place)
ORDER BY k.place";
    pub(crate) const TRANSACTIONS: &str = "
SELECT k.place,
    EXISTS (SELECT FROM transactions t WHERE t.id = k.id AND t.user_id = k.user_id) AS counted,
    NULL::smallint AS fate
FROM unnest($1::uuid[], $2::uuid[]) WITH ORDINALITY AS k (user_id, id, place)
ORDER BY k.place";
    pub(crate) const LETTERS: &str = "
SELECT d.event_id, d.key, d.state, EXISTS (SELECT FROM outbox o WHERE o.row = d.outbox_row) AS in_outbox
FROM dead_letters d WHERE d.event_id = ANY ($1::uuid[]) AND d.subject = $2";
}

/// The fates of the events, in their order. Raw rows and ids are read by one statement: its snapshot is taken when it has
/// the locks that it needs, so a partition that is dropped meanwhile is there with its rows or gone with its ids in the
/// inbox. A transaction with one older snapshot for all would see neither.
pub(super) async fn read(session: &Session, ledger: Ledger, keys: &[EventKey]) -> Result<Vec<Fate>, Fault> {
    let (Some(first), Some(last)) =
        (keys.iter().map(|key| key.day).min(), keys.iter().map(|key| key.day).max())
    else {
        return Ok(Vec::new());
    };
    let days: Vec<Day> = keys.iter().map(|key| key.day).collect();
    let users: Vec<Uuid> = keys.iter().map(|key| key.user.uuid()).collect();
    let ids: Vec<Uuid> = keys.iter().map(|key| key.id.uuid()).collect();
    let subject = ledger.subject();
    let mut flight = session.flight();
    flight.begin_long();
    flight.add(FIXED_PLANS, &[]);
    let settled = match ledger {
        Ledger::Emotions => flight.add(statements::EMOTIONS, &[&days, &users, &ids, &first, &last]),
        Ledger::Transactions => flight.add(statements::TRANSACTIONS, &[&users, &ids]),
    };
    let letters = flight.add(statements::LETTERS, &[&ids, &subject]);
    let erased = flight.add(erasures::ERASED_AMONG, &[&users]);
    flight.commit();
    let mut answers = flight.send().await?;
    let settled = settled_fates(&answers.take(settled))?;
    let letters = Letters::read(&answers.take(letters))?;
    let erased =
        answers.take(erased).rows.iter().map(|row| get(row, 0)).collect::<Result<HashSet<Uuid>, _>>()?;
    let given_up = |key: &EventKey| match letters.fate(key.id.uuid(), Some(key.user.uuid())) {
        Fate::Unknown if erased.contains(&key.user.uuid()) => Fate::Erased,
        fate => fate,
    };
    Ok(keys.iter().zip(settled).map(|(key, fate)| fate.unwrap_or_else(|| given_up(key))).collect())
}

/// What the letters alone say of the events, whoever's they are.
pub(super) async fn of_letters(
    session: &Session,
    subject: &str,
    events: &[EventId],
) -> Result<Vec<Fate>, Fault> {
    let ids: Vec<Uuid> = events.iter().map(|event| event.uuid()).collect();
    let mut flight = session.flight();
    flight.begin_long();
    flight.add(FIXED_PLANS, &[]);
    let letters = flight.add(statements::LETTERS, &[&ids, &subject]);
    flight.commit();
    let letters = Letters::read(&flight.send().await?.take(letters))?;
    Ok(ids.iter().map(|id| letters.fate(*id, None)).collect())
}

fn settled_fates(answer: &Answer) -> Result<Vec<Option<Fate>>, Fault> {
    let read = |row| {
        let (counted, noted): (bool, Option<i16>) = (get(row, "counted")?, get(row, "fate")?);
        Ok(match noted {
            _ if counted => Some(Fate::Counted),
            Some(DISCARDED) => Some(Fate::Discarded),
            Some(_) => Some(Fate::Counted),
            None => None,
        })
    };
    answer.rows.iter().map(read).collect()
}

/// The letters of some events: whose they are, their state, and whether they are in the outbox.
struct Letters(HashMap<Uuid, Vec<(Uuid, DeadLetterState, bool)>>);

impl Letters {
    fn read(answer: &Answer) -> Result<Self, Fault> {
        let mut letters: HashMap<Uuid, Vec<_>> = HashMap::new();
        for row in &answer.rows {
            let letter = (get(row, "key")?, word(row, "state")?, get(row, "in_outbox")?);
            letters.entry(get(row, "event_id")?).or_default().push(letter);
        }
        Ok(Self(letters))
    }

    /// As long as one of its letters waits or was dropped, an event is given up, whatever was done about the others.
    fn fate(&self, event: Uuid, user: Option<Uuid>) -> Fate {
        let letters = self.0.get(&event).into_iter().flatten();
        let mut fate = Fate::Unknown;
        for (_, state, in_outbox) in letters.filter(|(key, ..)| user.is_none_or(|user| user == *key)) {
            fate = match (*state, fate) {
                (DeadLetterState::Waiting | DeadLetterState::Dropped, _) => return Fate::DeadLettered,
                (DeadLetterState::Replayed, Fate::Replayed { in_outbox: true }) => fate,
                (DeadLetterState::Replayed, _) => Fate::Replayed { in_outbox: *in_outbox },
            };
        }
        fate
    }
}
