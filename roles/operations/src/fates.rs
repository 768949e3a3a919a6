//! `POST /v1/operations/books/fates`: what became of each of these events.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use ecs_domain::permission::Permission;
use ecs_domain::{Day, EventId, UserId, Violations};
use ecs_store::{EventKey, Fate, Ledger};
use ecs_web::body::{self, Object};
use ecs_web::{Identity, Problem};
use ecs_work::books;
use http::HeaderMap;
use serde::{Deserialize, Serialize};

use crate::{Reading, problem};

/// How many events one call may ask for.
const MAX_KEYS: usize = 10_000;
/// Room for that many keys, with spaces.
const MAX_BYTES: usize = 2 * 1024 * 1024;

#[derive(Deserialize)]
struct Question {
    ledger: Option<String>,
    keys: Option<Vec<Object<Key>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Key {
    user_id: UserId,
    event_id: EventId,
    day: Day,
}

/// In the order of the keys.
#[derive(Serialize)]
pub(crate) struct Fates {
    fates: Vec<&'static str>,
}

pub(crate) async fn fates(
    State(reading): State<Reading>,
    identity: Identity,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Fates>, Problem> {
    identity.require(Permission::OperationsRead)?;
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
        Fate::Replayed { .. } => "pending",
        Fate::Unknown => "unknown",
    }
}
