//! The data folder: one process at a time, with the secrets that embedded mode makes for itself.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ecs_web::secret::Secret;
use serde::{Deserialize, Serialize};

const LOCK_TRIES: u32 = 10;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// The data folder of one deployment.
#[derive(Debug, Clone)]
pub struct DataDir(PathBuf);

/// Held while a process uses the folder; the operating system lets go of it when the process dies, however it dies.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "held for its lock, which ends when the file closes")] File);

/// Why the folder can't be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// Another process holds it.
    #[error(
        "the data folder {0} is in use by another process: stop that one, or choose another with ECS_DATA_DIR"
    )]
    InUse(PathBuf),
    /// The folder or a file in it can't be read or written.
    #[error("the data folder: {path}: {error}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The secrets aren't what this program wrote.
    #[error("{0} is damaged; restore it from a backup (new secrets would end every session)")]
    Damaged(PathBuf),
}

/// What embedded mode keeps for itself.
#[derive(Clone, Serialize, Deserialize)]
struct KeptSecrets {
    secret_key: String,
    internal_key: String,
    demo_password: String,
    /// A folder from before there was a vault has none yet.
    #[serde(default)]
    master_key: String,
}

impl KeptSecrets {
    /// Those that are there, and new ones where there are none.
    fn complete(kept: Option<Self>) -> io::Result<Self> {
        Ok(match kept {
            Some(kept) => Self { master_key: random_text(48)?, ..kept },
            None => Self {
                secret_key: random_text(48)?,
                internal_key: random_text(24)?,
                demo_password: random_text(12)?,
                master_key: random_text(48)?,
            },
        })
    }
}

/// The secrets of this folder.
#[derive(Debug, Clone)]
pub struct Secrets {
    /// Signs tokens.
    pub secret_key: Secret,
    /// The internal key.
    pub internal_key: Secret,
    /// The password of the demo's users.
    pub demo_password: Secret,
    /// Wraps the keys of people.
    pub master_key: Secret,
}

impl DataDir {
    /// Names the folder; nothing is made yet.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Makes the folder if it isn't there, and takes it for this process.
    pub fn lock(&self) -> Result<Lock, DataDirError> {
        // A command that only asks who holds the folder has the lock for an instant, and that is no reason to refuse.
        for _ in 0..LOCK_TRIES {
            if let Some(lock) = self.try_lock()? {
                // A process that died may have left names here that are not on disk yet.
                keep_names_in(&self.0);
                keep_names_in(&folder_of(&self.0));
                return Ok(lock);
            }
            std::thread::sleep(LOCK_PAUSE);
        }
        Err(DataDirError::InUse(self.0.clone()))
    }

    /// The lock, or `None` while another process has it.
    fn try_lock(&self) -> Result<Option<Lock>, DataDirError> {
        self.make()?;
        let path = self.0.join("lock");
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(|error| self.io(&path, error))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Lock(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(self.io(&path, error)),
        }
    }

    /// Makes the folder if it isn't there. Its name is on disk before anything is put into it: a file that was flushed is lost
    /// all the same when a power cut takes away the folder that it is in.
    fn make(&self) -> Result<(), DataDirError> {
        let missing: Vec<&Path> = self.0.ancestors().take_while(|folder| !folder.exists()).collect();
        std::fs::create_dir_all(&self.0).map_err(|error| self.io(&self.0, error))?;
        missing.into_iter().for_each(|folder| keep_names_in(&folder_of(folder)));
        Ok(())
    }

    /// The store's file.
    #[must_use]
    pub fn store(&self) -> PathBuf {
        self.0.join("store.sqlite")
    }

    /// The bus's file.
    #[must_use]
    pub fn bus(&self) -> PathBuf {
        self.0.join("bus.sqlite")
    }

    /// The vault's file.
    #[must_use]
    pub fn vault(&self) -> PathBuf {
        self.0.join("vault.sqlite")
    }

    /// The secrets kept here, made on the first call.
    pub fn secrets(&self) -> Result<Secrets, DataDirError> {
        let path = self.0.join("secrets.json");
        let mut kept = self.read_secrets(&path)?;
        if kept.as_ref().is_none_or(|kept| kept.master_key.is_empty()) {
            self.make()?;
            let made = KeptSecrets::complete(kept).map_err(|error| self.io(&path, error))?;
            write_private(&path, &made).map_err(|error| self.io(&path, error))?;
            kept = self.read_secrets(&path)?;
        }
        let kept = kept.ok_or(DataDirError::Damaged(path))?;
        Ok(Secrets {
            secret_key: Secret::new(kept.secret_key),
            internal_key: Secret::new(kept.internal_key),
            demo_password: Secret::new(kept.demo_password),
            master_key: Secret::new(kept.master_key),
        })
    }

