//! How often something may be sent twice.

use std::sync::atomic::{AtomicU32, Ordering};

/// What one call adds, and what a second attempt costs: one in ten calls may be repeated.
const PER_CALL: u32 = 1;
const PER_RETRY: u32 = 10;
/// What can be saved up, and what there is at the start: ten second attempts.
const MOST: u32 = 10 * PER_RETRY;

/// A bucket that calls fill and second attempts empty. When everything fails, the load on what is left grows by a tenth and
/// not to twice as much.
#[derive(Debug)]
pub(super) struct RetryBudget(AtomicU32);

impl Default for RetryBudget {
    fn default() -> Self {
        Self(AtomicU32::new(MOST))
    }
}

impl RetryBudget {
    /// A call is made.
    pub(super) fn called(&self) {
        // A full bucket is the rule, and costs no write.
        if self.0.load(Ordering::Relaxed) < MOST {
            let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |saved| {
                (saved < MOST).then_some(saved + PER_CALL)
            });
        }
    }

    /// Whether it may be repeated; that is paid for at once.
    pub(super) fn take(&self) -> bool {
        let taken =
            self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |saved| saved.checked_sub(PER_RETRY));
        taken.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_of_the_calls_and_a_few_more_may_be_repeated() {
        let budget = RetryBudget::default();
        let repeated = (0..1_000).filter(|_| {
            budget.called();
            budget.take()
        });
        // The first call meets a full bucket, to which it adds nothing.
        assert_eq!(repeated.count(), 109);
        (0..5_000).for_each(|_| budget.called());
        assert_eq!((0..100).filter(|_| budget.take()).count(), 10, "no more than that is saved up");
    }
}
