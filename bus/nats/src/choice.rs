//! Singles or batches: whichever is faster here.

use std::time::Duration;

use crate::sender::Way;

/// Decides which way is the faster one, from what both have cost so far.
///
/// A single costs one flush. A batch costs a fixed sum, because the server stages it in a folder of its own, plus little
/// per message. Where the one overtakes the other depends on the disk by orders of magnitude, so it is measured: on one machine a
/// batch pays from ten messages on, on another from a hundred and thirty.
#[derive(Debug)]
pub(crate) struct Choice {
    /// Seconds per message sent singly.
    single: f64,
    /// Seconds that a batch costs besides its messages.
    batch: f64,
}

/// Seconds per message of a batch, roughly: the least part of the sum, so it isn't measured.
const MEMBER: f64 = 6e-6;
/// How much a new measurement counts.
const NEWS: f64 = 0.25;
/// The way that wasn't taken is trusted a little more each time, so that one bad moment isn't held against it for ever.
const FORGIVENESS: f64 = 0.9995;

impl Default for Choice {
    /// A disk that flushes 4,000 times a second.
    fn default() -> Self {
        Self { single: 250e-6, batch: 3e-3 }
    }
}

impl Choice {
    /// The way for a group of so many messages.
    pub(crate) fn way(&self, messages: usize) -> Way {
        let count = messages as f64;
        if messages > 1 && count * self.single > self.batch + count * MEMBER {
            Way::Batches
        } else {
            Way::Singles
        }
    }

    /// Learns what a group has cost.
    pub(crate) fn learn(&mut self, way: Way, messages: usize, took: Duration) {
        let (count, took) = (messages.max(1) as f64, took.as_secs_f64());
        match way {
            Way::Singles => {
                self.single += NEWS * (took / count - self.single);
                self.batch *= FORGIVENESS;
            }
            Way::Batches => {
                self.batch += NEWS * ((took - count * MEMBER).max(0.0) - self.batch);
                self.single *= FORGIVENESS;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use super::*;

    #[test]
    fn the_faster_way_is_found_by_measuring() {
        // A disk that flushes fast, but is slow to remove files: (per single, per batch, where a batch begins to pay).
        let check = |single: f64, batch: f64, expect: Range<usize>| {
            let mut choice = Choice::default();
            for round in 0..2_000 {
                let messages = 1 + round % 500;
                let way = choice.way(messages);
                let count = messages as f64;
                let took = match way {
                    Way::Singles => count * single,
                    Way::Batches => batch + count * MEMBER,
                };
                choice.learn(way, messages, Duration::from_secs_f64(took));
            }
            let pays = (1..=1_000).find(|messages| choice.way(*messages) == Way::Batches).unwrap();
            assert!(expect.contains(&pays), "from {pays} on");
        };
        check(57e-6, 7e-3, 90..180);
        check(230e-6, 2.4e-3, 8..20);
        check(3e-3, 30e-3, 8..16);
    }

    #[test]
    fn one_message_is_never_a_batch() {
        let mut choice = Choice::default();
        for _ in 0..50 {
            choice.learn(Way::Singles, 1, Duration::from_secs(1));
        }
        assert_eq!((choice.way(1), choice.way(2)), (Way::Singles, Way::Batches));
    }
}
