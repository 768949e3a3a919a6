//! The deliveries.

use std::collections::HashMap;

use ecs_domain::notification::Notification;
use ecs_domain::{NotificationId, Timestamp, UserId, WebhookId};
use ecs_store::{
    ATTEMPTS_KEPT, DeliveryClaim, DeliveryFate, DeliveryPage, DeliveryState, DisabledBy, DueDelivery,
    PageRequest, Resent, Settled, Settlement, StoreError, Webhook, WebhookDelivery,
};
use tokio_postgres::Row;
use uuid::Uuid;

use super::endpoints;
use crate::column::{count, get, limit, micros, small, word};
use crate::engine::{Fault, Session};
use crate::{notifications, users};

/// Mostly there is nothing, and then this is all that is asked.
pub(crate) const ANY_DUE: &str = "SELECT EXISTS (SELECT FROM webhook_deliveries
        WHERE state = 'pending' AND next_attempt_at <= $1 ORDER BY next_attempt_at LIMIT 1)";
/// What is due, the longest due first, and of no host more than its share. Rows that another process is about to claim are passed
/// over, not waited for. More are looked at than are taken, so that one host's backlog doesn't hide the others.
pub(crate) const CLAIM: &str = "
WITH due AS MATERIALIZED (
    SELECT webhook_id, notification_id, host, next_attempt_at FROM webhook_deliveries
    WHERE state = 'pending' AND next_attempt_at <= $1 AND host <> ALL ($2)
    ORDER BY next_attempt_at LIMIT $3::bigint * 4 FOR UPDATE SKIP LOCKED
),
ranked AS (
    SELECT *, row_number() OVER (PARTITION BY host ORDER BY next_attempt_at) AS place FROM due
),
chosen AS MATERIALIZED (
    SELECT webhook_id, notification_id FROM ranked WHERE place <= $4 ORDER BY next_attempt_at LIMIT $3::bigint
)
UPDATE webhook_deliveries d SET next_attempt_at = $5, leased = true, attempts = attempts + 1, tries = tries + 1
FROM chosen c WHERE d.webhook_id = c.webhook_id AND d.notification_id = c.notification_id
RETURNING d.webhook_id, d.notification_id, d.attempts, d.tries";
pub(crate) const WEBHOOKS: &str =
    "SELECT id, user_id, url, host, secret, previous_secret, previous_until, created_at,
        failing_since, disabled_at, disabled_reason
     FROM webhooks WHERE id = ANY ($1)";
pub(crate) const SETTLE: &str =
    "UPDATE webhook_deliveries SET state = $4, next_attempt_at = $5, leased = false,
        log = CASE WHEN jsonb_array_length(log) >= $7 THEN log - 0 ELSE log END || $6::text::jsonb
     WHERE webhook_id = $1 AND notification_id = $2 AND attempts = $3 AND leased AND state = 'pending'";
pub(crate) const SUCCEED: &str =
    "UPDATE webhooks SET failing_since = NULL WHERE id = $1 AND failing_since IS NOT NULL";
/// Disables the webhook when it was the last straw, and says so.
pub(crate) const FAIL: &str = "
WITH before AS (
    SELECT id, disabled_at IS NULL AND ($3 OR coalesce(failing_since, $2) < $4) AS falls
    FROM webhooks WHERE id = $1 FOR NO KEY UPDATE
)
UPDATE webhooks w SET failing_since = coalesce(failing_since, $2),
    disabled_at = CASE WHEN falls THEN $2 ELSE disabled_at END,
    disabled_reason = CASE WHEN falls THEN $5 ELSE disabled_reason END
FROM before b WHERE w.id = b.id RETURNING falls";
/// Of a webhook that is disabled; of one that isn't, nothing.
pub(crate) const GIVE_UP: &str =
    "UPDATE webhook_deliveries SET state = 'failed', next_attempt_at = NULL, leased = false
     WHERE webhook_id = $1 AND state = 'pending'
        AND EXISTS (SELECT FROM webhooks WHERE id = $1 AND user_id = $2 AND disabled_at IS NOT NULL)";
/// Pending deliveries go where their webhook goes.
pub(crate) const MOVE: &str = "UPDATE webhook_deliveries d SET host = w.host FROM webhooks w
     WHERE d.webhook_id = $1 AND d.state = 'pending' AND w.id = $1 AND w.user_id = $2 AND d.host <> w.host";
