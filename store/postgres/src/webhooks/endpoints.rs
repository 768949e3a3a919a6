//! The addresses.

use ecs_domain::{Timestamp, UserId, WebhookId};
use ecs_store::{
    AddedWebhook, DisabledBy, NewWebhook, SealedSecrets, Webhook, WebhookAddress, WebhookChange,
    WebhookRotation,
};
use tokio_postgres::Row;

use super::deliveries;
use crate::column::{get, micros, word};
use crate::engine::{Fault, Session};
use crate::users;

/// The user is locked by now, so nobody else adds one meanwhile.
pub(crate) const INSERT: &str = "INSERT INTO webhooks (id, user_id, url, host, secret, created_at)
     SELECT $1, u.id, $3, $4, $5, $6 FROM users u
     WHERE u.id = $2 AND (SELECT count(*) FROM webhooks w WHERE w.user_id = u.id) < $7
     RETURNING id, user_id, url, host, secret, previous_secret, previous_until, created_at,
        failing_since, disabled_at, disabled_reason";
pub(crate) const OF_USER: &str =
    "SELECT id, user_id, url, host, secret, previous_secret, previous_until, created_at,
        failing_since, disabled_at, disabled_reason
     FROM webhooks WHERE user_id = $1 ORDER BY created_at, id";
pub(crate) const FIND: &str =
    "SELECT id, user_id, url, host, secret, previous_secret, previous_until, created_at,
        failing_since, disabled_at, disabled_reason
     FROM webhooks WHERE id = $1 AND user_id = $2";
/// Changes what is given, and leaves the rest.
pub(crate) const CHANGE: &str = "UPDATE webhooks SET url = coalesce($3, url), host = coalesce($4, host),
        failing_since = CASE WHEN $5 AND disabled_at IS NOT NULL THEN NULL ELSE failing_since END,
        disabled_at = CASE WHEN $5 THEN NULL WHEN NOT $5 THEN coalesce(disabled_at, $6) ELSE disabled_at END,
        disabled_reason = CASE WHEN $5 THEN NULL WHEN NOT $5 THEN coalesce(disabled_reason, $7)
            ELSE disabled_reason END
     WHERE id = $1 AND user_id = $2 RETURNING id, user_id, url, host, secret, previous_secret, previous_until, created_at,
        failing_since, disabled_at, disabled_reason";
pub(crate) const ROTATE: &str =
    "UPDATE webhooks SET previous_secret = secret, previous_until = $4, secret = $3
     WHERE id = $1 AND user_id = $2 RETURNING id, user_id, url, host, secret, previous_secret, previous_until, created_at,
        failing_since, disabled_at, disabled_reason";
pub(crate) const REMOVE: &str = "DELETE FROM webhooks WHERE id = $1 AND user_id = $2";
/// Looks at all of them, which is for once in a while.
const SEALED_OTHERWISE: &str =
    "SELECT id, user_id, url, host, secret, previous_secret, previous_until, created_at,
        failing_since, disabled_at, disabled_reason
     FROM webhooks
     WHERE substring(secret FROM 1 FOR length($1::bytea)) <> $1
        OR substring(previous_secret FROM 1 FOR length($1::bytea)) <> $1 LIMIT $2";
pub(crate) const RESEAL: &str = "UPDATE webhooks SET secret = $4, previous_secret = $5, previous_until = $6
     WHERE id = $1 AND secret = $2 AND previous_secret IS NOT DISTINCT FROM $3";

pub(super) async fn add(session: &Session, new: &NewWebhook, most: i64) -> Result<AddedWebhook, Fault> {
    let (id, user, now) = (&new.id.uuid(), &new.user.uuid(), &micros(new.now));
    let mut flight = session.flight();
    flight.begin();
    let lock = flight.add(users::LOCK, &[user]);
    let insert = flight.add(INSERT, &[id, user, &new.at.url, &new.at.host, &new.secret, now, &most]);
    flight.commit();
    let mut answers = flight.send().await?;
    match (answers.take(lock).first(), answers.take(insert).first()) {
        (None, _) => Ok(AddedWebhook::UnknownUser),
        (Some(_), None) => Ok(AddedWebhook::TooMany),
        (Some(_), Some(row)) => Ok(AddedWebhook::Added(Box::new(read(row)?))),
    }
}

