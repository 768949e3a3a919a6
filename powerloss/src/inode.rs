//! One file: what programs read, what is certainly on the platter, and the changes between the two.

use std::collections::VecDeque;

use rand::rngs::StdRng;

use crate::locks::Locks;
use crate::shared_memory::SharedMemory;
use crate::wreck::{self, Losses};

/// A change of a file's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// These bytes from this offset on.
    Write { offset: usize, bytes: Vec<u8> },
    /// The file has this size from now on.
    Resize(usize),
}

/// A file, whatever its name is.
#[derive(Default)]
pub(crate) struct Inode {
    current: Vec<u8>,
    durable: Vec<u8>,
    unsynced: VecDeque<Change>,
    /// How many changes were ever made; the last `unsynced.len()` of them are not synced.
    changes: u64,
    pub(crate) locks: Locks,
    pub(crate) memory: SharedMemory,
}

impl Inode {
    /// A file as it comes from the platter.
    pub(crate) fn restored(content: Vec<u8>) -> Self {
        Self { current: content.clone(), durable: content, ..Self::default() }
    }

    /// The same file, without those who had it open.
    pub(crate) fn outlived(&self) -> Self {
        Self {
            current: self.current.clone(),
            durable: self.durable.clone(),
            unsynced: self.unsynced.clone(),
            changes: self.changes,
            ..Self::default()
        }
    }

    pub(crate) fn size(&self) -> usize {
        self.current.len()
    }

    /// Fills `buffer` as far as the file goes, and returns how far that was.
    pub(crate) fn read(&self, offset: usize, buffer: &mut [u8]) -> usize {
        let found = self.current.get(offset..).unwrap_or_default();
        let length = found.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..length), found.get(..length)) {
            to.copy_from_slice(from);
        }
        length
    }

    pub(crate) fn change(&mut self, change: Change) {
        change.apply(&mut self.current);
        self.changes += 1;
        self.unsynced.push_back(change);
    }

    /// How many changes were made so far: what a sync that begins now will have flushed.
    pub(crate) fn mark(&self) -> u64 {
        self.changes
    }

    /// The changes up to `mark` are on the platter.
    pub(crate) fn flushed(&mut self, mark: u64) {
        for change in self.take(mark) {
            change.apply(&mut self.durable);
        }
    }

    /// The changes up to `mark` will never be on the platter, and nobody keeps trying.
    pub(crate) fn forsaken(&mut self, mark: u64) {
        drop(self.take(mark));
    }

    fn take(&mut self, mark: u64) -> Vec<Change> {
        let first = self.changes - self.unsynced.len() as u64;
        let count = usize::try_from(mark.saturating_sub(first)).unwrap_or(usize::MAX);
        self.unsynced.drain(..count.min(self.unsynced.len())).collect()
    }

    /// What is left of the file after a cut.
    pub(crate) fn wreck(&self, random: &mut StdRng) -> (Vec<u8>, Losses) {
        wreck::content(&self.durable, &self.unsynced, random)
    }
}

impl Change {
    pub(crate) fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write { offset, bytes } => put(content, *offset, bytes),
            Self::Resize(size) => content.resize(*size, 0),
        }
    }

    /// The file's size after the change, from the one before it.
    pub(crate) fn size_after(&self, before: usize) -> usize {
        match self {
            Self::Write { offset, bytes } => before.max(offset + bytes.len()),
            Self::Resize(size) => *size,
        }
    }
}

/// Writes bytes, and zeros before them where the file ended earlier.
pub(crate) fn put(content: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    if let Some(place) = content.get_mut(offset..end) {
        place.copy_from_slice(bytes);
    }
}
