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
