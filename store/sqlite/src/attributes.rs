//! Coarse attributes of users.

use async_trait::async_trait;
use ecs_domain::attributes::Attributes;
use ecs_domain::{Timestamp, UserId};
use ecs_store::sealed::{self, column};
use ecs_store::{
    ATTRIBUTES_PURPOSE, AttributesOfUsers, StoreError, StoredAttributes, attributes_text, open_attributes,
    parse_attributes,
};
use rusqlite::{Connection, OptionalExtension, params};

use crate::SqliteStore;
use crate::column::{At, IdText, micros};
use crate::engine::Fault;

pub(crate) const GET: &str = "SELECT value, updated_at FROM user_attributes WHERE user_id = ?1";
/// Nobody else writes meanwhile, so the consent that is there now is there at the end.
pub(crate) const PUT: &str = "INSERT INTO user_attributes (user_id, value, updated_at)
     SELECT user_id, ?3, ?4 FROM consents WHERE user_id = ?1 AND purpose = ?2 AND granted = 1
     ON CONFLICT (user_id) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at";
pub(crate) const DELETE: &str = "DELETE FROM user_attributes WHERE user_id = ?1";

#[async_trait]
impl AttributesOfUsers for SqliteStore {
    async fn put_attributes(
        &self,
        user: UserId,
        attributes: Attributes,
        now: Timestamp,
    ) -> Result<Option<StoredAttributes>, StoreError> {
        let value = attributes_text(&attributes)?;
        let value = sealed::seal(&self.keyring.person(user).await?, column::ATTRIBUTES, &value)?;
        let updated_at = micros(now);
        let kept = self.write("attributes.put", move |connection| put(connection, user, &value, updated_at));
        Ok(kept.await?.then_some(StoredAttributes { attributes, updated_at }))
    }

    async fn attributes(&self, user: UserId) -> Result<Option<StoredAttributes>, StoreError> {
        let found = self.read("attributes.get", move |connection| get(connection, user)).await?;
        let Some((value, updated_at)) = found else { return Ok(None) };
        let Some(key) = self.keyring.existing(user).await? else { return Ok(None) };
        let value = sealed::open(Some(&key), column::ATTRIBUTES, value)?;
        Ok(Some(StoredAttributes { attributes: parse_attributes(&value)?, updated_at }))
    }

    async fn attributes_of(&self, users: &[UserId]) -> Result<Vec<(UserId, Attributes)>, StoreError> {
        let users = users.to_vec();
        let found = self.read("attributes.of", move |connection| {
            let value = |user: UserId| Ok(get(connection, user)?.map(|(value, _)| (user, value)));
            users.into_iter().filter_map(|user| value(user).transpose()).collect::<Result<_, Fault>>()
        });
        open_attributes(found.await?, &self.keyring).await
    }

    async fn delete_attributes(&self, user: UserId) -> Result<bool, StoreError> {
        self.write("attributes.delete", move |connection| delete(connection, user)).await
    }
}

/// Returns whether they are kept.
fn put(connection: &Connection, user: UserId, value: &str, now: Timestamp) -> Result<bool, Fault> {
    let values = params![IdText::new(user.uuid()), ATTRIBUTES_PURPOSE.as_str(), value, At(now)];
    Ok(connection.prepare_cached(PUT)?.execute(values)? == 1)
}

fn get(connection: &Connection, user: UserId) -> Result<Option<(String, Timestamp)>, Fault> {
    let mut statement = connection.prepare_cached(GET)?;
    let row = statement
        .query_row([IdText::new(user.uuid())], |row| Ok((row.get::<_, String>(0)?, row.get::<_, At>(1)?.0)));
    Ok(row.optional()?)
}

/// Returns whether there was anything.
pub(crate) fn delete(connection: &Connection, user: UserId) -> Result<bool, Fault> {
    Ok(connection.prepare_cached(DELETE)?.execute([IdText::new(user.uuid())])? == 1)
}
