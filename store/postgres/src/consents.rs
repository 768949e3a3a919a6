//! Consent.

use async_trait::async_trait;
use ecs_domain::consent::{Consent, Purpose};
use ecs_domain::{Timestamp, UserId};
use ecs_store::{Consents, StoreError};
use tokio_postgres::Row;

use crate::PostgresStore;
use crate::column::{get, micros};
use crate::engine::{Call, Fault};

pub(crate) const GET: &str = "SELECT granted, updated_at FROM consents WHERE user_id = $1 AND purpose = $2";
/// Saying the same again keeps its time. The row is locked before it is compared, so the last one to say something new is
/// the one whose time stands.
const SET: &str = "INSERT INTO consents AS said (user_id, purpose, granted, updated_at) VALUES ($1, $2, $3, $4)
     ON CONFLICT (user_id, purpose) DO UPDATE SET
        granted = excluded.granted,
        updated_at = CASE WHEN said.granted = excluded.granted THEN said.updated_at ELSE excluded.updated_at END
     RETURNING granted, updated_at";

#[async_trait]
impl Consents for PostgresStore {
    async fn consent(&self, user: UserId, purpose: Purpose) -> Result<Option<Consent>, StoreError> {
        let (user, purpose) = (&user.uuid(), &purpose.as_str());
        self.primary
            .run(Call::quick("consents.consent"), |session| async move {
                session.query(GET, &[user, purpose]).await?.first().map(read).transpose()
            })
            .await
    }

    async fn set_consent(
        &self,
        user: UserId,
        purpose: Purpose,
        granted: bool,
        now: Timestamp,
    ) -> Result<Consent, StoreError> {
        let (about, id, purpose, now) = ([user], &user.uuid(), &purpose.as_str(), &micros(now));
        let granted = &granted;
        self.primary
            .run(Call::quick("consents.set_consent").about(&about), |session| async move {
                let said = session.query(SET, &[id, purpose, granted, now]).await?;
                read(said.first().ok_or(Fault::Conflict)?)
            })
            .await
    }
}

fn read(row: &Row) -> Result<Consent, Fault> {
    Ok(Consent { granted: get(row, "granted")?, updated_at: get(row, "updated_at")? })
}
