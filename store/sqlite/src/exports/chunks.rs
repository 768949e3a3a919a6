//! The bytes of archives. Here is the one place where they are sealed for their person, and opened.

use ecs_domain::{ExportId, UserId};
use ecs_store::sealed::column;
use ecs_store::{ExportHold, StoreError};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::statements::{CHUNK, DROP_CHUNKS, WRITE_CHUNK};
use crate::SqliteStore;
use crate::column::IdText;
use crate::engine::Fault;

impl SqliteStore {
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

pub(super) fn write(
    connection: &Connection,
    hold: ExportHold,
    number: u32,
    sealed: &[u8],
) -> Result<bool, Fault> {
    let values = params![IdText::new(hold.id.uuid()), hold.attempt, number, sealed];
    Ok(connection.prepare_cached(WRITE_CHUNK)?.execute(values)? > 0)
}

pub(super) fn find(
    connection: &Connection,
    user: UserId,
    id: ExportId,
    number: u32,
) -> Result<Option<Vec<u8>>, Fault> {
    let keys = (IdText::new(id.uuid()), IdText::new(user.uuid()), number);
    Ok(connection.prepare_cached(CHUNK)?.query_row(keys, |row| row.get(0)).optional()?)
}

pub(super) fn drop_all(connection: &Connection, id: &str) -> Result<(), Fault> {
    connection.prepare_cached(DROP_CHUNKS)?.execute([id])?;
    Ok(())
}
