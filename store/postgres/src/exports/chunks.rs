//! The bytes of archives: the one place where they are sealed for their person, and opened.

use ecs_domain::UserId;
use ecs_store::StoreError;
use ecs_store::sealed::column;

use crate::PostgresStore;

impl PostgresStore {
    /// A chunk as it is kept.
    pub(super) async fn sealed(&self, user: UserId, bytes: Vec<u8>) -> Result<Vec<u8>, StoreError> {
        Ok(self.keyring.person(user).await?.seal_bytes(column::ARCHIVE, &bytes)?)
    }

    /// A chunk as it was before it was sealed; `None` when its key is destroyed.
    pub(super) async fn opened(&self, user: UserId, sealed: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(key) = self.keyring.existing(user).await? else { return Ok(None) };
        Ok(Some(key.open_bytes(column::ARCHIVE, sealed)?))
    }
}
