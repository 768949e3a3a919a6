//! The replicas of a role: whose turn it is, and who is left out.

use std::sync::atomic::{AtomicUsize, Ordering};

use ecs_breaker::{Breaker, Open, Options, Permit};
use ecs_metrics::Metrics;

use super::address::{Address, BadAddress};

/// One process that runs the role, or what stands in front of several.
#[derive(Debug)]
pub(super) struct Replica {
    pub(super) address: Address,
    breaker: Breaker,
}

/// All of them.
pub(super) struct Replicas {
    all: Vec<Replica>,
    next: AtomicUsize,
}

/// A replica, and the leave to call it.
pub(super) struct Chosen<'a> {
    pub(super) index: usize,
    pub(super) replica: &'a Replica,
    pub(super) permit: Permit,
}

impl Replicas {
    /// At least one.
    pub(super) fn new(
        role: &'static str,
        addresses: Vec<Address>,
        options: Options,
        metrics: &Metrics,
    ) -> Result<Self, BadAddress> {
        if addresses.is_empty() {
            return Err(BadAddress::Missing);
        }
        let alone = addresses.len() == 1;
        let replica = |(index, address)| {
            let name = if alone { format!("role-{role}") } else { format!("role-{role}-{}", index + 1) };
            // Labels of metrics live as long as the process, and there are as many of them as addresses in the settings.
            Replica { address, breaker: Breaker::new(name.leak(), options, metrics) }
        };
        let all = addresses.into_iter().enumerate().map(replica).collect();
        Ok(Self { all, next: AtomicUsize::new(0) })
    }

    /// The next one that may be called, `not` this one unless there is no other; or how long until the first may be.
    pub(super) fn choose(&self, not: Option<usize>) -> Result<Chosen<'_>, Open> {
        let count = self.all.len();
        // A second attempt is nobody's turn: if it took one, every call might begin at the same bad replica.
        let turn = match not {
            None if self.several() => self.next.fetch_add(1, Ordering::Relaxed),
            Some(_) | None => self.next.load(Ordering::Relaxed),
        };
        let first = not.unwrap_or(turn % count);
        // Another begins in every round, so that the work of one that is left out isn't all the next one's.
        let others = (0..count - 1).map(|step| (first + 1 + (turn / count + step) % (count - 1)) % count);
        let in_turn = not.is_none().then_some(first);
        let order = in_turn.into_iter().chain(others).chain(not);
        let mut soonest: Option<Open> = None;
        for (index, replica) in order.filter_map(|index| Some((index, self.all.get(index)?))) {
            match replica.breaker.admit() {
                Ok(permit) => return Ok(Chosen { index, replica, permit }),
                Err(open) if soonest.is_some_and(|known| known.retry_after <= open.retry_after) => {}
                Err(open) => soonest = Some(open),
            }
        }
        // There is at least one replica, so there is an answer.
        Err(soonest.unwrap_or(Open { retry_after: std::time::Duration::from_secs(1) }))
    }

    /// Whether a second attempt would meet somebody else.
    pub(super) fn several(&self) -> bool {
        self.all.len() > 1
    }
}

impl std::fmt::Debug for Replicas {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_list().entries(&self.all).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn replicas(count: usize) -> Replicas {
        let addresses = (0..count).map(|_| Address::parse("http://replica:80").unwrap()).collect();
        let options = Options { failures: 1, ..Options::default() };
        Replicas::new("test", addresses, options, &Metrics::new()).unwrap()
    }

    fn chosen(replicas: &Replicas, not: Option<usize>) -> Option<usize> {
        replicas.choose(not).ok().map(|chosen| chosen.index)
    }

    #[tokio::test(start_paused = true)]
    async fn replicas_take_turns_and_a_failing_one_is_left_out() {
        let replicas = replicas(3);
        let turns: Vec<_> = (0..6).map(|_| chosen(&replicas, None)).collect();
        assert_eq!(turns, [0, 1, 2, 0, 1, 2].map(Some));
        replicas.choose(None).unwrap().permit.failed();
        let turns: Vec<_> = (0..5).map(|_| chosen(&replicas, None)).collect();
        assert!(
            !turns.contains(&Some(0)) && turns.contains(&Some(1)) && turns.contains(&Some(2)),
            "{turns:?}"
        );
        tokio::time::advance(Duration::from_secs(30)).await;
        let turns: Vec<_> = (0..3).map(|_| chosen(&replicas, None)).collect();
        assert!(turns.contains(&Some(0)), "{turns:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_turns_of_one_that_is_left_out_are_shared_by_the_others() {
        let replicas = replicas(4);
        let _ = replicas.choose(None).map(|first| first.permit.failed());
        let mut turns = [0; 4];
        for _ in 0..24 {
            turns[chosen(&replicas, None).unwrap()] += 1;
        }
        assert_eq!(turns, [0, 8, 8, 8]);
        let mut second_attempts = [0; 4];
        for _ in 0..12 {
            second_attempts[chosen(&replicas, Some(1)).unwrap()] += 1;
            chosen(&replicas, None);
        }
        assert_eq!(second_attempts[..2], [0, 0]);
        assert!(second_attempts[2] > 2 && second_attempts[3] > 2, "{second_attempts:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_attempt_goes_to_another_one_if_there_is_one() {
        let several = replicas(2);
        for _ in 0..4 {
            assert_eq!(chosen(&several, Some(0)), Some(1));
        }
        assert_eq!(chosen(&replicas(1), Some(0)), Some(0));
    }

    #[tokio::test(start_paused = true)]
    async fn when_all_are_left_out_it_is_told_when_the_first_comes_back() {
        let replicas = replicas(2);
        replicas.choose(Some(1)).unwrap().permit.failed();
        tokio::time::advance(Duration::from_secs(10)).await;
        replicas.choose(None).unwrap().permit.failed();
        let open = replicas.choose(None).err().unwrap();
        assert_eq!(open.retry_after, Duration::from_secs(20));
    }
}
