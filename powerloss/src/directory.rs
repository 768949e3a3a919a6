//! Which names lead to which files: as programs see it, and on the platter.

use std::collections::BTreeMap;

use rand::RngExt as _;
use rand::rngs::StdRng;

/// The number of a file, whatever its name is.
pub(crate) type InodeId = u64;

/// The one folder of a disk.
#[derive(Debug, Clone, Default)]
pub(crate) struct Directory {
    current: BTreeMap<String, InodeId>,
    durable: BTreeMap<String, InodeId>,
    /// What each name led to, one after the other, since the folder was synced.
    unsynced: BTreeMap<String, Vec<Option<InodeId>>>,
}

impl Directory {
    /// A folder as it comes from the platter.
    pub(crate) fn restored(names: BTreeMap<String, InodeId>) -> Self {
        Self { current: names.clone(), durable: names, unsynced: BTreeMap::new() }
    }

    pub(crate) fn find(&self, name: &str) -> Option<InodeId> {
        self.current.get(name).copied()
    }

    pub(crate) fn create(&mut self, name: &str, inode: InodeId) {
        self.current.insert(name.to_owned(), inode);
        self.unsynced.entry(name.to_owned()).or_default().push(Some(inode));
    }

    /// Returns whether there was one to delete.
    pub(crate) fn delete(&mut self, name: &str) -> bool {
        let was_there = self.current.remove(name).is_some();
        if was_there {
            self.unsynced.entry(name.to_owned()).or_default().push(None);
        }
        was_there
    }

    pub(crate) fn sync(&mut self) {
        self.durable = self.current.clone();
        self.unsynced.clear();
    }

    /// What is left of the folder after a cut: each name by itself as it was at some moment since the last sync.
    pub(crate) fn wreck(&self, random: &mut StdRng) -> BTreeMap<String, InodeId> {
        let mut names = self.durable.clone();
        for (name, history) in &self.unsynced {
            let happened = random.random_range(0..=history.len());
            match happened.checked_sub(1).and_then(|last| history.get(last)) {
                Some(Some(inode)) => drop(names.insert(name.clone(), *inode)),
                Some(None) => drop(names.remove(name)),
                None => {}
            }
        }
        names
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    fn wrecks(directory: &Directory) -> Vec<BTreeMap<String, InodeId>> {
        (0..100).map(|seed| directory.wreck(&mut StdRng::seed_from_u64(seed))).collect()
    }

    #[test]
    fn names_are_safe_once_the_folder_is_synced() {
        let mut directory = Directory::default();
        directory.create("a", 1);
        assert!(wrecks(&directory).iter().any(BTreeMap::is_empty));
        assert!(wrecks(&directory).iter().any(|names| names.get("a") == Some(&1)));
        directory.sync();
        assert!(wrecks(&directory).iter().all(|names| names.get("a") == Some(&1)));

        assert!(directory.delete("a"));
        assert!(!directory.delete("a"));
        directory.create("a", 2);
        for expect in [None, Some(&1), Some(&2)] {
            assert!(wrecks(&directory).iter().any(|names| names.get("a") == expect), "{expect:?}");
        }
    }
}
