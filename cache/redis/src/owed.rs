//! The invalidations that haven't got through yet.

use std::collections::HashSet;
use std::mem;

/// Generations that Redis may still hold although they have ended, in bounded memory.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Owed {
    /// The generations under these keys.
    Keys(HashSet<String>),
    /// All of them.
    Everything,
}

impl Owed {
    /// Adds keys. When more than `max` come together, everything is owed.
    pub(crate) fn add(&mut self, keys: &[String], max: usize) {
        let Self::Keys(owed) = self else { return };
        owed.extend(keys.iter().cloned());
        if owed.len() > max {
            *self = Self::Everything;
        }
    }

    /// Adds what another owes.
    pub(crate) fn merge(&mut self, other: Self, max: usize) {
        match other {
            Self::Everything => *self = Self::Everything,
            Self::Keys(keys) => self.add(&keys.into_iter().collect::<Vec<_>>(), max),
        }
    }

    /// What is owed, which is nothing any more; `None` when nothing was.
    pub(crate) fn take(&mut self) -> Option<Self> {
        match mem::take(self) {
            Self::Keys(keys) if keys.is_empty() => None,
            owed => Some(owed),
        }
    }
}

impl Default for Owed {
    /// Nothing.
    fn default() -> Self {
        Self::Keys(HashSet::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn too_many_keys_are_everything() {
        let check = |added: &[&[&str]], expect: Option<Owed>| {
            let mut owed = Owed::default();
            for names in added {
                owed.add(&keys(names), 2);
            }
            assert_eq!(owed.take(), expect, "{added:?}");
            assert_eq!(owed.take(), None, "what was taken is owed no more");
        };
        let of = |names| Some(Owed::Keys(keys(names).into_iter().collect()));
        check(&[], None);
        check(&[&["a"], &["b"], &["a"]], of(&["a", "b"]));
        check(&[&["a", "b"], &["c"]], Some(Owed::Everything));
        check(&[&["a", "b", "c"], &["a"]], Some(Owed::Everything));
    }

    #[test]
    fn what_did_not_get_through_is_owed_again() {
        let mut owed = Owed::default();
        owed.add(&keys(&["a"]), 2);
        let taken = owed.take().unwrap();
        owed.add(&keys(&["b"]), 2);
        owed.merge(taken, 2);
        assert_eq!(owed, Owed::Keys(keys(&["a", "b"]).into_iter().collect()));
        owed.merge(Owed::Everything, 2);
        assert_eq!(owed, Owed::Everything);
    }
}
