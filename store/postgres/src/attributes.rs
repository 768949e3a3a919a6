//! Coarse attributes of users.

use async_trait::async_trait;
use ecs_domain::attributes::Attributes;
use ecs_domain::{Timestamp, UserId};
use ecs_store::sealed::{self, column};
use ecs_store::{
    ATTRIBUTES_PURPOSE, AttributesOfUsers, StoreError, StoredAttributes, attributes_text, open_attributes,
    parse_attributes,
};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::PostgresStore;
use crate::column::{get, micros};
use crate::engine::{Call, Fault};
use crate::users;

pub(crate) const GET: &str = "SELECT value, updated_at FROM user_attributes WHERE user_id = $1";
pub(crate) const OF: &str = "SELECT user_id, value FROM user_attributes WHERE user_id = ANY ($1::uuid[])";
/// The user's row is locked, so the consent that is there now is there at the end.
pub(crate) const PUT: &str = "INSERT INTO user_attributes (user_id, value, updated_at)
     SELECT user_id, $3, $4 FROM consents WHERE user_id = $1 AND purpose = $2 AND granted
     ON CONFLICT (user_id) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at";
pub(crate) const DELETE: &str = "DELETE FROM user_attributes WHERE user_id = $1";

#[async_trait]
impl AttributesOfUsers for PostgresStore {
    async fn put_attributes(
        &self,
        user: UserId,
        attributes: Attributes,
        now: Timestamp,
    ) -> Result<Option<StoredAttributes>, StoreError> {
        let value = attributes_text(&attributes)?;
        let value = &sealed::seal(&self.keyring.person(user).await?, column::ATTRIBUTES, &value)?;
        let updated_at = &micros(now);
        let (about, id, purpose) = ([user], &user.uuid(), &ATTRIBUTES_PURPOSE.as_str());
        let kept = self
            .primary
            .run(Call::quick("attributes.put").about(&about), |session| async move {
                let mut flight = session.flight();
                flight.begin();
                flight.add(users::LOCK, &[id]);
                let put = flight.add(PUT, &[id, purpose, value, updated_at]);
                flight.commit();
                Ok(flight.send().await?.take(put).changed)
            })
            .await?;
        Ok((kept == 1).then_some(StoredAttributes { attributes, updated_at: *updated_at }))
    }

    async fn attributes(&self, user: UserId) -> Result<Option<StoredAttributes>, StoreError> {
        let id = &user.uuid();
        let found = self.primary.run(Call::quick("attributes.get"), |session| async move {
            session.query(GET, &[id]).await?.first().map(read).transpose()
        });
        let Some((value, updated_at)) = found.await? else { return Ok(None) };
        let Some(key) = self.keyring.existing(user).await? else { return Ok(None) };
        let value = sealed::open(Some(&key), column::ATTRIBUTES, value)?;
        Ok(Some(StoredAttributes { attributes: parse_attributes(&value)?, updated_at }))
    }

    async fn attributes_of(&self, users: &[UserId]) -> Result<Vec<(UserId, Attributes)>, StoreError> {
        let users: &Vec<Uuid> = &users.iter().map(|user| user.uuid()).collect();
        let found = self.primary.run(Call::quick("attributes.of"), |session| async move {
            let rows = session.query(OF, &[users]).await?.rows;
            let row = |row: &Row| Ok((UserId::new(get(row, "user_id")?), get(row, "value")?));
            rows.iter().map(row).collect::<Result<_, Fault>>()
        });
        open_attributes(found.await?, &self.keyring).await
    }

    async fn delete_attributes(&self, user: UserId) -> Result<bool, StoreError> {
        let (about, user) = ([user], &user.uuid());
        self.primary
            .run(Call::quick("attributes.delete").about(&about), |session| async move {
                Ok(session.query(DELETE, &[user]).await?.changed == 1)
            })
            .await
    }
}

fn read(row: &Row) -> Result<(String, Timestamp), Fault> {
    Ok((get(row, "value")?, get(row, "updated_at")?))
}