    fn read_secrets(&self, path: &Path) -> Result<Option<KeptSecrets>, DataDirError> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.io(path, error)),
        };
        let kept = serde_json::from_str(&text).map_err(|_| DataDirError::Damaged(path.to_owned()))?;
        Ok(Some(kept))
    }

    /// Notes where the process that holds the lock listens, for the commands of the same folder. Renamed into its place,
    /// so that who looks at the same moment finds the whole address or none.
    pub fn announce(&self, address: &str) -> Result<(), DataDirError> {
        let path = self.0.join("address");
        let draft = path.with_extension("new");
        std::fs::write(&draft, address)
            .and_then(|()| std::fs::rename(&draft, &path))
            .map_err(|error| self.io(&path, error))
    }

    /// Where the process that holds the folder listens; `None` when none does.
    pub fn running_at(&self) -> Result<Option<String>, DataDirError> {
        if !self.0.exists() {
            return Ok(None);
        }
        match self.try_lock()? {
            Some(_) => Ok(None),
            None => Ok(std::fs::read_to_string(self.0.join("address")).ok()),
        }
    }

    fn io(&self, path: &Path, error: io::Error) -> DataDirError {
        DataDirError::Io { path: path.to_owned(), error }
    }
}

/// The folder that a path is in.
fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        Some(_) | None => PathBuf::from("."),
    }
}

/// Flushes a folder: which names are in it, not what is in the files. SQLite does the same for its logs. There are file
/// systems that can't, and folders that may be used and not read; those are no reason not to start.
fn keep_names_in(folder: &Path) {
    if let Err(error) = File::open(folder).and_then(|opened| opened.sync_all()) {
        tracing::warn!(folder = %folder.display(), %error, "the names in this folder could not be flushed to disk");
    }
}

/// Written beside its place and renamed, so that a crash leaves the old file or the new one, and readable by its owner only.
/// Both the content and the name are on disk when this returns: who was told a key must find it valid after a power cut.
fn write_private(path: &Path, kept: &KeptSecrets) -> io::Result<()> {
    let draft = path.with_extension("new");
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&draft)?;
    file.write_all(serde_json::to_string_pretty(kept)?.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&draft, path)?;
    keep_names_in(&folder_of(path));
    Ok(())
}

/// `bytes` random bytes as hexadecimal digits.
pub(crate) fn random_text(bytes: usize) -> io::Result<String> {
    let mut random = vec![0; bytes];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    Ok(hex::encode(random))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn one_process_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::new(&folder.path().join("data"));
        let lock = data.lock().unwrap();
        assert!(matches!(data.lock(), Err(DataDirError::InUse(_))));
        data.announce("127.0.0.1:1").unwrap();
        assert_eq!(data.running_at().unwrap().as_deref(), Some("127.0.0.1:1"));
        drop(lock);
        assert_eq!(data.running_at().unwrap(), None);
        data.lock().unwrap();
    }

    #[test]
    fn a_folder_in_folders_that_are_not_there_is_made_with_them() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::new(&folder.path().join("a/b/c"));
        data.secrets().unwrap();
        assert!(folder.path().join("a/b/c/secrets.json").exists());
    }

    #[test]
    fn a_path_without_a_folder_is_in_this_one() {
        for (path, expect) in [(".ecs", "."), ("data/ecs", "data"), ("/ecs", "/"), ("", ".")] {
            assert_eq!(folder_of(Path::new(path)), Path::new(expect), "{path}");
        }
    }

    #[test]
    fn secrets_are_made_once_and_for_their_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::new(folder.path());
        let first = data.secrets().unwrap();
        assert_eq!(first.secret_key.expose(), data.secrets().unwrap().secret_key.expose());
        assert_eq!(first.secret_key.expose().len(), 96);
        let file = folder.path().join("secrets.json");
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::write(&file, "{").unwrap();
        assert!(matches!(data.secrets(), Err(DataDirError::Damaged(_))));
    }
}
