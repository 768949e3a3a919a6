//! Which disk stands behind which folder. SQLite knows one file system by name; its paths lead to disks.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::disk::Disk;
use crate::vfs;

/// The name of the file system. It is there once a disk was mounted.
pub const VFS: &str = "ecs-powerloss";

static MOUNTS: Mutex<BTreeMap<PathBuf, Arc<Disk>>> = Mutex::new(BTreeMap::new());
static REGISTERED: OnceLock<bool> = OnceLock::new();

/// While this lives, files in the folder are files of the disk.
pub struct Mount {
    folder: PathBuf,
}

impl Disk {
    /// Puts the disk behind `folder`, for whoever opens files there with [`VFS`]. The folder needn't exist, and should be the
    /// disk's alone for ever: whoever still has an old disk open there deletes files by their paths. `None` when SQLite won't
    /// take the file system.
    #[must_use]
    pub fn mount(self: &Arc<Self>, folder: &Path) -> Option<Mount> {
        if !*REGISTERED.get_or_init(vfs::register) {
            return None;
        }
        let mut mounts = MOUNTS.lock().unwrap_or_else(PoisonError::into_inner);
        mounts.insert(folder.to_owned(), Arc::clone(self));
        Some(Mount { folder: folder.to_owned() })
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        MOUNTS.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.folder);
    }
}

/// The disk behind a path, and the file's name on it.
pub(crate) fn resolve(path: &str) -> Option<(Arc<Disk>, &str)> {
    let path = Path::new(path);
    let mounts = MOUNTS.lock().unwrap_or_else(PoisonError::into_inner);
    let disk = mounts.get(path.parent()?)?;
    Some((Arc::clone(disk), path.file_name()?.to_str()?))
}
