//! `POST /v1/operations/books/fates`: what became of each of these events.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use ecs_domain::permission::held::OperationsRead;
use ecs_domain::{Day, EventId, UserId, Violations};
use ecs_store::{EventKey, Fate, Ledger};
use ecs_web::Problem;
use ecs_web::auth::policy::Holding;
use ecs_web::body::{self, Object};
use ecs_web::openapi::{one_of, tag};
use ecs_work::books;
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder};

use crate::{Reading, problem};

/// How many events one call may ask for.
const MAX_KEYS: usize = 10_000;
/// Room for that many keys, with spaces.
const MAX_BYTES: usize = 2 * 1024 * 1024;

/// Which events.
#[derive(Deserialize, ToSchema)]
#[schema(as = FatesQuestion, examples(json!({
    "ledger": "emotions",
    "keys": [{
        "userId": "0198c1f2-7c3a-7d51-9e0b-5f6a7b8c9d0e", "eventId": "7c9e6679-7425-5de9-944b-e07fc1f90ae7",
        "day": "2026-11-20"
    }]
})))]
pub(crate) struct Question {
    /// Emotion events or transactions.
    #[schema(required, schema_with = ledgers)]
    ledger: Option<String>,
    /// The events.
    #[schema(value_type = Vec<Key>, max_items = 10_000)]
    keys: Option<Vec<Object<Key>>>,
}

/// What makes two events the same.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = EventKey)]
struct Key {
    /// Whose event it is.
    #[schema(value_type = ecs_web::openapi::Id)]
    user_id: UserId,
    /// Its id.
    #[schema(value_type = ecs_web::openapi::Id)]
    event_id: EventId,
    /// The UTC day on which it happened. Not looked at for transactions.
    #[schema(value_type = ecs_web::openapi::Day)]
    day: Day,
}

/// What became of the events, in the order of their keys.
#[derive(Serialize, ToSchema)]
#[schema(examples(json!({"fates": ["counted"]})))]
pub(crate) struct Fates {
    /// Counted, discarded for lack of consent, dead-lettered, erased with whoever it was about, pending (replayed and on its way
    /// again), or unknown: on its way for the first time, or never accepted.
    #[schema(schema_with = fate_list)]
    fates: Vec<&'static str>,
}

fn ledgers() -> ObjectBuilder {
    one_of(["emotions", "transactions"]).description(Some("Emotion events or transactions."))
}

fn fate_list() -> ArrayBuilder {
    let fates = one_of(["counted", "discarded", "dead_lettered", "erased", "pending", "unknown"]);
    ArrayBuilder::new().items(fates).description(Some(
        "Counted, discarded for lack of consent, dead-lettered, erased with whoever it was about, pending (replayed and on its way \
         again), or unknown: on its way for the first time, or never accepted.",
    ))
}

/// Ask for fates
///
/// What became of up to 10,000 events.
#[utoipa::path(
    post, path = "/v1/operations/books/fates", operation_id = "askFates", tag = tag::OPERATIONS,
    request_body = Question,
    responses(
        (status = OK, description = "Their fates.", body = Fates),
    ),
)]
pub(crate) async fn fates(
    _: Holding<OperationsRead>,
    State(reading): State<Reading>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Fates>, Problem> {
    if !body::has_media_type(&headers, body::JSON) {
        return Err(Problem::unsupported_media_type("the content type must be application/json"));
    }
    body::refuse_encoded(&headers)?;
    let bytes = body::collect(body, MAX_BYTES).await?;
    let (ledger, keys) = body::parse::<Question>(&bytes)?.read()?;
    let fates = reading.books().fates(ledger, &keys).await.map_err(|error| problem::of_store(&error))?;
    Ok(Json(Fates { fates: fates.into_iter().map(name).collect() }))
}

impl Question {
    fn read(self) -> Result<(Ledger, Vec<EventKey>), Violations> {
        let mut violations = Violations::none();
        let ledger = ledger(&mut violations, self.ledger);
        let keys = violations.require("keys", self.keys);
        if keys.as_ref().is_some_and(|keys| keys.len() > MAX_KEYS) {
            violations.push("keys", format!("must be at most {MAX_KEYS}"));
        }
        match (ledger, keys) {
            (Some(ledger), Some(keys)) if violations.is_empty() => {
                Ok((ledger, keys.into_iter().map(|Object(key)| key.into()).collect()))
            }
            _ => Err(violations),
        }
    }
}

/// The ledger that is named, or `None` after noting what is wrong with the name.
pub(crate) fn ledger(violations: &mut Violations, name: Option<String>) -> Option<Ledger> {
    let name = violations.require("ledger", name)?;
    violations.check("ledger", books::parse_ledger(&name).ok_or("must be emotions or transactions".into()))
}

impl From<Key> for EventKey {
    fn from(Key { user_id, event_id, day }: Key) -> Self {
        Self { day, user: user_id, id: event_id }
    }
}

fn name(fate: Fate) -> &'static str {
    match fate {
        Fate::Counted => "counted",
        Fate::Discarded => "discarded",
        Fate::DeadLettered => "dead_lettered",
        Fate::Erased => "erased",
        Fate::Replayed { .. } => "pending",
        Fate::Unknown => "unknown",
    }
}
