//! The limiter in process against a naive model: a vessel that leaks.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use ecs_domain::Timestamp;
use ecs_limits::{InProcess, Key, Keys, Limiter as _, Quota, Size};
use proptest::prelude::*;

/// A vessel that loses a nanosecond's worth in every nanosecond. A cell pours in what it costs, unless that spills over.
#[derive(Default)]
struct Vessel {
    level: u128,
    seen: u128,
}

impl Vessel {
    fn take(&mut self, quota: &Quota, cells: u32, now: u128) -> bool {
        self.level = self.level.saturating_sub(now - self.seen);
        self.seen = now;
        let level = self.level + u128::from(quota.interval()) * u128::from(cells);
        let fits = level <= u128::from(quota.interval()) * u128::from(quota.burst());
        if fits {
            self.level = level;
        }
        fits
    }

    fn room(&self, quota: &Quota) -> u128 {
        u128::from(quota.burst()) - self.level.div_ceil(u128::from(quota.interval()))
    }
}

/// So long after the day that these tests are made on.
fn at(nanoseconds: u128) -> Timestamp {
    let start: Timestamp = "2026-11-21T00:00:00Z".parse().unwrap();
    start + Duration::from_nanos(nanoseconds.try_into().unwrap())
}

fn key(number: u8) -> Key {
    Keys::new([7; 32]).of(["test", "user"], &[number])
}

fn quota() -> impl Strategy<Value = Quota> {
    let per = prop_oneof![1..1_000u64, 1_000..10_000_000u64, Just(1_000_000_000), Just(60_000_000_000)];
    (1..500u32, per, 1..40u32)
        .prop_map(|(requests, per, burst)| Quota::new(requests, Duration::from_nanos(per), burst).unwrap())
}

/// Who asks for how many cells, and after how many tenths of a cell's time.
fn asks(keys: u8) -> impl Strategy<Value = Vec<(u8, u32, u16)>> {
    prop::collection::vec((0..keys, prop_oneof![4 => 1..3u32, 1 => 0..60u32], 0..25u16), 1..200)
}

/// The most that a key has taken in any window beyond what its quota gives, in nanoseconds' worth.
fn excess(taken: &[(u128, u32)], quota: &Quota) -> i128 {
    let cost = |cells: u32| i128::from(quota.interval()) * i128::from(cells);
    let mut most = 0;
    for (from, (begin, _)) in taken.iter().enumerate() {
        let mut sum = 0;
        for (end, cells) in &taken[from..] {
            sum += cost(*cells);
            let given = cost(quota.burst()) + i128::try_from(end - begin).unwrap();
            most = most.max(sum - given);
        }
    }
    most
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_answer_is_that_of_the_model(quota in quota(), asks in asks(5)) {
        let limiter = InProcess::default();
        let mut vessels: HashMap<u8, Vessel> = HashMap::new();
        let mut now = 0;
        for (who, cells, tenths) in asks {
            now += u128::from(quota.interval()) * u128::from(tenths) / 10;
            let vessel = vessels.entry(who).or_default();
            let expect = vessel.take(&quota, cells, now);
            let decision = limiter.check(&key(who), &quota, cells, at(now));
            prop_assert_eq!(decision.allowed, expect || cells == 0);
            prop_assert_eq!(u128::from(decision.remaining), vessel.room(&quota));
            prop_assert_eq!(decision.reset.as_nanos(), vessel.level);
        }
    }

    /// With fewer places than keys, where newcomers inherit.
    #[test]
    fn no_flood_of_keys_opens_the_gates(quota in quota(), asks in asks(12), places in 1..6usize) {
        let limiter = InProcess::new(Size { shards: 1, places });
        let mut taken: HashMap<u8, Vec<(u128, u32)>> = HashMap::new();
        let mut now = 0;
        for (who, cells, tenths) in asks {
            now += u128::from(quota.interval()) * u128::from(tenths) / 10;
            if limiter.check(&key(who), &quota, cells, at(now)).allowed {
                taken.entry(who).or_default().push((now, cells));
            }
            prop_assert!(limiter.keys() <= places);
        }
        for taken in taken.values() {
            prop_assert!(excess(taken, &quota) <= 0, "{:?}", taken);
        }
    }

    #[test]
    fn who_comes_back_when_told_is_let_in(quota in quota(), cells in 1..40u32) {
        let limiter = InProcess::default();
        let cells = cells.min(quota.burst());
        let mut refused = limiter.check(&key(1), &quota, cells, at(0));
        while refused.allowed {
            refused = limiter.check(&key(1), &quota, cells, at(0));
        }
        let then = refused.retry_after.as_nanos();
        prop_assert!(!limiter.check(&key(1), &quota, cells, at(then - 1)).allowed);
        prop_assert!(limiter.check(&key(1), &quota, cells, at(then)).allowed);
    }
}

#[test]
fn what_is_given_back_can_be_taken_again() {
    let (limiter, quota) = (InProcess::default(), "10/15m".parse::<Quota>().unwrap());
    for _ in 0..100 {
        assert!(limiter.check(&key(1), &quota, 1, at(0)).allowed);
        limiter.give_back(&key(1), &quota, 1, at(0));
    }
    limiter.give_back(&key(1), &quota, 50, at(0));
    limiter.give_back(&key(2), &quota, 1, at(0));
    let allowed = (0..20).filter(|_| limiter.check(&key(1), &quota, 1, at(0)).allowed).count();
    assert_eq!(allowed, 10, "never more than there were");
}

#[test]
fn a_clock_that_is_put_back_shuts_nobody_out_for_longer_than_a_burst_takes() {
    let (limiter, quota) = (InProcess::default(), "1/s:5".parse::<Quota>().unwrap());
    let hour = 3_600_000_000_000;
    assert!(limiter.check(&key(1), &quota, 5, at(hour)).allowed);
    let refused = limiter.check(&key(1), &quota, 1, at(0));
    assert_eq!((refused.allowed, refused.retry_after), (false, Duration::from_secs(1)));
}

/// The throttled stay known while strangers come and go, and the honest who come during a flood are let in.
#[test]
fn a_flood_of_new_keys_neither_frees_the_throttled_nor_refuses_newcomers() {
    let limiter = InProcess::new(Size { shards: 1, places: 64 });
    let quota: Quota = "1/s:10".parse().unwrap();
    let (throttled, keys) = (key(0), Keys::new([7; 32]));
    assert!(limiter.check(&throttled, &quota, 10, at(0)).allowed);
    // A second of 500 new keys, eight times what there is room for.
    for stranger in 0..500_u128 {
        let now = at(stranger * 2_000_000);
        limiter.check(&keys.of(["flood", "user"], &stranger.to_le_bytes()), &quota, 1, now);
        if stranger % 50 == 0 {
            assert!(!limiter.check(&throttled, &quota, 1, now).allowed, "freed after {stranger}");
            let honest = keys.of(["honest", "user"], &stranger.to_le_bytes());
            assert!(limiter.check(&honest, &quota, 1, now).allowed, "refused after {stranger}");
        }
    }
}

#[test]
fn threads_together_get_no_more_than_one_would() {
    let limiter = Arc::new(InProcess::default());
    let quota: Quota = "1/h:100".parse().unwrap();
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let limiter = Arc::clone(&limiter);
            let take = move || (0..100).filter(|_| limiter.check(&key(1), &quota, 1, at(0)).allowed).count();
            std::thread::spawn(take)
        })
        .collect();
    let taken: usize = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    assert_eq!(taken, 100);
}
