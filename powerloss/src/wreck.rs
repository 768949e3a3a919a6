//! What a cut leaves of a file, drawn from a seed.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _};

use crate::inode::{Change, put};

/// What cuts have done to changes that were not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Losses {
    /// Changes that were not synced at the cut.
    pub unsynced: u64,
    /// Files with such changes that kept none of them.
    pub lost: u64,
    /// Files that kept all of them.
    pub kept: u64,
    /// Files that kept the first so many of them, the last perhaps torn.
    pub cut_short: u64,
    /// Files whose sectors each kept what it happened to.
    pub scattered: u64,
    /// Sectors that hold garbage where they were being written.
    pub garbled: u64,
}

impl Losses {
    /// Adds those of another file or cut.
    pub fn add(&mut self, other: Self) {
        self.unsynced += other.unsynced;
        self.lost += other.lost;
        self.kept += other.kept;
        self.cut_short += other.cut_short;
        self.scattered += other.scattered;
        self.garbled += other.garbled;
    }
}

/// The unit in which a disk writes.
const SECTORS: [usize; 2] = [512, 4096];
/// One in so many sectors that lost a change holds garbage in its place, where garbage is allowed at all.
const GARBAGE_ODDS: u32 = 4;

/// What is left of a file whose platter holds `durable` and to which `changes` were made since.
pub(crate) fn content(durable: &[u8], changes: &VecDeque<Change>, random: &mut StdRng) -> (Vec<u8>, Losses) {
    let mut losses = Losses { unsynced: changes.len() as u64, ..Losses::default() };
    if changes.is_empty() {
        return (durable.to_vec(), losses);
    }
    let sector = SECTORS[usize::from(random.random_bool(0.5))];
    let content = match random.random_range(0..8_u32) {
        0 => {
            losses.lost = 1;
            durable.to_vec()
        }
        1 => {
            losses.kept = 1;
            replay(durable, changes)
        }
        2 | 3 => {
            losses.cut_short = 1;
            cut_short(durable, changes, sector, random)
        }
        kind => {
            losses.scattered = 1;
            let scatter = Scatter::new(changes, durable.len(), sector, kind >= 6, random);
            let (content, garbled) = scatter.content(durable, changes, random);
            losses.garbled = garbled;
            content
        }
    };
    (content, losses)
}

fn replay<'a>(durable: &[u8], changes: impl IntoIterator<Item = &'a Change>) -> Vec<u8> {
    let mut content = durable.to_vec();
    changes.into_iter().for_each(|change| change.apply(&mut content));
    content
}

/// The first so many changes, and of the next one the sectors before some place.
fn cut_short(durable: &[u8], changes: &VecDeque<Change>, sector: usize, random: &mut StdRng) -> Vec<u8> {
    let whole = random.random_range(0..=changes.len());
    let mut content = replay(durable, changes.iter().take(whole));
    if let Some(Change::Write { offset, bytes }) = changes.get(whole) {
        let pieces: Vec<_> = sectors(*offset..offset + bytes.len(), sector).collect();
        let arrived = random.random_range(0..=pieces.len());
        let end = pieces.get(arrived).map_or(bytes.len(), |(_, piece)| piece.start - offset);
        put(&mut content, *offset, bytes.get(..end).unwrap_or_default());
    }
    content
}

/// Each sector by itself, as it was at some moment since the last sync.
struct Scatter {
    sector: usize,
    garbage: bool,
    /// Of the changes that touched a sector, how many arrived: always the first ones, because later content of a
    /// sector holds the earlier.
    arrived: BTreeMap<usize, u32>,
    /// The size that the folder's entry says.
    size: usize,
}

impl Scatter {
    fn new(
        changes: &VecDeque<Change>,
        size: usize,
        sector: usize,
        garbage: bool,
        random: &mut StdRng,
    ) -> Self {
        let mut touched: BTreeMap<usize, u32> = BTreeMap::new();
        let mut sizes = vec![size];
        let mut size = size;
        for change in changes {
            for (number, _) in sectors(range(change, size), sector) {
                *touched.entry(number).or_default() += 1;
            }
            size = change.size_after(size);
            sizes.push(size);
        }
        // A share of its own for each cut: with half of everything gone, hardly a commit would ever be whole.
        let share = random.random_range(0.0..=1.0);
        let mut arrive = |count: u32| {
            if random.random_bool(share) { count } else { random.random_range(0..=count) }
        };
        let arrived = touched.into_iter().map(|(number, count)| (number, arrive(count))).collect();
        let pick = random.random_range(0..sizes.len());
        let size = if random.random_bool(share) { size } else { sizes.get(pick).copied().unwrap_or(size) };
        Self { sector, garbage, arrived, size }
    }