pub(super) async fn of_user(session: &Session, user: UserId) -> Result<Vec<Webhook>, Fault> {
    session.query(OF_USER, &[&user.uuid()]).await?.rows.iter().map(read).collect()
}

pub(super) async fn find(session: &Session, user: UserId, id: WebhookId) -> Result<Option<Webhook>, Fault> {
    session.query(FIND, &[&id.uuid(), &user.uuid()]).await?.first().map(read).transpose()
}

pub(super) async fn change(session: &Session, change: &WebhookChange) -> Result<Option<Webhook>, Fault> {
    let (id, user, now) = (&change.id.uuid(), &change.user.uuid(), &micros(change.now));
    let (url, host) = (change.at.as_ref().map(|at| &at.url), change.at.as_ref().map(|at| &at.host));
    let (enabled, by_user) = (&change.enabled, &DisabledBy::User.as_str());
    let mut flight = session.flight();
    flight.begin();
    flight.add(users::LOCK, &[user]);
    let changed = flight.add(CHANGE, &[id, user, &url, &host, enabled, now, by_user]);
    flight.add(deliveries::MOVE, &[id, user]);
    flight.add(deliveries::GIVE_UP, &[id, user]);
    flight.commit();
    flight.send().await?.take(changed).first().map(read).transpose()
}

pub(super) async fn rotate(session: &Session, rotation: &WebhookRotation) -> Result<Option<Webhook>, Fault> {
    let (id, user) = (&rotation.id.uuid(), &rotation.user.uuid());
    let until = &micros(rotation.previous_until);
    let rotated = session.query(ROTATE, &[id, user, &rotation.secret, until]).await?;
    rotated.first().map(read).transpose()
}

pub(super) async fn remove(session: &Session, user: UserId, id: WebhookId) -> Result<bool, Fault> {
    let (id, user) = (&id.uuid(), &user.uuid());
    let mut flight = session.flight();
    flight.begin();
    flight.add(users::LOCK, &[user]);
    let removed = flight.add(REMOVE, &[id, user]);
    flight.commit();
    Ok(flight.send().await?.take(removed).changed > 0)
}

pub(super) async fn sealed_otherwise(
    session: &Session,
    seal: &[u8],
    most: i64,
) -> Result<Vec<Webhook>, Fault> {
    session.query(SEALED_OTHERWISE, &[&seal, &most]).await?.rows.iter().map(read).collect()
}

pub(super) async fn reseal(
    session: &Session,
    id: WebhookId,
    from: &SealedSecrets,
    to: &SealedSecrets,
) -> Result<bool, Fault> {
    let (old, new) = (from.previous.as_ref(), to.previous.as_ref());
    let (old, until) = (old.map(|(secret, _)| secret), new.map(|(_, until)| micros(*until)));
    let new = new.map(|(secret, _)| secret);
    let id = &id.uuid();
    let resealed = session.query(RESEAL, &[id, &from.current, &old, &to.current, &new, &until]).await?;
    Ok(resealed.changed > 0)
}

pub(super) fn read(row: &Row) -> Result<Webhook, Fault> {
    let disabled_at: Option<Timestamp> = get(row, "disabled_at")?;
    let disabled = disabled_at.map(|at| Ok::<_, Fault>((at, word(row, "disabled_reason")?)));
    let previous: Option<Vec<u8>> = get(row, "previous_secret")?;
    Ok(Webhook {
        id: WebhookId::new(get(row, "id")?),
        user: UserId::new(get(row, "user_id")?),
        at: WebhookAddress { url: get(row, "url")?, host: get(row, "host")? },
        secrets: SealedSecrets {
            current: get(row, "secret")?,
            previous: previous.zip(get(row, "previous_until")?),
        },
        created_at: get(row, "created_at")?,
        failing_since: get(row, "failing_since")?,
        disabled: disabled.transpose()?,
    })
}
