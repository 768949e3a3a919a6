//! Files that are replaced while somebody uses what they hold, looked at every so often.
//!
//! They are compared by what is in them: neither a file's time nor its place tells a replacement for certain, since some put a folder's
//! link elsewhere and others write into the file. What has just changed is left alone until another look finds the same, because it may
//! be half written, and two files are never replaced in the same moment.

/// What was found at a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Nothing new.
    Same,
    /// It differs from the last look, and may go on changing.
    Changing,
    /// It is new and has been found twice. It is told this once.
    New,
}

/// What files held at the last look, and what they held when that was last dealt with. `T` is the contents, or what tells them apart.
#[derive(Debug)]
pub struct Looks<T> {
    seen: T,
    settled: T,
}

impl<T: PartialEq + Clone> Looks<T> {
    /// Begins with what was read at the start.
    pub fn new(read: T) -> Self {
        Self { seen: read.clone(), settled: read }
    }

    /// Takes in what a look found.
    pub fn found(&mut self, found: T) -> Found {
        if found == self.settled {
            self.seen = found;
            return Found::Same;
        }
        if found != self.seen {
            self.seen = found;
            return Found::Changing;
        }
        self.settled = found;
        Found::New
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_found_twice_is_new_once() {
        let check = |found: &[(u8, Found)]| {
            let mut looks = Looks::new(0);
            for (at, (contents, expect)) in found.iter().enumerate() {
                assert_eq!(looks.found(*contents), *expect, "look {at} of {found:?}");
            }
        };
        use Found::{Changing, New, Same};
        check(&[(0, Same), (0, Same)]);
        check(&[(1, Changing), (1, New), (1, Same)]);
        check(&[(1, Changing), (2, Changing), (2, New)]);
        check(&[(1, Changing), (0, Same), (1, Changing), (1, New)]);
        check(&[(1, Changing), (1, New), (0, Changing), (0, New)]);
    }
}