pub(crate) const COUNT: &str = "SELECT count(*) AS total FROM webhook_deliveries WHERE webhook_id = $1";
pub(crate) const PAGE: &str =
    "SELECT notification_id, state, attempts, next_attempt_at, created_at, log::text AS log
     FROM webhook_deliveries WHERE webhook_id = $1
     ORDER BY created_at DESC, notification_id DESC LIMIT $2 OFFSET $3";
pub(crate) const RESEND: &str = "UPDATE webhook_deliveries SET
        tries = CASE WHEN state = 'pending' THEN tries ELSE 0 END,
        next_attempt_at = CASE WHEN leased THEN next_attempt_at ELSE $4 END,
        state = 'pending'
     WHERE webhook_id = $1 AND notification_id = $2
        AND EXISTS (SELECT FROM webhooks WHERE id = $1 AND user_id = $3 AND disabled_at IS NULL)
     RETURNING notification_id, state, attempts, next_attempt_at, created_at, log::text AS log";
/// Several processes may clean up at once: each takes what no other has in hand.
pub(crate) const FORGET: &str = "DELETE FROM webhook_deliveries WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM webhook_deliveries WHERE state <> 'pending' AND created_at < $1 ORDER BY created_at
        LIMIT $2 FOR UPDATE SKIP LOCKED))";

pub(super) async fn claim(session: &Session, claim: &DeliveryClaim) -> Result<Vec<DueDelivery>, Fault> {
    let until = micros(claim.now.saturating_add(claim.lease).unwrap_or(Timestamp::MAX));
    let (now, busy) = (&micros(claim.now), &claim.busy_hosts);
    let (most, of_host) = (&limit(claim.most), &limit(claim.most_per_host));
    if !session.query(ANY_DUE, &[now]).await?.only::<bool>()? {
        return Ok(Vec::new());
    }
    let mut flight = session.flight();
    flight.begin();
    let claimed = flight.add(CLAIM, &[now, busy, most, of_host, &until]);
    let claimed = flight.send().await?.take(claimed);
    let keys = claimed.rows.iter().map(read_claim).collect::<Result<Vec<_>, _>>()?;

    let webhooks: Vec<Uuid> = keys.iter().map(|claim| claim.webhook).collect();
    let notifications: Vec<Uuid> = keys.iter().map(|claim| claim.notification).collect();
    let mut flight = session.flight();
    let mut found = None;
    if !keys.is_empty() {
        let webhooks = flight.add(WEBHOOKS, &[&webhooks]);
        found = Some((webhooks, flight.add(notifications::BY_IDS, &[&notifications])));
    }
    flight.commit();
    let mut answers = flight.send().await?;
    let Some((webhooks, notifications)) = found else { return Ok(Vec::new()) };
    let webhooks = by_id(&answers.take(webhooks).rows, endpoints::read, |webhook| webhook.id.uuid())?;
    let notifications = &answers.take(notifications).rows;
    let notifications = by_id(notifications, notifications::read_one, |notification| notification.id.uuid())?;
    Ok(keys.iter().filter_map(|claim| claim.of(&webhooks, &notifications)).collect())
}

fn by_id<T>(
    rows: &[Row],
    read: impl Fn(&Row) -> Result<T, Fault>,
    id: impl Fn(&T) -> Uuid,
) -> Result<HashMap<Uuid, T>, Fault> {
    rows.iter().map(|row| read(row).map(|item| (id(&item), item))).collect()
}

struct Claimed {
    webhook: Uuid,
    notification: Uuid,
    attempt: u32,
    tries: u32,
}

impl Claimed {
    fn of(
        &self,
        webhooks: &HashMap<Uuid, Webhook>,
        notifications: &HashMap<Uuid, Notification>,
    ) -> Option<DueDelivery> {
        Some(DueDelivery {
            webhook: webhooks.get(&self.webhook)?.clone(),
            notification: notifications.get(&self.notification)?.clone(),
            attempt: self.attempt,
            tries: self.tries,
        })
    }
}

fn read_claim(row: &Row) -> Result<Claimed, Fault> {
    Ok(Claimed {
        webhook: get(row, "webhook_id")?,
        notification: get(row, "notification_id")?,
        attempt: small(row, "attempts")?,
        tries: small(row, "tries")?,
    })
}

