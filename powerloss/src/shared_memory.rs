//! The memory that the connections of one database share: the index of its write-ahead log.

use std::collections::BTreeSet;
use std::ffi::c_void;
use std::sync::atomic::AtomicU64;

use crate::locks::{Owner, Slots};

/// Regions of memory, and the locks on them. They live as long as a connection uses them.
#[derive(Default)]
pub(crate) struct SharedMemory {
    regions: Vec<Box<[AtomicU64]>>,
    users: BTreeSet<Owner>,
    pub(crate) slots: Slots,
}

impl SharedMemory {
    /// Where a region of `size` bytes begins; it is made, of zeros, when `extend` says so. Valid until the last user left.
    pub(crate) fn region(
        &mut self,
        owner: Owner,
        number: usize,
        size: usize,
        extend: bool,
    ) -> Option<*mut c_void> {
        self.users.insert(owner);
        if extend {
            let words = size.div_ceil(size_of::<AtomicU64>());
            while self.regions.len() <= number {
                self.regions.push((0..words).map(|_| AtomicU64::new(0)).collect());
            }
        }
        // SQLite writes through this pointer from several threads; atomics are what Rust lets be shared like that.
        self.regions.get(number).map(|region| region.as_ptr().cast_mut().cast())
    }

    /// Ends a connection's use.
    pub(crate) fn leave(&mut self, owner: Owner) {
        self.slots.leave_all(owner);
        if self.users.remove(&owner) && self.users.is_empty() {
            self.regions.clear();
        }
    }
}
