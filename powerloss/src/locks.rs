//! SQLite's two kinds of lock, as tables in memory: those of a database file, and those of its shared memory.

use std::collections::BTreeMap;

/// Who holds a lock.
pub(crate) type Owner = u64;

/// How much of a database file a connection has for itself. The order is SQLite's, and so are the numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    None,
    Shared,
    Reserved,
    Pending,
    Exclusive,
}

/// Another connection is in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Busy;

/// The locks of one database file.
#[derive(Debug, Default)]
pub(crate) struct Locks(BTreeMap<Owner, Level>);

impl Locks {
    /// Raises what `owner` holds to `level`.
    pub(crate) fn raise(&mut self, owner: Owner, level: Level) -> Result<(), Busy> {
        let own = self.held(owner);
        if own >= level {
            return Ok(());
        }
        let others = self.others(owner);
        let in_the_way = match level {
            Level::None => false,
            Level::Shared => others >= Level::Pending,
            Level::Reserved | Level::Pending | Level::Exclusive => others >= Level::Reserved,
        };
        if in_the_way {
            return Err(Busy);
        }
        if level == Level::Exclusive && others >= Level::Shared {
            // Readers may finish, and new ones must wait.
            if own >= Level::Reserved {
                self.0.insert(owner, Level::Pending);
            }
            return Err(Busy);
        }
        self.0.insert(owner, level);
        Ok(())
    }

    /// Lowers what `owner` holds to `level`.
    pub(crate) fn lower(&mut self, owner: Owner, level: Level) {
        if level == Level::None {
            self.0.remove(&owner);
        } else if self.held(owner) > level {
            self.0.insert(owner, level);
        }
    }

    /// Whether somebody is about to write.
    pub(crate) fn is_reserved(&self) -> bool {
        self.0.values().any(|level| *level >= Level::Reserved)
    }

    fn held(&self, owner: Owner) -> Level {
        self.0.get(&owner).copied().unwrap_or(Level::None)
    }

    fn others(&self, owner: Owner) -> Level {
        let others = self.0.iter().filter(|(other, _)| **other != owner);
        others.map(|(_, level)| *level).max().unwrap_or(Level::None)
    }
}

/// How many slots the shared memory of a database has.
pub(crate) const SLOTS: usize = 8;

/// What a connection wants of slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slot {
    Share,
    Take,
    Leave,
}

/// The locks of one database's shared memory: for each slot, who shares it or has it alone.
#[derive(Debug, Default)]
pub(crate) struct Slots([BTreeMap<Owner, bool>; SLOTS]);

impl Slots {
    /// Does the same to slots `first..first + count`, or nothing when somebody is in the way of one.
    pub(crate) fn apply(&mut self, owner: Owner, first: usize, count: usize, what: Slot) -> Result<(), Busy> {
        let slots = self.0.get_mut(first..first + count).ok_or(Busy)?;
        let alone = what == Slot::Take;
        let blocks = |(other, has_alone): (&Owner, &bool)| *other != owner && (alone || *has_alone);
        if what != Slot::Leave && slots.iter().any(|slot| slot.iter().any(blocks)) {
            return Err(Busy);
        }
        for slot in slots {
            match what {
                Slot::Leave => drop(slot.remove(&owner)),
                Slot::Share | Slot::Take => drop(slot.insert(owner, alone)),
            }
        }
        Ok(())
    }

    /// Lets go of everything that `owner` holds.
    pub(crate) fn leave_all(&mut self, owner: Owner) {
        for slot in &mut self.0 {
            slot.remove(&owner);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_may_write_while_others_read_and_must_wait_for_them_to_finish() {
        let mut locks = Locks::default();
        assert_eq!(locks.raise(1, Level::Shared), Ok(()));
        assert_eq!(locks.raise(2, Level::Shared), Ok(()));
        assert_eq!(locks.raise(1, Level::Reserved), Ok(()));
        assert_eq!(locks.raise(2, Level::Reserved), Err(Busy));
        assert_eq!(locks.raise(1, Level::Exclusive), Err(Busy));
        assert_eq!(locks.raise(3, Level::Shared), Err(Busy), "a writer is waiting");
        locks.lower(2, Level::None);
        assert_eq!(locks.raise(1, Level::Exclusive), Ok(()));
        assert_eq!(locks.raise(2, Level::Shared), Err(Busy));
        locks.lower(1, Level::Shared);
        assert_eq!(locks.raise(2, Level::Shared), Ok(()));
        assert!(!locks.is_reserved());
    }

    #[test]
    fn a_slot_is_shared_or_taken() {
        let mut slots = Slots::default();
        assert_eq!(slots.apply(1, 3, 1, Slot::Share), Ok(()));
        assert_eq!(slots.apply(2, 3, 1, Slot::Share), Ok(()));
        assert_eq!(slots.apply(3, 0, 8, Slot::Take), Err(Busy));
        assert_eq!(slots.apply(3, 0, 3, Slot::Take), Ok(()));
        assert_eq!(slots.apply(1, 2, 1, Slot::Share), Err(Busy));
        slots.leave_all(3);
        assert_eq!(slots.apply(1, 2, 1, Slot::Share), Ok(()));
        assert_eq!(slots.apply(1, 8, 1, Slot::Share), Err(Busy), "there is no ninth");
    }
}
