//! The addresses.

use ecs_domain::{Timestamp, UserId, WebhookId};
use ecs_store::{
    AddedWebhook, DisabledBy, NewWebhook, SealedSecrets, Webhook, WebhookAddress, WebhookChange,
    WebhookRotation,
};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::deliveries;
use crate::column::{Id, IdText, Word, at_from_micros, limit};
use crate::engine::Fault;

const KNOWN: &str = "SELECT 1 FROM users WHERE id = ?1";
pub(crate) const COUNT: &str = "SELECT count(*) FROM webhooks WHERE user_id = ?1";
const INSERT: &str = "INSERT INTO webhooks (id, user_id, url, host, secret, created_at)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
pub(crate) const OF_USER: &str =
    "SELECT id, user_id, url, host, secret, previous_secret, previous_until, created_at,
        failing_since, disabled_at, disabled_reason
     FROM webhooks WHERE user_id = ?1 ORDER BY created_at, id";
pub(crate) const FIND: &str =
    "SELECT id, user_id, url, host, secret, previous_secret, previous_until, created_at,
        failing_since, disabled_at, disabled_reason
     FROM webhooks WHERE id = ?1 AND user_id = ?2";
pub(crate) const MOVE: &str = "UPDATE webhooks SET url = ?2, host = ?3 WHERE id = ?1";
pub(crate) const ENABLE: &str =
    "UPDATE webhooks SET disabled_at = NULL, disabled_reason = NULL, failing_since = NULL
     WHERE id = ?1 AND disabled_at IS NOT NULL";
pub(crate) const DISABLE: &str =
    "UPDATE webhooks SET disabled_at = ?2, disabled_reason = ?3 WHERE id = ?1 AND disabled_at IS NULL";
pub(crate) const ROTATE: &str =
    "UPDATE webhooks SET previous_secret = secret, previous_until = ?4, secret = ?3
     WHERE id = ?1 AND user_id = ?2";
pub(crate) const REMOVE: &str = "DELETE FROM webhooks WHERE id = ?1 AND user_id = ?2";
/// Looks at all of them, which is for once in a while.
const SEALED_OTHERWISE: &str =
    "SELECT id, user_id, url, host, secret, previous_secret, previous_until, created_at,
        failing_since, disabled_at, disabled_reason
     FROM webhooks WHERE substr(secret, 1, length(?1)) <> ?1
        OR (previous_secret IS NOT NULL AND substr(previous_secret, 1, length(?1)) <> ?1) LIMIT ?2";
pub(crate) const RESEAL: &str = "UPDATE webhooks SET secret = ?4, previous_secret = ?5, previous_until = ?6
     WHERE id = ?1 AND secret = ?2 AND previous_secret IS ?3";

/// Nobody else writes meanwhile, so what is counted stands until the end.
pub(super) fn add(connection: &Connection, new: &NewWebhook, most: usize) -> Result<AddedWebhook, Fault> {
    let user = IdText::new(new.user.uuid());
    if !connection.prepare_cached(KNOWN)?.exists([&user])? {
        return Ok(AddedWebhook::UnknownUser);
    }
    let count: i64 = connection.prepare_cached(COUNT)?.query_row([&user], |row| row.get(0))?;
    if count >= limit(most) {
        return Ok(AddedWebhook::TooMany);
    }
    let (id, now) = (IdText::new(new.id.uuid()), new.now.as_microsecond());
    let columns = params![id, user, new.at.url, new.at.host, new.secret, now];
    connection.prepare_cached(INSERT)?.execute(columns)?;
    let added = find(connection, new.user, new.id)?;
    Ok(added.map_or(AddedWebhook::UnknownUser, |webhook| AddedWebhook::Added(Box::new(webhook))))
}

pub(super) fn of_user(connection: &Connection, user: UserId) -> Result<Vec<Webhook>, Fault> {
    let mut statement = connection.prepare_cached(OF_USER)?;
    let found = statement.query_map([IdText::new(user.uuid())], read)?;
    Ok(found.collect::<Result<_, _>>()?)
}

