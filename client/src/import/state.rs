//! How far an import has come, kept in a small file, so that the next run doesn't send again what is done.
//!
//! It speaks of a prefix of the file only: every row up to its line has its answer. Rows beyond it may have been accepted
//! too; sending them again is harmless, since their ids are the same. Losing the file is harmless for the same reason.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::Context;
use ecs_domain::UserId;
use serde::{Deserialize, Serialize};

use super::mapping::Mapping;

/// What the file holds. It fits an import only when file, mapping and platform are the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Saved {
    /// SHA-256 of the file.
    pub(super) digest: String,
    /// How it was read.
    pub(super) mapping: Mapping,
    /// Where it was sent.
    pub(super) platform: String,
    /// One of its customers and the user that the platform made of them. A platform that was set up anew gives another
    /// answer, and then nothing of this state holds.
    pub(super) witness: Option<Witness>,
    /// Every row up to this line has its answer.
    pub(super) through_line: u64,
    /// Those of them that the platform refused, by line; what the file itself makes impossible is found again by
    /// reading it.
    pub(super) refused: BTreeMap<u64, String>,
}

/// A customer and their user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Witness {
    pub(super) external_id: String,
    pub(super) user: UserId,
}

impl Saved {
    /// The beginning of an import.
    pub(super) fn nothing(digest: &str, mapping: &Mapping, platform: &str) -> Self {
        Self {
            digest: digest.to_owned(),
            mapping: mapping.clone(),
            platform: platform.to_owned(),
            witness: None,
            through_line: 0,
            refused: BTreeMap::new(),
        }
    }

    /// The state at `path` if it is one of the same import as `fresh`, else `fresh`.
    pub(super) fn load(path: &Path, fresh: Self) -> anyhow::Result<Self> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(fresh),
            Err(error) => return Err(error).context(format!("can't read the state in {}", path.display())),
        };
        // A state that can't be read, or that is another import's, costs time but no correctness to forget.
        let saved: Option<Self> = serde_json::from_slice(&bytes).ok();
        Ok(saved.filter(|saved| saved.is_of_same_import(&fresh)).unwrap_or(fresh))
    }

    fn is_of_same_import(&self, other: &Self) -> bool {
        self.digest == other.digest && self.mapping == other.mapping && self.platform == other.platform
    }

    /// Writes the state beside its file first, so that a crash leaves the old state or the new one.
    pub(super) fn store(&self, path: &Path) -> anyhow::Result<()> {
        let unfinished = path.with_extension("unfinished");
        let write = || -> anyhow::Result<()> {
            let mut file = fs::File::create(&unfinished)?;
            file.write_all(&serde_json::to_vec(self)?)?;
            file.sync_data()?;
            Ok(fs::rename(&unfinished, path)?)
        };
        write().with_context(|| format!("can't write the state to {}", path.display()))
    }
}

/// Finds out up to where all rows have their answers, while answers come in any order.
#[derive(Debug, Default)]
pub(super) struct Prefix {
    next: u64,
    waiting: BTreeMap<u64, u64>,
}

impl Prefix {
    /// Row number `index`, which stands on `line`, has its answer. Returns the last line of the prefix if that grew.
    pub(super) fn answered(&mut self, index: u64, line: u64) -> Option<u64> {
        self.waiting.insert(index, line);
        let mut through = None;
        while let Some(line) = self.waiting.remove(&self.next) {
            through = Some(line);
            self.next += 1;
        }
        through
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_grows_only_without_gaps() {
        let mut prefix = Prefix::default();
        assert_eq!(prefix.answered(1, 12), None);
        assert_eq!(prefix.answered(2, 13), None);
        assert_eq!(prefix.answered(0, 10), Some(13));
        assert_eq!(prefix.answered(3, 14), Some(14));
    }

    #[test]
    fn a_state_counts_only_for_the_same_import() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        let mapping = Mapping::preset("cdnow").unwrap();
        let fresh = |digest: &str, platform: &str| Saved::nothing(digest, &mapping, platform);
        assert_eq!(Saved::load(&path, fresh("a", "p")).unwrap().through_line, 0);
        let saved = Saved { through_line: 7, ..fresh("a", "p") };
        saved.store(&path).unwrap();
        assert_eq!(Saved::load(&path, fresh("a", "p")).unwrap(), saved);
        assert_eq!(Saved::load(&path, fresh("b", "p")).unwrap().through_line, 0);
        assert_eq!(Saved::load(&path, fresh("a", "q")).unwrap().through_line, 0);
        fs::write(&path, "{").unwrap();
        assert_eq!(Saved::load(&path, fresh("a", "p")).unwrap().through_line, 0);
    }
}
