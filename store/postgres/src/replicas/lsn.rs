//! Places in the server's log.

/// A place in the log. What was committed before a place is on a server that has replayed the log up to there.
///
/// A promotion begins a new timeline, which may branch off before the end of the old one: so places are compared by
/// timeline first, and a server on an older timeline has nothing of what a newer one is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Lsn {
    /// Counts promotions, from 1.
    pub timeline: u32,
    /// How many bytes were ever written before it.
    pub offset: u64,
}

impl Lsn {
    /// A place from columns of types `integer` and `bigint`.
    pub(crate) fn new(timeline: u32, offset: i64) -> Option<Self> {
        Some(Self { timeline, offset: u64::try_from(offset).ok()? })
    }

    /// The offset as a parameter. The upper half of the range is centuries away.
    pub(crate) fn column(self) -> i64 {
        i64::try_from(self.offset).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_timeline_is_later_wherever_it_branched_off() {
        let place = |timeline, offset| Lsn { timeline, offset };
        assert!(place(1, 1_000) < place(2, 900) && place(2, 900) < place(2, 901));
    }
}
