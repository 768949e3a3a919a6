//! What the server sent over one channel, and how it is told in few words what of it is done.
//!
//! The server numbers what it sends over a channel 1, 2, 3 and so on, and takes "everything up to this number is done". So a number
//! that has not arrived yet must stand in the way of that word as one does that is still held: it may be on its way to another consumer
//! of the same channel.

use std::collections::VecDeque;

use ecs_domain::Timestamp;

/// A number's fate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slot {
    /// Sent, for a later number is here, but not arrived.
    Unseen,
    /// Arrived and not settled; when it was published.
    Open(Timestamp),
    /// The server has been told what became of it.
    Closed,
}

/// What was sent over a channel and is not settled.
#[derive(Debug)]
pub(crate) struct Unsettled {
    /// The number of the first slot. Everything before is closed.
    first: u64,
    slots: VecDeque<Slot>,
    open: usize,
}

/// How to tell that some numbers are done.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Words {
    /// Everything up to this one.
    pub(crate) through: Option<u64>,
    /// And each of these.
    pub(crate) singly: Vec<u64>,
}

impl Default for Unsettled {
    fn default() -> Self {
        Self { first: 1, slots: VecDeque::new(), open: 0 }
    }
}

impl Unsettled {
    /// How many are open.
    pub(crate) fn len(&self) -> usize {
        self.open
    }

    /// When the oldest open one was published.
    pub(crate) fn oldest(&self) -> Option<Timestamp> {
        let published = |slot: &Slot| match slot {
            Slot::Open(at) => Some(*at),
            Slot::Unseen | Slot::Closed => None,
        };
        self.slots.iter().filter_map(published).min()
    }

    /// Notes one that has arrived.
    pub(crate) fn add(&mut self, number: u64, published_at: Timestamp) {
        let Some(place) = self.place(number) else { return };
        if place >= self.slots.len() {
            self.slots.resize(place + 1, Slot::Unseen);
        }
        if let Some(slot @ Slot::Unseen) = self.slots.get_mut(place) {
            *slot = Slot::Open(published_at);
            self.open += 1;
        }
    }

    /// How to tell the server that these are done. Names none that is open and not among them, nor one that is closed.
    pub(crate) fn words(&self, mut done: Vec<u64>) -> Words {
        done.sort_unstable();
        done.retain(|number| self.place(*number).is_some_and(|place| self.is_open(place)));
        let mut together = 0;
        for (number, slot) in (self.first..).zip(&self.slots) {
            match slot {
                Slot::Closed => {}
                Slot::Open(_) if done.get(together) == Some(&number) => together += 1,
                Slot::Open(_) | Slot::Unseen => break,
            }
        }
        let singly = done.split_off(together);
        Words { through: done.pop(), singly }
    }

    /// Notes that the server was told what became of one.
    pub(crate) fn close(&mut self, number: u64) {
        let place = self.place(number).filter(|place| self.is_open(*place));
        if let Some(slot) = place.and_then(|place| self.slots.get_mut(place)) {
            *slot = Slot::Closed;
            self.open -= 1;
        }
        while self.slots.front() == Some(&Slot::Closed) {
            self.slots.pop_front();
            self.first += 1;
        }
    }

    fn place(&self, number: u64) -> Option<usize> {
        number.checked_sub(self.first).and_then(|place| usize::try_from(place).ok())
    }

    fn is_open(&self, place: usize) -> bool {
        matches!(self.slots.get(place), Some(Slot::Open(_)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The server's side: what it has sent and was told nothing about yet.
    #[derive(Default)]
    struct Server {
        sent: u64,
        outstanding: BTreeSet<u64>,
    }

    impl Server {
        fn hear(&mut self, words: &Words) -> BTreeSet<u64> {
            let mut done = BTreeSet::new();
            for (number, multiple) in words
                .through
                .map(|number| (number, true))
                .into_iter()
                .chain(words.singly.iter().map(|number| (*number, false)))
            {
                assert!(self.outstanding.contains(&number), "the server ends a channel that names {number}");
                let heard: BTreeSet<u64> = self
                    .outstanding
                    .iter()
                    .copied()
                    .filter(|it| *it == number || (multiple && *it < number))
                    .collect();
                self.outstanding.retain(|it| !heard.contains(it));
                done.extend(heard);
            }
            done
        }
    }

    /// A generator that gives the same numbers every time (xorshift).
    struct Dice(u64);

    impl Dice {
        fn below(&mut self, end: u64) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0 % end
        }

        /// Takes some of a set.
        fn some_of(&mut self, set: &mut BTreeSet<u64>) -> Vec<u64> {
            let chance = 1 + self.below(4);
            let mut some: Vec<u64> = set.iter().copied().filter(|_| self.below(4) < chance).collect();
            set.retain(|number| !some.contains(number));
            let by = usize::try_from(self.below(8)).unwrap() % some.len().max(1);
            some.rotate_left(by);
            some
        }
    }

    /// Whatever arrives and is settled in whatever order: the server hears exactly what was settled, each once.
    #[test]
    fn the_server_hears_of_what_is_done_and_of_nothing_else() {
        for seed in 1..2_000 {
            let (mut dice, mut server, mut own) = (Dice(seed), Server::default(), Unsettled::default());
            let (mut on_the_way, mut held) = (BTreeSet::new(), BTreeSet::new());
            for _ in 0..30 {
                for _ in 0..dice.below(8) {
                    server.sent += 1;
                    server.outstanding.insert(server.sent);
                    on_the_way.insert(server.sent);
                }
                for number in dice.some_of(&mut on_the_way) {
                    own.add(number, Timestamp::UNIX_EPOCH);
                    held.insert(number);
                }
                let done = dice.some_of(&mut held);
                let words = own.words(done.clone());
                let heard = server.hear(&words);
                assert_eq!(heard, done.iter().copied().collect(), "seed {seed}: {words:?}");
                done.iter().for_each(|number| own.close(*number));
                assert_eq!(own.len(), held.len(), "seed {seed}");
            }
        }
    }

    #[test]
    fn one_word_does_for_all_that_nothing_stands_before() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut own = Unsettled::default();
        for (number, second) in [(1, 5), (2, 3), (4, 9), (5, 9)] {
            own.add(number, at(second));
        }
        let check = |own: &Unsettled, done: &[u64], through: Option<u64>, singly: &[u64]| {
            assert_eq!(own.words(done.to_vec()), Words { through, singly: singly.to_vec() }, "{done:?}");
        };
        check(&own, &[2, 1], Some(2), &[]);
        check(&own, &[2], None, &[2]);
        // The third one is on its way to another consumer.
        check(&own, &[1, 2, 4, 5], Some(2), &[4, 5]);
        own.close(2);
        assert_eq!(own.oldest(), Some(at(5)));
        own.add(3, at(1));
        check(&own, &[1, 3, 4, 5], Some(5), &[]);
        check(&own, &[2, 9], None, &[]);
        assert_eq!((own.len(), own.oldest()), (4, Some(at(1))));
    }
}
