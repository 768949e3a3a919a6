//! Journals held against made-up books.

use std::sync::Mutex;

use uuid::Uuid;

use super::*;

/// Books that say the same every time, except that an event may turn from unknown to counted once asked about.
#[derive(Default)]
struct Books {
    fates: Mutex<HashMap<EventKey, Vec<Fate>>>,
    counted: Vec<EventKey>,
}

#[async_trait]
impl FateSource for Books {
    async fn fates(&self, _: Ledger, keys: &[EventKey]) -> anyhow::Result<Vec<Fate>> {
        let mut fates = self.fates.lock().unwrap();
        let answer = keys.iter().map(|key| match fates.get_mut(key) {
            Some(coming) if coming.len() > 1 => coming.remove(0),
            Some(coming) => coming[0],
            None => Fate::Unknown,
        });
        Ok(answer.collect())
    }

    async fn counted(
        &self,
        ledger: Ledger,
        after: Option<EventKey>,
        _: usize,
    ) -> anyhow::Result<Vec<EventKey>> {
        let from = after.map_or(0, |key| self.counted.iter().rposition(|k| *k == key).unwrap() + 1);
        // Two to a page, so that paging is walked too.
        let page = self.counted.iter().skip(from).take(2).copied().collect();
        Ok(if ledger == Ledger::Emotions { page } else { Vec::new() })
    }
}

fn key(user: u128, n: u32) -> EventKey {
    let at = "2026-11-21T10:00:00Z".parse().unwrap();
    EventKey::derive(UserId::new(Uuid::from_u128(user)), &n.to_string(), at)
}

fn entry(state: State, key: EventKey) -> Entry {
    Entry { state, ledger: Ledger::Emotions, key }
}

/// What comes of one event of user 1 with these facts, this fate, and these counted events.
async fn judge(facts: &[State], fate: Fate, counted: &[EventKey]) -> JournalReport {
    let entries: Vec<Entry> = facts.iter().map(|state| entry(*state, key(1, 1))).collect();
    let books =
        Books { fates: Mutex::new(HashMap::from([(key(1, 1), vec![fate])])), counted: counted.to_vec() };
    journal(&entries, &books, Duration::ZERO).await.unwrap()
}

#[tokio::test]
async fn promises_are_kept_and_nothing_is_made_up() {
    use State::{Accepted, Refused, Sent};
    let check = async |facts: &[State], fate, counted: &[EventKey], expect: bool| {
        let report = judge(facts, fate, counted).await;
        assert_eq!(report.holds(), expect, "{facts:?} {fate:?} {counted:?}: {:?}", report.complaints());
    };
    let one = [key(1, 1)];
    check(&[Sent, Accepted], Fate::Counted, &one, true).await;
    check(&[Sent, Accepted], Fate::Discarded, &[], true).await;
    check(&[Sent, Accepted], Fate::DeadLettered, &[], true).await;
    check(&[Sent, Accepted], Fate::Pending, &[], true).await;
    check(&[Sent, Accepted], Fate::Unknown, &[], false).await;
    check(&[Sent], Fate::Counted, &one, true).await;
    check(&[Sent], Fate::Unknown, &[], true).await;
    check(&[Sent, Refused], Fate::Unknown, &[], true).await;
    check(&[Sent, Refused], Fate::Counted, &one, false).await;
    // A later attempt under the same id was accepted: the 202 is what counts.
    check(&[Sent, Refused, Sent, Accepted], Fate::Counted, &one, true).await;
    // Listed twice, never sent, and of a stranger, who is none of this journal's business.
    check(&[Sent, Accepted], Fate::Counted, &[key(1, 1), key(2, 5), key(1, 1)], false).await;
    check(&[Sent, Accepted], Fate::Counted, &[key(1, 1), key(1, 2)], false).await;
    check(&[Sent, Accepted], Fate::Counted, &[key(1, 1), key(2, 2), key(2, 3)], true).await;
}

#[tokio::test]
async fn the_report_says_how_many_of_what() {
    let entries: Vec<Entry> = (1..=5)
        .flat_map(|n| [entry(State::Sent, key(1, n)), entry(State::Accepted, key(1, n))])
        .chain([entry(State::Sent, key(1, 6)), entry(State::Sent, key(1, 7))])
        .collect();
    let fates = [
        (1, Fate::Counted),
        (2, Fate::Counted),
        (3, Fate::Discarded),
        (4, Fate::DeadLettered),
        (6, Fate::Counted),
    ];
    let books = Books {
        fates: Mutex::new(fates.into_iter().map(|(n, fate)| (key(1, n), vec![fate])).collect()),
        counted: vec![key(1, 1), key(1, 2), key(1, 6)],
    };
    let report = journal(&entries, &books, Duration::ZERO).await.unwrap();
    let accepted = Accepted { total: 5, counted: 2, discarded: 1, dead_lettered: 1, erased: 0, pending: 0 };
    assert_eq!(report.accepted, accepted);
    assert_eq!(report.unanswered, Unanswered { total: 2, arrived: 1 });
    assert_eq!((report.sent, report.counted_of_users, report.missing.count), (7, 3, 1));
    let complaint = report.complaints().join("\n");
    assert!(complaint.contains(&key(1, 5).event_id.to_string()), "{complaint}");
}

#[tokio::test(start_paused = true)]
async fn a_platform_that_drains_is_given_time() {
    let entries = [entry(State::Sent, key(1, 1)), entry(State::Accepted, key(1, 1))];
    let coming = vec![Fate::Unknown, Fate::Unknown, Fate::Pending, Fate::Counted];
    let books = || Books {
        fates: Mutex::new(HashMap::from([(key(1, 1), coming.clone())])),
        counted: vec![key(1, 1)],
    };
    let patient = journal(&entries, &books(), Duration::from_secs(5)).await.unwrap();
    assert!(patient.holds());
    assert_eq!(patient.accepted.counted, 1);
    let hasty = journal(&entries, &books(), Duration::ZERO).await.unwrap();
    assert_eq!(hasty.missing.count, 1);
}

#[test]
fn a_transaction_is_the_same_on_every_day() {
    let mut other_day = key(1, 1);
    other_day.day = "2020-02-02".parse().unwrap();
    assert_eq!(key(1, 1).within(Ledger::Transactions), other_day.within(Ledger::Transactions));
    assert_ne!(key(1, 1).within(Ledger::Emotions), other_day.within(Ledger::Emotions));
}
