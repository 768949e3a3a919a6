//! Where events stand in a log, and how far somebody has come in one.

use std::cmp::Ordering;
use std::collections::BTreeMap;

/// Where an event stands in a subject's log. A log has one or more shards, and the events of one key stand in the same one;
/// within a shard, offsets rise in the order in which events became durable, and none is used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Position {
    /// Which part of the log. A transport that keeps a log in one piece has the one shard 0.
    pub shard: u16,
    /// Where in that part. There may be gaps.
    pub offset: u64,
}

impl Position {
    /// A position in a log of one piece.
    #[must_use]
    pub fn single(offset: u64) -> Self {
        Self { shard: 0, offset }
    }
}

/// How far somebody has come in a subject's log: in each shard, everything at or before an offset. New is nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier(BTreeMap<u16, u64>);

impl Frontier {
    /// Whether this position lies behind whoever has come this far.
    #[must_use]
    pub fn covers(&self, position: Position) -> bool {
        self.0.get(&position.shard).is_some_and(|through| position.offset <= *through)
    }

    /// Comes as far as this position. There is no going back.
    pub fn advance(&mut self, position: Position) {
        let through = self.0.entry(position.shard).or_insert(position.offset);
        *through = position.offset.max(*through);
    }

    /// The last offset of a shard that lies behind; `None` when nothing of it does.
    #[must_use]
    pub fn through(&self, shard: u16) -> Option<u64> {
        self.0.get(&shard).copied()
    }

    /// The last position of each shard of which something lies behind, by rising shard: a frontier made of them is the same.
    pub fn positions(&self) -> impl Iterator<Item = Position> {
        self.0.iter().map(|(shard, offset)| Position { shard: *shard, offset: *offset })
    }

    /// The first offset of a shard that may lie ahead.
    #[must_use]
    pub fn next(&self, shard: u16) -> u64 {
        self.through(shard).map_or(0, |through| through.saturating_add(1))
    }
}

/// One is further than another when it covers more, and nothing less. Of two that each cover what the other doesn't, neither is.
impl PartialOrd for Frontier {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        let includes =
            |one: &Self, two: &Self| two.0.iter().all(|(shard, offset)| one.through(*shard) >= Some(*offset));
        match (includes(self, other), includes(other, self)) {
            (true, true) => Some(Ordering::Equal),
            (true, false) => Some(Ordering::Greater),
            (false, true) => Some(Ordering::Less),
            (false, false) => None,
        }
    }
}

impl From<Position> for Frontier {
    fn from(position: Position) -> Self {
        Self([(position.shard, position.offset)].into())
    }
}

impl FromIterator<Position> for Frontier {
    fn from_iter<I: IntoIterator<Item = Position>>(positions: I) -> Self {
        let mut frontier = Self::default();
        frontier.extend(positions);
        frontier
    }
}

impl Extend<Position> for Frontier {
    fn extend<I: IntoIterator<Item = Position>>(&mut self, positions: I) {
        positions.into_iter().for_each(|position| self.advance(position));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shard_has_an_end_of_its_own_and_there_is_no_going_back() {
        let at = |shard, offset| Position { shard, offset };
        let mut frontier = Frontier::default();
        assert!(!frontier.covers(at(0, 0)));
        assert_eq!((frontier.through(0), frontier.next(0)), (None, 0));
        frontier.extend([at(0, 0), at(2, 7), at(2, 5)]);
        let check = |position: Position, expect: bool| {
            assert_eq!(frontier.covers(position), expect, "{position:?}");
        };
        check(at(0, 0), true);
        check(at(0, 1), false);
        check(at(1, 0), false);
        check(at(2, 7), true);
        check(at(2, 8), false);
        assert_eq!((frontier.through(2), frontier.next(2)), (Some(7), 8));
        assert_eq!(frontier.positions().collect::<Frontier>(), frontier);
        let (one, two) = (Frontier::from(at(0, 9)), Frontier::from(at(2, 1)));
        assert_eq!(frontier.partial_cmp(&two), Some(Ordering::Greater));
        assert_eq!(two.partial_cmp(&frontier), Some(Ordering::Less));
        assert_eq!(frontier.partial_cmp(&frontier.clone()), Some(Ordering::Equal));
        assert_eq!((frontier.partial_cmp(&one), one.partial_cmp(&two)), (None, None));
    }
}
