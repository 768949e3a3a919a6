//! The newest events of a subject, kept in memory after they became durable, so that a consumer that keeps up gets
//! them without a read. Bounded; what doesn't fit any more is read from the file.

use std::collections::VecDeque;
use std::sync::Arc;

use ecs_bus::Event;
use ecs_domain::Timestamp;

/// What an event occupies besides its payload, roughly.
const OVERHEAD: usize = 256;

/// The events of one commit, one after the other from `first` on.
pub(crate) struct Block {
    pub(crate) first: u64,
    pub(crate) published_at: Timestamp,
    pub(crate) events: Vec<Event>,
}

impl Block {
    fn end(&self) -> u64 {
        self.first + self.events.len() as u64
    }

    fn bytes(&self) -> usize {
        self.events.iter().map(|event| event.payload.len() + OVERHEAD).sum()
    }
}

/// A run of blocks without a gap, the newest last.
pub(crate) struct Tail {
    blocks: VecDeque<(Arc<Block>, usize)>,
    bytes: usize,
    limit: usize,
}

impl Tail {
    pub(crate) fn new(limit: usize) -> Self {
        Self { blocks: VecDeque::new(), bytes: 0, limit }
    }

    /// Adds the events of a commit, and lets go of the oldest that no longer fit.
    pub(crate) fn push(&mut self, block: Block) {
        if self.blocks.back().is_some_and(|(last, _)| last.end() != block.first) {
            self.clear();
        }
        let bytes = block.bytes();
        self.bytes += bytes;
        self.blocks.push_back((Arc::new(block), bytes));
        while self.bytes > self.limit {
            let Some((_, bytes)) = self.blocks.pop_front() else { break };
            self.bytes -= bytes;
        }
    }

    /// The blocks that together hold every position of `from..to`, or `None` when some are in the file only.
    pub(crate) fn covering(&self, from: u64, to: u64) -> Option<Vec<Arc<Block>>> {
        let (oldest, newest) = (self.blocks.front()?, self.blocks.back()?);
        if from < oldest.0.first || to > newest.0.end() {
            return None;
        }
        let start = self.blocks.partition_point(|(block, _)| block.end() <= from);
        let blocks = self.blocks.iter().skip(start).map(|(block, _)| block);
        Some(blocks.take_while(|block| block.first < to).cloned().collect())
    }

    /// Lets go of everything.
    pub(crate) fn clear(&mut self) {
        self.blocks.clear();
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use ecs_bus::{Headers, Subject};
    use ecs_domain::{EventId, UserId};
    use uuid::Uuid;

    use super::*;

    fn block(first: u64, count: usize) -> Block {
        let event = Event {
            id: EventId::new(Uuid::nil()),
            subject: Subject::Emotions,
            key: UserId::new(Uuid::nil()),
            payload: Bytes::new(),
            headers: Headers::current(),
        };
        Block { first, published_at: Timestamp::UNIX_EPOCH, events: vec![event; count] }
    }

    fn firsts(tail: &Tail, from: u64, to: u64) -> Option<Vec<u64>> {
        tail.covering(from, to).map(|blocks| blocks.iter().map(|block| block.first).collect())
    }

    #[test]
    fn a_range_is_covered_by_the_blocks_that_hold_it() {
        let mut tail = Tail::new(usize::MAX);
        assert_eq!(firsts(&tail, 1, 2), None);
        for first in [1, 4, 7] {
            tail.push(block(first, 3));
        }
        assert_eq!(firsts(&tail, 1, 10), Some(vec![1, 4, 7]));
        assert_eq!(firsts(&tail, 3, 5), Some(vec![1, 4]));
        assert_eq!(firsts(&tail, 4, 7), Some(vec![4]));
        assert_eq!(firsts(&tail, 9, 11), None);
        assert_eq!(firsts(&tail, 0, 2), None);
    }

    #[test]
    fn it_lets_go_of_the_oldest_and_never_has_a_gap() {
        let mut tail = Tail::new(6 * OVERHEAD);
        for first in [1, 4, 7] {
            tail.push(block(first, 3));
        }
        assert_eq!(firsts(&tail, 1, 10), None);
        assert_eq!(firsts(&tail, 4, 10), Some(vec![4, 7]));
        tail.push(block(20, 1));
        assert_eq!(firsts(&tail, 4, 10), None);
        assert_eq!(firsts(&tail, 20, 21), Some(vec![20]));
    }
}