    /// The content, and how many of its sectors hold garbage.
    fn content(mut self, durable: &[u8], changes: &VecDeque<Change>, random: &mut StdRng) -> (Vec<u8>, u64) {
        let mut content = durable.to_vec();
        let (mut size, mut garbled) = (durable.len(), 0);
        for change in changes {
            for (number, piece) in sectors(range(change, size), self.sector) {
                let left = self.arrived.entry(number).or_default();
                let bytes = match change {
                    Change::Write { offset, bytes } => bytes.get(piece.start - offset..piece.end - offset),
                    Change::Resize(_) => None,
                };
                let zeros = vec![0; if bytes.is_some() { 0 } else { piece.len() }];
                if *left > 0 {
                    *left -= 1;
                    put(&mut content, piece.start, bytes.unwrap_or(&zeros));
                } else if self.garbage && bytes.is_some() && random.random_ratio(1, GARBAGE_ODDS) {
                    // Only what was being written may be garbage, never the bytes beside it.
                    let mut noise = vec![0; piece.len()];
                    random.fill_bytes(&mut noise);
                    put(&mut content, piece.start, &noise);
                    garbled += 1;
                }
            }
            size = change.size_after(size);
        }
        content.resize(self.size, 0);
        (content, garbled)
    }
}

/// The bytes that a change touches in a file of this size. A file that gets shorter loses its end.
fn range(change: &Change, size: usize) -> Range<usize> {
    match change {
        Change::Write { offset, bytes } => *offset..offset + bytes.len(),
        Change::Resize(to) => *to..size.max(*to),
    }
}

/// The sectors of a range of bytes: their numbers, and which of the bytes are theirs.
fn sectors(range: Range<usize>, sector: usize) -> impl Iterator<Item = (usize, Range<usize>)> {
    let first = range.start / sector;
    let last = if range.is_empty() { first } else { range.end.div_ceil(sector) };
    (first..last).map(move |number| {
        let start = range.start.max(number * sector);
        (number, start..range.end.min((number + 1) * sector))
    })
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    fn write(offset: usize, byte: u8, length: usize) -> Change {
        Change::Write { offset, bytes: vec![byte; length] }
    }

    fn wrecks(durable: &[u8], changes: Vec<Change>) -> Vec<Vec<u8>> {
        let changes = VecDeque::from(changes);
        let wreck = |seed| content(durable, &changes, &mut StdRng::seed_from_u64(seed)).0;
        (0..2_000).map(wreck).collect()
    }

    #[test]
    fn a_range_is_cut_where_sectors_meet() {
        let check = |range: Range<usize>, expect: &[(usize, Range<usize>)]| {
            assert_eq!(sectors(range, 512).collect::<Vec<_>>(), expect);
        };
        check(0..512, &[(0, 0..512)]);
        check(500..1030, &[(0, 500..512), (1, 512..1024), (2, 1024..1030)]);
        check(700..700, &[]);
    }

    #[test]
    fn what_was_not_written_never_changes() {
        for wreck in wrecks(&[7; 8192], vec![write(1000, 1, 100), write(4000, 2, 200), write(1050, 3, 10)]) {
            assert_eq!(wreck.len(), 8192);
            assert!(wreck[..1000].iter().all(|byte| *byte == 7));
            assert!(wreck[1100..4000].iter().all(|byte| *byte == 7));
            assert!(wreck[4200..].iter().all(|byte| *byte == 7));
        }
    }

    #[test]
    fn changes_get_lost_kept_and_reordered() {
        let wrecks = wrecks(&[0; 8192], vec![write(0, 1, 512), write(4096, 2, 512)]);
        let seen = |first: u8, second: u8| {
            let is = |wreck: &&Vec<u8>| {
                wreck[..512].iter().all(|byte| *byte == first)
                    && wreck[4096..4608].iter().all(|byte| *byte == second)
            };
            wrecks.iter().filter(is).count()
        };
        for (first, second) in [(0, 0), (1, 0), (0, 2), (1, 2)] {
            assert!(seen(first, second) > 20, "{first} {second}: {}", seen(first, second));
        }
    }

    #[test]
    fn a_write_is_torn_between_sectors_and_may_leave_garbage() {
        let wrecks = wrecks(&[0; 4096], vec![write(0, 1, 4096)]);
        assert!(wrecks.iter().any(|wreck| wreck[..512] == [1; 512] && wreck[3584..] == [0; 512]));
        assert!(wrecks.iter().any(|wreck| wreck[..512] == [0; 512] && wreck[3584..] == [1; 512]));
        assert!(wrecks.iter().any(|wreck| wreck.iter().any(|byte| *byte > 1)));
    }

    #[test]
    fn a_file_may_grow_without_its_bytes_and_shrink_or_not() {
        let grown = wrecks(&[5; 512], vec![write(512, 1, 512)]);
        assert!(grown.iter().any(|wreck| wreck.len() == 512));
        assert!(grown.iter().any(|wreck| wreck.len() == 1024 && wreck[512..] == [0; 512]));
        let shrunk = wrecks(&[5; 1024], vec![Change::Resize(100)]);
        assert!(shrunk.iter().any(|wreck| wreck.len() == 100));
        assert!(shrunk.iter().any(|wreck| wreck.len() == 1024 && wreck[100..] == [5; 924]));
        assert!(shrunk.iter().all(|wreck| wreck[..100] == [5; 100]));
    }

    #[test]
    fn the_same_seed_gives_the_same_wreck() {
        let changes = || vec![write(10, 1, 5_000), Change::Resize(600), write(600, 2, 2_000)];
        assert_eq!(wrecks(&[9; 3_000], changes()), wrecks(&[9; 3_000], changes()));
    }
}
