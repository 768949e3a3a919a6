//! The deliveries.

use std::collections::BTreeMap;

use ecs_domain::{NotificationId, Timestamp, UserId, WebhookId};
use ecs_store::{
    ATTEMPTS_KEPT, DeliveryClaim, DeliveryFate, DeliveryPage, DeliveryState, DisabledBy, DueDelivery,
    PageRequest, Settled, Settlement, WebhookDelivery,
};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::endpoints;
use crate::column::{Id, IdText, Word, at_from_micros, count, limit};
use crate::engine::Fault;
use crate::notifications;

/// One step down an index for users without a webhook.
pub(crate) const MAKE: &str =
    "INSERT INTO webhook_deliveries (webhook_id, notification_id, host, next_attempt_at, created_at)
     SELECT id, ?2, host, ?3, ?3 FROM webhooks WHERE user_id = ?1 AND disabled_at IS NULL";
pub(crate) const ANY_DUE: &str =
    "SELECT 1 FROM webhook_deliveries WHERE state = 'pending' AND next_attempt_at <= ?1 LIMIT 1";
pub(crate) const DUE: &str = "SELECT webhook_id, notification_id, host FROM webhook_deliveries
     WHERE state = 'pending' AND next_attempt_at <= ?1 ORDER BY next_attempt_at";
pub(crate) const CLAIM: &str = "UPDATE webhook_deliveries
     SET next_attempt_at = ?3, leased = 1, attempts = attempts + 1, tries = tries + 1
     WHERE webhook_id = ?1 AND notification_id = ?2 RETURNING attempts, tries";
pub(crate) const WEBHOOK: &str =
    "SELECT id, user_id, url, host, secret, previous_secret, previous_until, created_at,
        failing_since, disabled_at, disabled_reason
     FROM webhooks WHERE id = ?1";
pub(crate) const SETTLE: &str = "UPDATE webhook_deliveries SET state = ?4, next_attempt_at = ?5, leased = 0,
        log = json_insert(CASE WHEN json_array_length(log) >= ?7 THEN json_remove(log, '$[0]') ELSE log END,
            '$[#]', json(?6))
     WHERE webhook_id = ?1 AND notification_id = ?2 AND attempts = ?3 AND leased = 1 AND state = 'pending'";
pub(crate) const SUCCEED: &str =
    "UPDATE webhooks SET failing_since = NULL WHERE id = ?1 AND failing_since IS NOT NULL";
pub(crate) const FAIL: &str = "UPDATE webhooks SET failing_since = coalesce(failing_since, ?2) WHERE id = ?1
     RETURNING failing_since";
pub(crate) const GIVE_UP: &str =
    "UPDATE webhook_deliveries SET state = 'failed', next_attempt_at = NULL, leased = 0
     WHERE webhook_id = ?1 AND state = 'pending'";
pub(crate) const MOVE: &str =
    "UPDATE webhook_deliveries SET host = ?2 WHERE webhook_id = ?1 AND state = 'pending'";
pub(crate) const COUNT: &str = "SELECT count(*) FROM webhook_deliveries WHERE webhook_id = ?1";
pub(crate) const PAGE: &str =
    "SELECT notification_id, state, attempts, next_attempt_at, created_at, log FROM webhook_deliveries
     WHERE webhook_id = ?1 ORDER BY created_at DESC, notification_id DESC LIMIT ?2 OFFSET ?3";
pub(crate) const RESEND: &str = "UPDATE webhook_deliveries SET
        tries = CASE WHEN state = 'pending' THEN tries ELSE 0 END,
        next_attempt_at = CASE WHEN leased = 1 THEN next_attempt_at ELSE ?3 END,
        state = 'pending'
     WHERE webhook_id = ?1 AND notification_id = ?2
     RETURNING notification_id, state, attempts, next_attempt_at, created_at, log";
pub(crate) const FORGET: &str = "DELETE FROM webhook_deliveries WHERE (webhook_id, notification_id) IN
        (SELECT webhook_id, notification_id FROM webhook_deliveries
         WHERE state <> 'pending' AND created_at < ?1 LIMIT ?2)";
const RELEASE_ALL: &str = "UPDATE webhook_deliveries SET leased = 0, next_attempt_at = 0
     WHERE state = 'pending' AND leased = 1";

/// Makes the deliveries of a notification that is new, inside the transaction that keeps it.
pub(crate) fn make(
    connection: &Connection,
    user: UserId,
    notification: NotificationId,
    now: Timestamp,
) -> Result<(), Fault> {
    let (user, notification) = (IdText::new(user.uuid()), IdText::new(notification.uuid()));
    connection.prepare_cached(MAKE)?.execute(params![user, notification, now.as_microsecond()])?;
    Ok(())
}

/// Frees every delivery: whoever attempted one when the file is opened is dead.
pub(crate) fn release_all(connection: &Connection) -> Result<(), Fault> {
    connection.execute(RELEASE_ALL, [])?;
    Ok(())
}

pub(super) fn is_any_due(connection: &Connection, now: Timestamp) -> Result<bool, Fault> {
    Ok(connection.prepare_cached(ANY_DUE)?.exists([now.as_microsecond()])?)
}

pub(super) fn claim(connection: &Connection, claim: &DeliveryClaim) -> Result<Vec<DueDelivery>, Fault> {
    let until = claim.now.saturating_add(claim.lease).unwrap_or(Timestamp::MAX).as_microsecond();
    let mut claimed = Vec::new();
    for (webhook, notification) in chosen(connection, claim)? {
        let (webhook, notification) = (IdText::new(webhook), IdText::new(notification));
        let numbers = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
        let (attempt, tries) =
            connection.prepare_cached(CLAIM)?.query_row(params![webhook, notification, until], numbers)?;
        let webhook = connection.prepare_cached(WEBHOOK)?.query_row([&webhook], endpoints::read)?;
        let Some(notification) = notifications::by_id(connection, &notification)? else { continue };
        claimed.push(DueDelivery { webhook, notification, attempt, tries });
    }
    Ok(claimed)
}

