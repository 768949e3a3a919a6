//! A server's temporary folder, and the account that the server runs under.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// PostgreSQL refuses to run as root, so as root it runs under the account that its package made.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    name: String,
    user: u32,
    group: u32,
}

impl Account {
    /// The account for PostgreSQL; `None` when we are an ordinary user, whose server runs as that user.
    pub(crate) fn for_postgres() -> Result<Option<Self>> {
        if !rustix::process::getuid().is_root() {
            return Ok(None);
        }
        let accounts = std::fs::read_to_string("/etc/passwd").context("can't read the accounts")?;
        let found = accounts.lines().find_map(|line| Self::parse(line).filter(|it| it.name == "postgres"));
        found.map(Some).context("as root, PostgreSQL needs the account `postgres`")
    }

    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        let mut numbers = fields.skip(1).map(str::parse);
        Some(Self { name, user: numbers.next()?.ok()?, group: numbers.next()?.ok()? })
    }

    /// The command line that runs `command` as this account.
    pub(crate) fn run(&self, command: Vec<String>) -> Vec<String> {
        let mut line: Vec<String> =
            ["setpriv", "--reuid", &self.name, "--regid", &self.name, "--init-groups"]
                .map(str::to_owned)
                .into();
        line.extend(command);
        line
    }

    pub(crate) fn own(&self, path: &Path) -> Result<()> {
        std::os::unix::fs::chown(path, Some(self.user), Some(self.group))
            .with_context(|| format!("can't give {} to {}", path.display(), self.name))
    }
}

/// Makes a folder for a server of `engine`. Nobody removes it until a guard is told to, see [`crate::instance::Instance`].
pub(crate) fn make(engine: &str, account: Option<&Account>) -> Result<PathBuf> {
    let mut parent = std::env::temp_dir();
    // A temporary folder that only its owner may enter is no place for a server of another account.
    if account.is_some() && !parent.ancestors().all(anybody_may_enter) {
        parent = PathBuf::from("/tmp");
    }
    let folder = tempfile::Builder::new()
        .prefix(&format!("ecs-{engine}-"))
        .permissions(std::fs::Permissions::from_mode(0o755))
        .tempdir_in(parent)
        .context("can't make a temporary folder")?
        .keep();
    if let Some(account) = account {
        account.own(&folder)?;
    }
    Ok(folder)
}

fn anybody_may_enter(folder: &Path) -> bool {
    std::fs::metadata(folder).is_ok_and(|metadata| metadata.mode() & 0o001 != 0)
}
