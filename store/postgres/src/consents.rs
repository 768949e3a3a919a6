//! Consent.

use async_trait::async_trait;
use ecs_domain::consent::{Consent, Locale, Purpose, Said, Shown};
use ecs_domain::{Timestamp, UserId};
use ecs_store::audit::NewEntry;
use ecs_store::{ATTRIBUTES_PURPOSE, Consents, EVALUATION_PURPOSE, StoreError};
use tokio_postgres::Row;

use crate::PostgresStore;
use crate::audit::{self, EntryRow};
use crate::column::{get, limit, micros};
use crate::engine::{Call, Fault, Session};
use crate::{attributes, evaluations, users};

pub(crate) const GET: &str = "SELECT granted, text_version, locale, updated_at FROM consents
     WHERE user_id = $1 AND purpose = $2";
/// The same of each of several users and purposes.
pub(crate) const GET_ALL: &str = "SELECT asked.place, c.granted, c.text_version, c.locale, c.updated_at
     FROM unnest($1::uuid[], $2::text[]) WITH ORDINALITY AS asked (user_id, purpose, place)
     CROSS JOIN LATERAL
        (SELECT * FROM consents WHERE user_id = asked.user_id AND purpose = asked.purpose LIMIT 1) c";
const SET: &str = "INSERT INTO consents (user_id, purpose, granted, text_version, locale, updated_at)
     VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (user_id, purpose) DO UPDATE SET granted = excluded.granted,
        text_version = excluded.text_version, locale = excluded.locale, updated_at = excluded.updated_at";
const NOTE: &str = "INSERT INTO consent_history (user_id, purpose, granted, text_version, locale, said_at)
     VALUES ($1, $2, $3, $4, $5, $6)";
pub(crate) const HISTORY: &str =
    "SELECT granted, text_version, locale, said_at AS updated_at FROM consent_history
     WHERE user_id = $1 AND purpose = $2 ORDER BY number DESC LIMIT $3";

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
        said: Said,
        now: Timestamp,
    ) -> Result<Consent, StoreError> {
        let about = [user];
        self.primary
            .run(Call::quick("consents.set_consent").about(&about), |session| async move {
                set(&session, user, purpose, said, now).await
            })
            .await
    }

    async fn consent_history(
        &self,
        user: UserId,
        purpose: Purpose,
        most: usize,
    ) -> Result<Vec<Consent>, StoreError> {
        let (user, purpose, most) = (&user.uuid(), &purpose.as_str(), &limit(most));
        self.primary
            .run(Call::quick("consents.history"), |session| async move {
                session.query(HISTORY, &[user, purpose, most]).await?.rows.iter().map(read).collect()
            })
            .await
    }
}

/// The user's row is locked, so what was said before stays what it was until the end.
async fn set(
    session: &Session,
    user: UserId,
    purpose: Purpose,
    said: Said,
    now: Timestamp,
) -> Result<Consent, Fault> {
    let (id, name) = (user.uuid(), purpose.as_str());
    let mut flight = session.flight();
    flight.begin();
    flight.add(users::LOCK, &[&id]);
    let before = flight.add(GET, &[&id, &name]);
    let before = flight.send().await?.take(before).first().map(read).transpose()?;
    let mut flight = session.flight();
    if let Some(before) = before.filter(|before| !before.is_renewed_by(said)) {
        flight.roll_back();
        flight.send().await?;
        return Ok(before);
    }
    let Said { granted, shown } = said;
    let consent = Consent { granted, shown, updated_at: micros(now) };
    let version = shown.map(|shown| i64::from(shown.version));
    let (locale, at) = (shown.map(|shown| shown.locale.as_str()), consent.updated_at);
    let entry = NewEntry::of_consent(user, purpose, before.map(|before| before.granted), granted, now);
    let entry = EntryRow::new(&entry);
    for write in [SET, NOTE] {
        flight.add(write, &[&id, &name, &granted, &version, &locale, &at]);
    }
    if purpose == ATTRIBUTES_PURPOSE && !granted {
        flight.add(attributes::DELETE, &[&id]);
    }
    if purpose == EVALUATION_PURPOSE && !granted {
        flight.add(evaluations::FORGET, &[&id]);
    }
    audit::note(&mut flight, &entry);
    flight.commit();
    flight.send().await?;
    Ok(consent)
}

pub(crate) fn read(row: &Row) -> Result<Consent, Fault> {
    let unknown = |what| StoreError::Corrupt(format!("the column {what} holds what it should not"));
    let version = get::<_, Option<i64>>(row, "text_version")?.map(u32::try_from).transpose();
    let version = version.map_err(|_| unknown("text_version"))?;
    let locale = get::<_, Option<&str>>(row, "locale")?.map(str::parse::<Locale>).transpose();
    let shown = version.zip(locale.map_err(|()| unknown("locale"))?);
    let shown = shown.map(|(version, locale)| Shown { version, locale });
    Ok(Consent { granted: get(row, "granted")?, shown, updated_at: get(row, "updated_at")? })
}
