//! What webhooks and deliveries look like.

use ecs_domain::{NotificationId, Timestamp, WebhookId};
use ecs_store::{DeliveryState, DisabledBy, Webhook, WebhookDelivery};
use ecs_web::openapi::{Id, Instant, one_of};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};

/// A webhook.
#[derive(Serialize, ToSchema)]
#[schema(as = Webhook, examples(json!({
    "id": "0198c1f2-7c3a-7d51-9e0b-5f6a7b8c9d0e", "url": "https://hooks.example/ecs", "enabled": true,
    "disabled_reason": null, "disabled_at": null, "failing_since": null, "previous_secret_until": null,
    "created_at": "2026-11-20T14:30:00Z"
})))]
pub(super) struct WebhookView {
    /// Its id.
    #[schema(value_type = Id)]
    id: WebhookId,
    /// Where notifications are sent to.
    #[schema(value_type = String, format = "uri")]
    url: String,
    /// Whether anything is sent there.
    enabled: bool,
    /// Why nothing is: `user` wanted it, the receiver is `gone` (it answered 410), or it was `failing` for five days.
    #[schema(required, schema_with = reasons)]
    disabled_reason: Option<&'static str>,
    /// Since when nothing is.
    #[schema(required, value_type = Option<Instant>)]
    disabled_at: Option<Timestamp>,
    /// Since when every attempt has failed; null after one that didn't.
    #[schema(required, value_type = Option<Instant>)]
    failing_since: Option<Timestamp>,
    /// Until when the secret before the last change signs, too.
    #[schema(required, value_type = Option<Instant>)]
    previous_secret_until: Option<Timestamp>,
    /// When it was added.
    #[schema(value_type = Instant)]
    created_at: Timestamp,
}

fn reasons() -> ObjectBuilder {
    let words = DisabledBy::ALL.map(DisabledBy::as_str);
    one_of(words)
        .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
        .enum_values(Some(words.map(serde_json::Value::from).into_iter().chain([serde_json::Value::Null])))
        .description(Some(
            "Why nothing is sent: its `user` wanted it, the receiver is `gone` (it answered 410), or it was `failing` \
             for five days. Null while it is enabled.",
        ))
}

impl From<Webhook> for WebhookView {
    fn from(webhook: Webhook) -> Self {
        Self {
            id: webhook.id,
            url: webhook.at.url,
            enabled: webhook.disabled.is_none(),
            disabled_reason: webhook.disabled.map(|(_, reason)| reason.as_str()),
            disabled_at: webhook.disabled.map(|(at, _)| at),
            failing_since: webhook.failing_since,
            previous_secret_until: webhook.secrets.previous.map(|(_, until)| until),
            created_at: webhook.created_at,
        }
    }
}

/// A user's webhooks.
#[derive(Serialize, ToSchema)]
#[schema(as = Webhooks, examples(json!({"items": [{
    "id": "0198c1f2-7c3a-7d51-9e0b-5f6a7b8c9d0e", "url": "https://hooks.example/ecs", "enabled": true,
    "disabled_reason": null, "disabled_at": null, "failing_since": null, "previous_secret_until": null,
    "created_at": "2026-11-20T14:30:00Z"
}]})))]
pub(super) struct WebhookList {
    /// The oldest first; there are five at most.
    pub(super) items: Vec<WebhookView>,
}

/// A webhook with its secret, which is told this once.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookWithSecret, examples(json!({
    "webhook": {
        "id": "0198c1f2-7c3a-7d51-9e0b-5f6a7b8c9d0e", "url": "https://hooks.example/ecs", "enabled": true,
        "disabled_reason": null, "disabled_at": null, "failing_since": null, "previous_secret_until": null,
        "created_at": "2026-11-20T14:30:00Z"
    },
    "secret": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDAAAAAAAAAAA="
})))]
pub(super) struct WithSecret {
    /// The webhook.
    pub(super) webhook: WebhookView,
    /// What its deliveries are signed with. Nobody can read it again.
    #[schema(pattern = "^whsec_[A-Za-z0-9+/]+=*$")]
    pub(super) secret: String,
}

/// A delivery.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookDelivery, examples(json!({
    "id": "5b3f1c52-8f0e-5c5b-9b43-0a4a6d1f2e77", "state": "delivered", "attempts": 2, "next_attempt_at": null,
    "created_at": "2026-11-20T14:30:00Z",
    "log": [
        {"number": 1, "at": "2026-11-20T14:30:15Z", "status": null, "error": "timeout", "duration_ms": 15000},
        {"number": 2, "at": "2026-11-20T14:30:21Z", "status": 204, "error": null, "duration_ms": 85}
    ]
})))]
pub(super) struct DeliveryView {
    /// Its id within the webhook: that of the notification, and the `webhook-id` of every attempt.
    #[schema(value_type = Id)]
    id: NotificationId,
    /// What became of it so far.
    #[schema(schema_with = states)]
    state: &'static str,
    /// How many attempts were begun.
    attempts: u32,
    /// When the next one is due; null when there is none to come.
    #[schema(required, value_type = Option<Instant>)]
    next_attempt_at: Option<Timestamp>,
    /// When it was made.
    #[schema(value_type = Instant)]
    created_at: Timestamp,
    /// The newest attempts that came to an end, the oldest of them first; at most 20.
    log: Vec<AttemptView>,
}

fn states() -> ObjectBuilder {
    one_of(DeliveryState::ALL.map(DeliveryState::as_str)).description(Some("What became of it so far."))
}

/// An attempt.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookAttempt)]
struct AttemptView {
    /// Its number. One that is missing ended with the process that made it.
    number: u32,
    /// When it ended.
    #[schema(value_type = Instant)]
    at: Timestamp,
    /// The status of the answer; null when there was none.
    #[schema(required)]
    status: Option<u16>,
    /// Why it failed, in a word: `status`, `no-address`, `connect`, `tls`, `broken`, `timeout` or `internal`. Null when it didn't.
    #[schema(required)]
    error: Option<String>,
    /// How long it took, in milliseconds.
    duration_ms: u32,
}

impl From<WebhookDelivery> for DeliveryView {
    fn from(delivery: WebhookDelivery) -> Self {
        let log = delivery.log.into_iter().map(|attempt| AttemptView {
            number: attempt.number,
            at: attempt.at,
            status: attempt.status,
            error: attempt.error,
            duration_ms: attempt.millis,
        });
        Self {
            id: delivery.notification,
            state: delivery.state.as_str(),
            attempts: delivery.attempts,
            next_attempt_at: delivery.next_attempt_at,
            created_at: delivery.created_at,
            log: log.collect(),
        }
    }
}

/// A page of deliveries.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookDeliveryPage, examples(json!({
    "total": 1, "page": 1, "page_size": 10,
    "items": [{
        "id": "5b3f1c52-8f0e-5c5b-9b43-0a4a6d1f2e77", "state": "pending", "attempts": 1,
        "next_attempt_at": "2026-11-20T14:30:21Z", "created_at": "2026-11-20T14:30:00Z",
        "log": [{"number": 1, "at": "2026-11-20T14:30:15Z", "status": 500, "error": "status", "duration_ms": 42}]
    }]
})))]
pub(super) struct Deliveries {
    /// How many there are in all.
    pub(super) total: u64,
    /// Which page this is, from 1.
    pub(super) page: u32,
    /// How many items a page has.
    pub(super) page_size: u32,
    /// The deliveries of this page, the newest first.
    pub(super) items: Vec<DeliveryView>,
}
