//! The vault's contract, over SQLite.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::sync::Arc;

use async_trait::async_trait;
use ecs_store_sqlite::{Options, SqliteVault};
use ecs_vault::Vault;
use ecs_vault_conformance::{Harness, conformance};

/// A vault in a folder of its own.
struct Sqlite {
    folder: tempfile::TempDir,
    vault: Arc<SqliteVault>,
}

impl Sqlite {
    fn opened_in(folder: tempfile::TempDir) -> Self {
        let vault = SqliteVault::open(folder.path().join("vault.db"), &Options::default()).unwrap();
        Self { folder, vault: Arc::new(vault) }
    }
}

#[async_trait]
impl Harness for Sqlite {
    const NAME: &'static str = "sqlite";

    async fn start() -> Self {
        Self::opened_in(tempfile::tempdir().unwrap())
    }

    fn vault(&self) -> Arc<dyn Vault> {
        self.vault.clone()
    }

    async fn reopen(self) -> Self {
        self.vault.close().await.unwrap();
        Self::opened_in(self.folder)
    }

    async fn holds(&self, bytes: &[u8]) -> bool {
        let files = std::fs::read_dir(self.folder.path()).unwrap();
        files
            .map(|file| std::fs::read(file.unwrap().path()).unwrap())
            .any(|file| file.windows(bytes.len()).any(|part| part == bytes))
    }
}

conformance!(Sqlite);
