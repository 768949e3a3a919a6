//! The vault's contract, over the one in memory.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::sync::Arc;

use async_trait::async_trait;
use ecs_domain::UserId;
use ecs_vault::{Memory, Vault};
use ecs_vault_conformance::{Harness, conformance};

struct InMemory(Arc<Memory>);

#[async_trait]
impl Harness for InMemory {
    const NAME: &'static str = "memory";

    async fn start() -> Self {
        Self(Arc::default())
    }

    fn vault(&self) -> Arc<dyn Vault> {
        self.0.clone()
    }

    async fn reopen(self) -> Self {
        self
    }

    async fn holds(&self, bytes: &[u8]) -> bool {
        let keys: Vec<(UserId, Vec<u8>)> = self.0.keys(None, usize::MAX).await.unwrap();
        let named = self.0.named(&String::from_utf8_lossy(bytes)).await.unwrap();
        keys.iter().any(|(_, key)| key == bytes) || named.is_some()
    }
}

conformance!(InMemory);
