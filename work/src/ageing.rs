//! How long rows of the store are kept that grow old, and the sweep that drops the rest.

use std::time::Duration;

use ecs_domain::Timestamp;
use ecs_store::{Aged, Ageing, Due, StoreError};

use crate::retention::before;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How many rows go in one transaction: some tens of milliseconds of the store's time.
const PIECE: usize = 5_000;

/// How long each kind of rows is kept, in days; `None` keeps it for as long as the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetimes {
    /// Daily summaries of emotions, by their day. Longer than raw rows.
    pub summaries: Option<u16>,
    /// Denials by when they were made, offers that nobody accepted by when they expired.
    pub decisions: Option<u16>,
    /// Notifications, by when they were kept.
    pub notifications: Option<u16>,
    /// Transactions, by when they arrived.
    pub transactions: Option<u16>,
    /// Dead letters that nobody decides about.
    pub waiting_letters: Option<u16>,
}

impl Lifetimes {
    /// What holds unless configured otherwise.
    pub const DEFAULT: Self = Self {
        summaries: Some(730),
        decisions: Some(1_825),
        notifications: Some(730),
        transactions: None,
        waiting_letters: Some(90),
    };

    /// The time before which rows are to go; `None` when they stay.
    #[must_use]
    pub fn floor(&self, rows: Aged, now: Timestamp) -> Option<Timestamp> {
        let days = match rows {
            Aged::Summaries => self.summaries,
            Aged::Decisions => self.decisions,
            Aged::Notifications => self.notifications,
            Aged::Transactions => self.transactions,
            Aged::WaitingLetters => self.waiting_letters,
            // Its overlap is all that a replaced secret is kept for.
            Aged::ReplacedSecrets => Some(0),
        };
        days.map(|days| before(now, DAY * u32::from(days)))
    }
}

/// Drops what is past its time, piece by piece.
///
/// # Errors
/// The store couldn't; what went before that is gone.
pub async fn sweep(store: &dyn Ageing, lifetimes: &Lifetimes, now: Timestamp) -> Result<(), StoreError> {
    for rows in Aged::ALL {
        let Some(before) = lifetimes.floor(rows, now) else { continue };
        let mut gone = 0;
        loop {
            match store.drop_aged(Due { rows, before, now, most: PIECE }).await? {
                0 => break,
                more => gone += more,
            }
        }
        tell(rows, gone, before);
    }
    Ok(())
}

/// Letters that wait are somebody's events that never had their effect, so that they go is worth a look.
fn tell(rows: Aged, gone: u64, before: Timestamp) {
    match rows {
        _ if gone == 0 => {}
        Aged::WaitingLetters => {
            tracing::warn!(letters = gone, %before, "dead letters that nobody decided about were dropped for their age");
        }
        rows => tracing::info!(rows = rows.as_str(), gone, %before, "rows past their retention went"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Has a number of each of rows, and notes what it is asked for.
    struct Shelf {
        left: Mutex<Vec<(Aged, u64)>>,
        floors: Mutex<Vec<(Aged, Timestamp)>>,
    }

    #[async_trait::async_trait]
    impl Ageing for Shelf {
        async fn drop_aged(&self, due: Due) -> Result<u64, StoreError> {
            self.floors.lock().unwrap().push((due.rows, due.before));
            let mut left = self.left.lock().unwrap();
            let Some((_, rows)) = left.iter_mut().find(|(rows, _)| *rows == due.rows) else { return Ok(0) };
            let gone = (*rows).min(due.most as u64);
            *rows -= gone;
            Ok(gone)
        }
    }

    #[test]
    fn what_has_no_lifetime_stays() {
        let now: Timestamp = "2026-11-21T10:00:00Z".parse().unwrap();
        let check = |rows, expect: Option<&str>| {
            assert_eq!(Lifetimes::DEFAULT.floor(rows, now), expect.map(|at| at.parse().unwrap()), "{rows:?}");
        };
        check(Aged::Summaries, Some("2024-11-21T10:00:00Z"));
        check(Aged::Decisions, Some("2021-11-22T10:00:00Z"));
        check(Aged::Notifications, Some("2024-11-21T10:00:00Z"));
        check(Aged::Transactions, None);
        check(Aged::WaitingLetters, Some("2026-08-23T10:00:00Z"));
        check(Aged::ReplacedSecrets, Some("2026-11-21T10:00:00Z"));
    }

    #[tokio::test]
    async fn a_sweep_goes_on_until_nothing_is_left() {
        let left = vec![(Aged::Summaries, 12_345), (Aged::Transactions, 7)];
        let shelf = Shelf { left: Mutex::new(left), floors: Mutex::default() };
        sweep(&shelf, &Lifetimes::DEFAULT, Timestamp::UNIX_EPOCH).await.unwrap();
        assert_eq!(*shelf.left.lock().unwrap(), [(Aged::Summaries, 0), (Aged::Transactions, 7)]);
        let asked = |rows| shelf.floors.lock().unwrap().iter().filter(|(asked, _)| *asked == rows).count();
        assert_eq!((asked(Aged::Summaries), asked(Aged::Decisions), asked(Aged::Transactions)), (4, 1, 0));
    }
}
