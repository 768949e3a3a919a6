//! Consent.

use async_trait::async_trait;
use ecs_domain::consent::{Consent, Purpose};
use ecs_domain::{Timestamp, UserId};
use ecs_store::audit::NewEntry;
use ecs_store::{Consents, StoreError};
use rusqlite::{Connection, OptionalExtension};

use crate::SqliteStore;
use crate::audit;
use crate::column::{At, IdText, micros};
use crate::engine::Fault;

pub(crate) const GET: &str = "SELECT granted, updated_at FROM consents WHERE user_id = ?1 AND purpose = ?2";
const SET: &str = "INSERT INTO consents (user_id, purpose, granted, updated_at) VALUES (?1, ?2, ?3, ?4)
     ON CONFLICT (user_id, purpose) DO UPDATE SET granted = excluded.granted, updated_at = excluded.updated_at";

#[async_trait]
impl Consents for SqliteStore {
    async fn consent(&self, user: UserId, purpose: Purpose) -> Result<Option<Consent>, StoreError> {
        self.read("consents.consent", move |connection| get(connection, user, purpose)).await
    }

    async fn set_consent(
        &self,
        user: UserId,
        purpose: Purpose,
        granted: bool,
        now: Timestamp,
    ) -> Result<Consent, StoreError> {
        self.write("consents.set_consent", move |connection| {
            let before = get(connection, user, purpose)?;
            if let Some(said) = before
                && said.granted == granted
            {
                return Ok(said);
            }
            let said = Consent { granted, updated_at: micros(now) };
            let values = (IdText::new(user.uuid()), purpose.as_str(), granted, At(said.updated_at));
            connection.prepare_cached(SET)?.execute(values)?;
            let before = before.map(|before| before.granted);
            audit::note(connection, &NewEntry::of_consent(user, purpose, before, granted, now))?;
            Ok(said)
        })
        .await
    }
}

fn get(connection: &Connection, user: UserId, purpose: Purpose) -> Result<Option<Consent>, Fault> {
    let mut statement = connection.prepare_cached(GET)?;
    let said = statement.query_row((IdText::new(user.uuid()), purpose.as_str()), |row| {
        Ok(Consent { granted: row.get(0)?, updated_at: row.get::<_, At>(1)?.0 })
    });
    Ok(said.optional()?)
}
