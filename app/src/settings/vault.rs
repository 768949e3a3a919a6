//! Where the keys of people are kept, and under what they are wrapped.

use std::path::PathBuf;

use ecs_web::secret::Secret;

use super::reader::Reader;
use super::{Address, Mode, StoreAt};
use crate::platform::built;
use crate::role::{Role, Roles};

/// Where keys and tombstones are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VaultAt {
    /// In a file of the data folder.
    DataFolder,
    /// In a file elsewhere.
    File(PathBuf),
    /// In a PostgreSQL database, another one than the store's.
    Postgres(Address),
}

/// The vault and its keys.
#[derive(Debug, Clone)]
pub struct Vault {
    /// Where it is.
    pub at: VaultAt,
    /// Wraps every key in it; `None` in embedded mode, which keeps its own in the data folder.
    pub master: Option<Secret>,
    /// Keys that have wrapped some, while the master key is changed.
    pub accepted: Vec<Secret>,
}

impl Reader<'_> {
    pub(super) fn vault(&mut self, mode: Mode, roles: &Roles, store: &StoreAt) -> Vault {
        let is_used = roles.iter().any(Role::uses_store);
        let master = match self.text("ECS_MASTER_KEY") {
            None if !is_used => None,
            Some(_) | None => self.key("ECS_MASTER_KEY", 32, mode),
        };
        let accepted = self.keys("ECS_MASTER_KEYS_ACCEPTED", 32);
        Vault { at: self.vault_at(is_used, store), master, accepted }
    }

    fn vault_at(&mut self, is_used: bool, store: &StoreAt) -> VaultAt {
        let Some(address) = self.text("ECS_VAULT_URL").map(Address::new) else {
            if is_used && store.is_shared() {
                let message = "must say where the keys of people are kept: postgres:// and another database than the store's, \
                               or sqlite: and a path that every process of this machine has";
                self.problem("ECS_VAULT_URL", message);
            }
            return VaultAt::DataFolder;
        };
        match (address.scheme(), address.expose().strip_prefix("sqlite:")) {
            (Some("sqlite"), Some(path)) if !path.is_empty() => {
                self.refuse_unless_built("ECS_VAULT_URL", built::SQLITE);
                VaultAt::File(path.into())
            }
            (Some("postgres" | "postgresql"), _) => {
                self.refuse_unless_built("ECS_VAULT_URL", built::POSTGRES);
                if matches!(store, StoreAt::Postgres { primary, .. } if *primary == address) {
                    let message =
                        "is DATABASE_URL: the store's dumps would hold the keys to what is sealed in it";
                    self.problem("ECS_VAULT_URL", message);
                }
                VaultAt::Postgres(address)
            }
            (other, _) => {
                self.unknown_engine(
                    "ECS_VAULT_URL",
                    other,
                    "postgres://user:password@host/database or sqlite:/path",
                );
                VaultAt::DataFolder
            }
        }
    }
}
