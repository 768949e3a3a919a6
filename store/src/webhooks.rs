//! Webhooks: where notifications are sent to, and what became of sending them.

use std::time::Duration;

use async_trait::async_trait;
use ecs_domain::notification::Notification;
use ecs_domain::{NotificationId, Timestamp, UserId, WebhookId};
use serde::{Deserialize, Serialize};

use crate::{PageRequest, StoreError};

/// How many attempts of a delivery are remembered; of one with more, the newest.
pub const ATTEMPTS_KEPT: usize = 20;

/// The addresses that users named, and a delivery for each notification to each of them.
///
/// **A delivery is made in the transaction that keeps its notification** ([`Notifications::add_notifications`]), one for every webhook
/// of the user that is enabled then. So none is lost, and a notification that the bus brings again makes no second one. Whoever
/// adds or removes a webhook MUST come before or after such a transaction of its user, never in between.
///
/// **One process at a time attempts a delivery.** A claim lasts until its lease ends; who holds one settles it with the number of the
/// attempt, and an engine MUST ignore a settlement under any other number, for that attempt was taken for dead and another was begun.
/// So a process that dies between the two leaves a delivery that is attempted again.
///
/// [`Notifications::add_notifications`]: crate::Notifications::add_notifications
#[async_trait]
pub trait Webhooks: Send + Sync + 'static {
    /// Adds a webhook, unless its user has `most` already or isn't there. Of several at the same time, no more are added.
    async fn add_webhook(&self, webhook: NewWebhook, most: usize) -> Result<AddedWebhook, StoreError>;

    /// The user's webhooks, the oldest first.
    async fn webhooks(&self, user: UserId) -> Result<Vec<Webhook>, StoreError>;

    /// One webhook. `None` when it isn't this user's.
    async fn webhook(&self, user: UserId, id: WebhookId) -> Result<Option<Webhook>, StoreError>;

    /// Changes a webhook. One that is disabled by this gives its pending deliveries up; one that is enabled starts without a history
    /// of failures, and what it missed meanwhile is not made up for. `None` when it isn't this user's.
    async fn change_webhook(&self, change: WebhookChange) -> Result<Option<Webhook>, StoreError>;

    /// Gives a webhook another secret. The one that it had holds beside it until `previous_until`, the one before that no longer. `None`
    /// when the webhook isn't this user's.
    async fn rotate_webhook(&self, rotation: WebhookRotation) -> Result<Option<Webhook>, StoreError>;

    /// Removes a webhook with its deliveries. Returns whether it was there.
    async fn remove_webhook(&self, user: UserId, id: WebhookId) -> Result<bool, StoreError>;

    /// Claims pending deliveries that are due, the longest due first. A claim begins an attempt: it counts, whatever becomes of it.
    async fn claim_deliveries(&self, claim: DeliveryClaim) -> Result<Vec<DueDelivery>, StoreError>;

    /// Notes what became of an attempt. Returns `None`, and changes nothing, when the delivery is no longer under it.
    ///
    /// A failure when the webhook has failed ever since before `failing_floor` disables it, and so does [`DeliveryFate::Gone`]; its other pending
    /// deliveries are given up. A success ends a row of failures.
    async fn settle_delivery(&self, settlement: Settlement) -> Result<Option<Settled>, StoreError>;

    /// A webhook's deliveries, the newest first. `None` when it isn't this user's.
    async fn deliveries(
        &self,
        user: UserId,
        id: WebhookId,
        page: PageRequest,
    ) -> Result<Option<DeliveryPage>, StoreError>;

    /// Makes a delivery due now, with a schedule that begins anew unless it was pending anyway. One that is being attempted
    /// stays as it is.
    async fn resend_delivery(
        &self,
        user: UserId,
        id: WebhookId,
        notification: NotificationId,
        now: Timestamp,
    ) -> Result<Resent, StoreError>;

    /// Forgets up to `most` deliveries that were made before `since` and are not pending. Returns how many went.
    async fn forget_deliveries(&self, since: Timestamp, most: usize) -> Result<u64, StoreError>;

    /// Up to `most` webhooks with a secret that doesn't begin with `seal`: sealed under a key that is about to be forgotten.
    async fn webhooks_sealed_otherwise(&self, seal: &[u8], most: usize) -> Result<Vec<Webhook>, StoreError>;

    /// Replaces a webhook's secrets by the same ones under another seal, while they are those that were read. Returns whether they were.
    async fn reseal_webhook(
        &self,
        id: WebhookId,
        from: &SealedSecrets,
        to: &SealedSecrets,
    ) -> Result<bool, StoreError>;
}

/// A webhook to be added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewWebhook {
    /// Its id.
    pub id: WebhookId,
    /// Whose it is.
    pub user: UserId,
    /// Where it goes.
    pub at: WebhookAddress,
    /// Its secret, sealed.
    pub secret: Vec<u8>,
    /// The time of the request.
    pub now: Timestamp,
}

/// Where a webhook goes.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookAddress {
    /// The address.
    pub url: String,
    /// The host in it: attempts at one host share a limit.
    pub host: String,
}

/// Path and query may hold what opens the receiver.
impl std::fmt::Debug for WebhookAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebhookAddress").field("host", &self.host).finish_non_exhaustive()
    }
}

/// What came of adding a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AddedWebhook {
    /// It is there.
    Added(Box<Webhook>),
    /// The user has as many as one may have.
    TooMany,
    /// Nobody has this id.
    UnknownUser,
}