pub(super) fn find(connection: &Connection, user: UserId, id: WebhookId) -> Result<Option<Webhook>, Fault> {
    let keys = [IdText::new(id.uuid()), IdText::new(user.uuid())];
    Ok(connection.prepare_cached(FIND)?.query_row(keys, read).optional()?)
}

pub(super) fn change(connection: &Connection, change: &WebhookChange) -> Result<Option<Webhook>, Fault> {
    if find(connection, change.user, change.id)?.is_none() {
        return Ok(None);
    }
    let id = IdText::new(change.id.uuid());
    if let Some(at) = &change.at {
        connection.prepare_cached(MOVE)?.execute(params![id, at.url, at.host])?;
        deliveries::move_pending(connection, change.id, &at.host)?;
    }
    match change.enabled {
        Some(true) => {
            connection.prepare_cached(ENABLE)?.execute([&id])?;
        }
        Some(false) => {
            disable(connection, change.id, change.now, DisabledBy::User)?;
        }
        None => {}
    }
    find(connection, change.user, change.id)
}

/// Disables a webhook that isn't yet, and gives its pending deliveries up. Returns whether it did.
pub(super) fn disable(
    connection: &Connection,
    id: WebhookId,
    now: Timestamp,
    reason: DisabledBy,
) -> Result<bool, Fault> {
    let columns = params![IdText::new(id.uuid()), now.as_microsecond(), reason.as_str()];
    if connection.prepare_cached(DISABLE)?.execute(columns)? == 0 {
        return Ok(false);
    }
    deliveries::give_up(connection, id)?;
    Ok(true)
}

pub(super) fn rotate(connection: &Connection, rotation: &WebhookRotation) -> Result<Option<Webhook>, Fault> {
    let (id, user) = (IdText::new(rotation.id.uuid()), IdText::new(rotation.user.uuid()));
    let columns = params![id, user, rotation.secret, rotation.previous_until.as_microsecond()];
    connection.prepare_cached(ROTATE)?.execute(columns)?;
    find(connection, rotation.user, rotation.id)
}

pub(super) fn remove(connection: &Connection, user: UserId, id: WebhookId) -> Result<bool, Fault> {
    let keys = [IdText::new(id.uuid()), IdText::new(user.uuid())];
    Ok(connection.prepare_cached(REMOVE)?.execute(keys)? > 0)
}

pub(super) fn sealed_otherwise(
    connection: &Connection,
    seal: &[u8],
    most: usize,
) -> Result<Vec<Webhook>, Fault> {
    let mut statement = connection.prepare_cached(SEALED_OTHERWISE)?;
    let found = statement.query_map(params![seal, limit(most)], read)?;
    Ok(found.collect::<Result<_, _>>()?)
}

pub(super) fn reseal(
    connection: &Connection,
    id: WebhookId,
    from: &SealedSecrets,
    to: &SealedSecrets,
) -> Result<bool, Fault> {
    let secret = |sealed: &SealedSecrets| sealed.previous.as_ref().map(|(secret, _)| secret.clone());
    let until = to.previous.as_ref().map(|(_, until)| until.as_microsecond());
    let columns = params![IdText::new(id.uuid()), from.current, secret(from), to.current, secret(to), until];
    Ok(connection.prepare_cached(RESEAL)?.execute(columns)? > 0)
}

pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Webhook> {
    let at = |column: &str| row.get::<_, Option<i64>>(column)?.map(at_from_micros).transpose();
    let previous: Option<Vec<u8>> = row.get("previous_secret")?;
    let reason = row.get::<_, Option<Word<DisabledBy>>>("disabled_reason")?;
    Ok(Webhook {
        id: WebhookId::new(row.get::<_, Id>("id")?.0),
        user: UserId::new(row.get::<_, Id>("user_id")?.0),
        at: WebhookAddress { url: row.get("url")?, host: row.get("host")? },
        secrets: SealedSecrets { current: row.get("secret")?, previous: previous.zip(at("previous_until")?) },
        created_at: at_from_micros(row.get("created_at")?)?,
        failing_since: at("failing_since")?,
        disabled: at("disabled_at")?.zip(reason.map(|word| word.0)),
    })
}