pub(super) async fn settle(session: &Session, settled: &Settlement) -> Result<Option<Settled>, Fault> {
    let Settlement { attempt, fate, .. } = settled;
    let (state, next) = match fate {
        DeliveryFate::Delivered => (DeliveryState::Delivered, None),
        DeliveryFate::Retry(at) => (DeliveryState::Pending, Some(micros(*at))),
        DeliveryFate::Failed | DeliveryFate::Gone => (DeliveryState::Failed, None),
    };
    let (webhook, user, of) = (&settled.webhook.uuid(), &settled.user.uuid(), &settled.notification.uuid());
    let log = &serde_json::to_string(attempt).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    let number = &i32::try_from(attempt.number).unwrap_or(i32::MAX);
    let kept = &i32::try_from(ATTEMPTS_KEPT).unwrap_or(i32::MAX);
    let (state, at) = (&state.as_str(), &micros(attempt.at));
    let mut flight = session.flight();
    flight.begin();
    flight.add(users::LOCK, &[user]);
    let settling = flight.add(SETTLE, &[webhook, of, number, state, &next, log, kept]);
    let is_ours = flight.send().await?.take(settling).changed > 0;

    let (gone, floor) = (*fate == DeliveryFate::Gone, &micros(settled.failing_floor));
    let reason = if gone { DisabledBy::Gone } else { DisabledBy::Failing };
    let mut flight = session.flight();
    let mut failing = None;
    let word = reason.as_str();
    if is_ours && *fate == DeliveryFate::Delivered {
        flight.add(SUCCEED, &[webhook]);
    } else if is_ours {
        failing = Some(flight.add(FAIL, &[webhook, at, &gone, floor, &word]));
        flight.add(GIVE_UP, &[webhook, user]);
    }
    flight.commit();
    let mut answers = flight.send().await?;
    let fell = failing.map(|failing| answers.take(failing).only::<bool>()).transpose()?;
    Ok(is_ours.then_some(Settled { disabled: (fell == Some(true)).then_some(reason) }))
}

pub(super) async fn page(
    session: &Session,
    user: UserId,
    webhook: WebhookId,
    page: PageRequest,
) -> Result<Option<DeliveryPage>, Fault> {
    let skip = i64::from(page.page.saturating_sub(1)) * i64::from(page.page_size);
    let (id, user, size) = (&webhook.uuid(), &user.uuid(), &i64::from(page.page_size));
    let mut flight = session.flight();
    let webhook = flight.add(endpoints::FIND, &[id, user]);
    let total = flight.add(COUNT, &[id]);
    let items = flight.add(PAGE, &[id, size, &skip]);
    let mut answers = flight.send().await?;
    if answers.take(webhook).first().is_none() {
        return Ok(None);
    }
    let total = answers.take(total).first().map_or(Ok(0), |row| count(row, "total"))?;
    let items = answers.take(items).rows.iter().map(read).collect::<Result<_, _>>()?;
    Ok(Some(DeliveryPage { total, items }))
}

pub(super) async fn resend(
    session: &Session,
    user: UserId,
    webhook: WebhookId,
    notification: NotificationId,
    now: Timestamp,
) -> Result<Resent, Fault> {
    let (id, user, notification) = (&webhook.uuid(), &user.uuid(), &notification.uuid());
    let mut flight = session.flight();
    flight.begin();
    flight.add(users::LOCK, &[user]);
    let resent = flight.add(RESEND, &[id, notification, user, &now]);
    let found = flight.add(endpoints::FIND, &[id, user]);
    flight.commit();
    let mut answers = flight.send().await?;
    if let Some(row) = answers.take(resent).first() {
        return Ok(Resent::Due(read(row)?));
    }
    let found = answers.take(found).first().map(endpoints::read).transpose()?;
    let is_disabled = found.is_some_and(|webhook| webhook.disabled.is_some());
    Ok(if is_disabled { Resent::Disabled } else { Resent::Unknown })
}

fn read(row: &Row) -> Result<WebhookDelivery, Fault> {
    let log = serde_json::from_str(get(row, "log")?);
    Ok(WebhookDelivery {
        notification: NotificationId::new(get(row, "notification_id")?),
        state: word(row, "state")?,
        attempts: small(row, "attempts")?,
        next_attempt_at: get(row, "next_attempt_at")?,
        created_at: get(row, "created_at")?,
        log: log.map_err(|error| StoreError::Corrupt(format!("the column log can't be read: {error}")))?,
    })
}
