//! Places in the server's log.

/// A place in the log: how many bytes were ever written before it. What was committed before a place is on a server that
/// has replayed the log up to there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Lsn(pub u64);

impl Lsn {
    /// As a parameter. The upper half of the range is centuries away.
    pub(crate) fn column(self) -> i64 {
        i64::try_from(self.0).unwrap_or(i64::MAX)
    }
}
