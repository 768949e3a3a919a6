//! Consent.

use async_trait::async_trait;
use ecs_domain::consent::{Consent, Locale, Purpose, Said, Shown};
use ecs_domain::{Timestamp, UserId};
use ecs_store::audit::NewEntry;
use ecs_store::{ATTRIBUTES_PURPOSE, Consents, EVALUATION_PURPOSE, StoreError};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::SqliteStore;
use crate::column::{At, IdText, Word, limit, micros};
use crate::engine::Fault;
use crate::{attributes, audit, evaluations};

pub(crate) const GET: &str =
    "SELECT granted, text_version, locale, updated_at FROM consents WHERE user_id = ?1 AND purpose = ?2";
const SET: &str = "INSERT INTO consents (user_id, purpose, granted, text_version, locale, updated_at)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (user_id, purpose) DO UPDATE SET granted = excluded.granted,
        text_version = excluded.text_version, locale = excluded.locale, updated_at = excluded.updated_at";
const NOTE: &str = "INSERT INTO consent_history (user_id, purpose, granted, text_version, locale, said_at)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
pub(crate) const HISTORY: &str = "SELECT granted, text_version, locale, said_at FROM consent_history
     WHERE user_id = ?1 AND purpose = ?2 ORDER BY number DESC LIMIT ?3";

#[async_trait]
impl Consents for SqliteStore {
    async fn consent(&self, user: UserId, purpose: Purpose) -> Result<Option<Consent>, StoreError> {
        self.read("consents.consent", move |connection| get(connection, user, purpose)).await
    }

    async fn set_consent(
        &self,
        user: UserId,
        purpose: Purpose,
        said: Said,
        now: Timestamp,
    ) -> Result<Consent, StoreError> {
        self.write("consents.set_consent", move |connection| set(connection, user, purpose, said, now)).await
    }

    async fn consent_history(
        &self,
        user: UserId,
        purpose: Purpose,
        most: usize,
    ) -> Result<Vec<Consent>, StoreError> {
        self.read("consents.history", move |connection| {
            let mut statement = connection.prepare_cached(HISTORY)?;
            let values = (IdText::new(user.uuid()), purpose.as_str(), limit(most));
            Ok(statement.query_map(values, read)?.collect::<Result<_, _>>()?)
        })
        .await
    }
}

fn set(
    connection: &Connection,
    user: UserId,
    purpose: Purpose,
    said: Said,
    now: Timestamp,
) -> Result<Consent, Fault> {
    let before = get(connection, user, purpose)?;
    if let Some(before) = before.filter(|before| !before.is_renewed_by(said)) {
        return Ok(before);
    }
    let Said { granted, shown } = said;
    let consent = Consent { granted, shown, updated_at: micros(now) };
    let (version, locale) = (shown.map(|shown| shown.version), shown.map(|shown| shown.locale.as_str()));
    let (id, at) = (IdText::new(user.uuid()), At(consent.updated_at));
    for write in [SET, NOTE] {
        let values = params![id, purpose.as_str(), granted, version, locale, at];
        connection.prepare_cached(write)?.execute(values)?;
    }
    if purpose == ATTRIBUTES_PURPOSE && !granted {
        attributes::delete(connection, user)?;
    }
    if purpose == EVALUATION_PURPOSE && !granted {
        evaluations::forget(connection, user)?;
    }
    let before = before.map(|before| before.granted);
    audit::note(connection, &NewEntry::of_consent(user, purpose, before, granted, now))?;
    Ok(consent)
}

pub(crate) fn get(connection: &Connection, user: UserId, purpose: Purpose) -> Result<Option<Consent>, Fault> {
    let mut statement = connection.prepare_cached(GET)?;
    Ok(statement.query_row((IdText::new(user.uuid()), purpose.as_str()), read).optional()?)
}

fn read(row: &Row<'_>) -> rusqlite::Result<Consent> {
    let (version, locale) = (row.get::<_, Option<u32>>(1)?, row.get::<_, Option<Word<Locale>>>(2)?);
    let shown = version.zip(locale).map(|(version, locale)| Shown { version, locale: locale.0 });
    Ok(Consent { granted: row.get(0)?, shown, updated_at: row.get::<_, At>(3)?.0 })
}
