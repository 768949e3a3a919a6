//! Consent.

use async_trait::async_trait;
use ecs_domain::consent::{Consent, Purpose};
use ecs_domain::{Timestamp, UserId};
use ecs_store::audit::NewEntry;
use ecs_store::{Consents, StoreError};
use tokio_postgres::Row;

use crate::PostgresStore;
use crate::audit::{self, EntryRow};
use crate::column::{get, micros};
use crate::engine::{Call, Fault};
use crate::users;

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
        let (of, at) = (purpose, now);
        let (about, id, purpose, now) = ([user], &user.uuid(), &purpose.as_str(), &micros(now));
        let granted = &granted;
        self.primary
            .run(Call::quick("consents.set_consent").about(&about), |session| async move {
                let mut flight = session.flight();
                flight.begin();
                flight.add(users::LOCK, &[id]);
                let before = flight.add(GET, &[id, purpose]);
                let before = flight.send().await?.take(before).first().map(read).transpose()?;
                let before = before.map(|before| before.granted);
                let entry = NewEntry::of_consent(user, of, before, *granted, at);
                let entry = EntryRow::new(&entry);
                let mut flight = session.flight();
                let said = flight.add(SET, &[id, purpose, granted, now]);
                if before != Some(*granted) {
                    audit::note(&mut flight, &entry);
                }
                flight.commit();
                read(flight.send().await?.take(said).first().ok_or(Fault::Conflict)?)
            })
            .await
    }
}

fn read(row: &Row) -> Result<Consent, Fault> {
    Ok(Consent { granted: get(row, "granted")?, updated_at: get(row, "updated_at")? })
}