/// The deliveries that are the next: the longest due first, and of no host more than its share.
fn chosen(connection: &Connection, claim: &DeliveryClaim) -> Result<Vec<(uuid::Uuid, uuid::Uuid)>, Fault> {
    let mut statement = connection.prepare_cached(DUE)?;
    let mut rows = statement.query([claim.now.as_microsecond()])?;
    let mut of_host: BTreeMap<String, usize> =
        claim.busy_hosts.iter().map(|host| (host.clone(), claim.most_per_host)).collect();
    let mut chosen = Vec::new();
    while chosen.len() < claim.most
        && let Some(row) = rows.next()?
    {
        let taken = of_host.entry(row.get("host")?).or_default();
        if *taken < claim.most_per_host {
            *taken += 1;
            chosen.push((row.get::<_, Id>("webhook_id")?.0, row.get::<_, Id>("notification_id")?.0));
        }
    }
    Ok(chosen)
}

pub(super) fn settle(connection: &Connection, settled: &Settlement) -> Result<Option<Settled>, Fault> {
    let Settlement { attempt, fate, .. } = settled;
    let (state, next) = match fate {
        DeliveryFate::Delivered => (DeliveryState::Delivered, None),
        DeliveryFate::Retry(at) => (DeliveryState::Pending, Some(at.as_microsecond())),
        DeliveryFate::Failed | DeliveryFate::Gone => (DeliveryState::Failed, None),
    };
    let (webhook, of) = (IdText::new(settled.webhook.uuid()), IdText::new(settled.notification.uuid()));
    let log = serde_json::to_string(attempt)?;
    let columns = params![webhook, of, attempt.number, state.as_str(), next, log, limit(ATTEMPTS_KEPT)];
    if connection.prepare_cached(SETTLE)?.execute(columns)? == 0 {
        return Ok(None);
    }
    if *fate == DeliveryFate::Delivered {
        connection.prepare_cached(SUCCEED)?.execute([&webhook])?;
        return Ok(Some(Settled { disabled: None }));
    }
    let columns = params![webhook, attempt.at.as_microsecond()];
    let since: i64 = connection.prepare_cached(FAIL)?.query_row(columns, |row| row.get(0))?;
    let reason = match fate {
        DeliveryFate::Gone => DisabledBy::Gone,
        _ if since < settled.failing_floor.as_microsecond() => DisabledBy::Failing,
        _ => return Ok(Some(Settled { disabled: None })),
    };
    let disabled = endpoints::disable(connection, settled.webhook, attempt.at, reason)?;
    Ok(Some(Settled { disabled: disabled.then_some(reason) }))
}

pub(super) fn give_up(connection: &Connection, webhook: WebhookId) -> Result<(), Fault> {
    connection.prepare_cached(GIVE_UP)?.execute([IdText::new(webhook.uuid())])?;
    Ok(())
}

pub(super) fn move_pending(connection: &Connection, webhook: WebhookId, host: &str) -> Result<(), Fault> {
    connection.prepare_cached(MOVE)?.execute(params![IdText::new(webhook.uuid()), host])?;
    Ok(())
}

pub(super) fn page(
    connection: &Connection,
    user: UserId,
    webhook: WebhookId,
    page: PageRequest,
) -> Result<Option<DeliveryPage>, Fault> {
    if endpoints::find(connection, user, webhook)?.is_none() {
        return Ok(None);
    }
    let id = IdText::new(webhook.uuid());
    let total = connection.prepare_cached(COUNT)?.query_row([&id], |row| row.get(0)).map(count)?;
    let skip = i64::from(page.page.saturating_sub(1)) * i64::from(page.page_size);
    let mut statement = connection.prepare_cached(PAGE)?;
    let rows = statement.query_map(params![id, page.page_size, skip], read)?;
    Ok(Some(DeliveryPage { total, items: rows.collect::<Result<_, _>>()? }))
}

pub(super) fn resend(
    connection: &Connection,
    webhook: WebhookId,
    notification: NotificationId,
    now: Timestamp,
) -> Result<Option<WebhookDelivery>, Fault> {
    let (webhook, notification) = (IdText::new(webhook.uuid()), IdText::new(notification.uuid()));
    let keys = params![webhook, notification, now.as_microsecond()];
    Ok(connection.prepare_cached(RESEND)?.query_row(keys, read).optional()?)
}

pub(super) fn forget(connection: &Connection, since: Timestamp, most: usize) -> Result<u64, Fault> {
    let gone = connection.prepare_cached(FORGET)?.execute(params![since.as_microsecond(), limit(most)])?;
    Ok(gone as u64)
}

fn read(row: &Row<'_>) -> rusqlite::Result<WebhookDelivery> {
    let log = row.get_ref("log")?.as_str()?;
    let unread = |error| rusqlite::types::FromSqlError::other(error).into();
    Ok(WebhookDelivery {
        notification: NotificationId::new(row.get::<_, Id>("notification_id")?.0),
        state: row.get::<_, Word<DeliveryState>>("state")?.0,
        attempts: row.get("attempts")?,
        next_attempt_at: row.get::<_, Option<i64>>("next_attempt_at")?.map(at_from_micros).transpose()?,
        created_at: at_from_micros(row.get("created_at")?)?,
        log: serde_json::from_str(log)
            .map_err(|error: serde_json::Error| -> rusqlite::Error { unread(error) })?,
    })
}