/// A webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Its id.
    pub id: WebhookId,
    /// Whose it is.
    pub user: UserId,
    /// Where it goes.
    pub at: WebhookAddress,
    /// What it is signed with.
    pub secrets: SealedSecrets,
    /// When it was added.
    pub created_at: Timestamp,
    /// Since when every attempt has failed; `None` after one that didn't.
    pub failing_since: Option<Timestamp>,
    /// Since when nothing is sent there, and why; `None` while it is enabled.
    pub disabled: Option<(Timestamp, DisabledBy)>,
}

/// A webhook's secrets. What they are is sealed, and the store has no key to it.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedSecrets {
    /// The one that holds.
    pub current: Vec<u8>,
    /// The one before it, and until when that holds, too.
    pub previous: Option<(Vec<u8>, Timestamp)>,
}

impl std::fmt::Debug for SealedSecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealedSecrets(…)")
    }
}

/// Who or what disabled a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DisabledBy {
    /// Its user.
    User,
    /// Its receiver, which answered 410.
    Gone,
    /// A row of failures that lasted for days.
    Failing,
}

impl DisabledBy {
    /// Every reason there is.
    pub const ALL: [Self; 3] = [Self::User, Self::Gone, Self::Failing];

    /// Its word in tables and answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Gone => "gone",
            Self::Failing => "failing",
        }
    }
}

impl std::str::FromStr for DisabledBy {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == word).ok_or(())
    }
}

/// A change of a webhook; what is `None` stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookChange {
    /// Which webhook.
    pub id: WebhookId,
    /// Whose it is.
    pub user: UserId,
    /// Where it goes from now on, its pending deliveries included.
    pub at: Option<WebhookAddress>,
    /// Whether anything is sent there.
    pub enabled: Option<bool>,
    /// The time of the request.
    pub now: Timestamp,
}

/// Another secret for a webhook.
// It has no `Debug`: what is sealed is nobody's business either.
#[derive(Clone)]
pub struct WebhookRotation {
    /// Which webhook.
    pub id: WebhookId,
    /// Whose it is.
    pub user: UserId,
    /// The new secret, sealed.
    pub secret: Vec<u8>,
    /// Until when the one before it holds, too.
    pub previous_until: Timestamp,
}

/// A claim on deliveries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryClaim {
    /// The time of the claim.
    pub now: Timestamp,
    /// After which a claim that wasn't settled ends.
    pub lease: Duration,
    /// How many at most.
    pub most: usize,
    /// How many for one host at most.
    pub most_per_host: usize,
    /// Hosts that nothing is claimed for: as many attempts as may be are under way there.
    pub busy_hosts: Vec<String>,
}

/// A delivery that was claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueDelivery {
    /// Where it goes.
    pub webhook: Webhook,
    /// What is told.
    pub notification: Notification,
    /// The number of this attempt, among all that there ever were.
    pub attempt: u32,
    /// The number of this try, counted from when the delivery was made or resent, from 1: its place in the schedule.
    pub tries: u32,
}

/// An attempt, as it is remembered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Its number.
    pub number: u32,
    /// When it ended.
    pub at: Timestamp,
    /// The status of the answer, when there was one.
    pub status: Option<u16>,
    /// Why it failed, in a word; `None` when it didn't.
    pub error: Option<String>,
    /// How long it took, in milliseconds.
    pub millis: u32,
}

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// The webhook.
    pub webhook: WebhookId,
    /// Whose it is.
    pub user: UserId,
    /// The notification.
    pub notification: NotificationId,
    /// The attempt.
    pub attempt: Attempt,
    /// What is to become of the delivery.
    pub fate: DeliveryFate,
    /// A webhook that has failed since before this is disabled.
    pub failing_floor: Timestamp,
}

/// What is to become of a delivery after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryFate {
    /// It has arrived.
    Delivered,
    /// It is tried again then.
    Retry(Timestamp),
    /// It failed for good.
    Failed,
    /// It failed for good, and its receiver wants no other.
    Gone,
}

/// What a settlement did beside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settled {
    /// Why the webhook was disabled by it.
    pub disabled: Option<DisabledBy>,
}

/// A delivery's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryState {
    /// It is to be attempted.
    Pending,
    /// It arrived.
    Delivered,
    /// It was given up.
    Failed,
}

impl DeliveryState {
    /// Every state there is.
    pub const ALL: [Self; 3] = [Self::Pending, Self::Delivered, Self::Failed];

    /// Its word in tables and answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }
}

impl std::str::FromStr for DeliveryState {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|state| state.as_str() == word).ok_or(())
    }
}

/// A delivery as its user reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookDelivery {
    /// The notification, whose id names the delivery within its webhook.
    pub notification: NotificationId,
    /// What became of it so far.
    pub state: DeliveryState,
    /// How many attempts were begun.
    pub attempts: u32,
    /// When the next one is due, while it is pending.
    pub next_attempt_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// The attempts that came to an end, the oldest first; at most [`ATTEMPTS_KEPT`].
    pub log: Vec<Attempt>,
}

/// A page of deliveries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryPage {
    /// How many there are in all.
    pub total: u64,
    /// The page's deliveries.
    pub items: Vec<WebhookDelivery>,
}

/// What came of resending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resent {
    /// The delivery is due, or being attempted.
    Due(WebhookDelivery),
    /// Nothing is sent to this webhook.
    Disabled,
    /// The user has no such webhook, or the webhook no such delivery.
    Unknown,
}
