//! A platform for tests that answers as the contract says, fails when told to, and remembers what it took.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use ecs_domain::{EventId, UserId};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use uuid::Uuid;

use crate::{Client, Credentials};

/// What the next answers are to be instead of the usual ones.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Trouble {
    /// 503, asking to come back after so many seconds.
    Busy(u64),
    /// The event is taken, and the connection breaks before the answer.
    TakenButBroken,
    /// This status, with a problem body.
    Status(u16),
    /// 409, asking to come back at once: an earlier attempt is being worked on.
    UnderWay,
    /// Something that is no JSON.
    Garbage,
    /// Of an upload, every so manieth line is rejected for the moment; a single event is taken.
    Lines(usize),
    /// Of an upload, every so manieth line is rejected for good; a single event is taken.
    BadLines(usize),
    /// Of an upload, so many lines are read; a single event is taken.
    CutOff(usize),
}

#[derive(Default)]
pub(crate) struct Memory {
    /// Bodies of the events taken, by event id; a repeated id is taken once.
    pub(crate) events: HashMap<EventId, Value>,
    /// Requests that brought an event, taken or not.
    pub(crate) requests: u64,
    /// External ids and their users.
    pub(crate) users: HashMap<String, UserId>,
    pub(crate) troubles: VecDeque<Trouble>,
    pub(crate) offers: HashMap<UserId, Uuid>,
    /// What the next acceptances are answered instead.
    pub(crate) acceptance_troubles: VecDeque<Trouble>,
    /// The `Idempotency-Key` of each acceptance.
    pub(crate) keys: Vec<String>,
}

/// A running stub.
pub(crate) struct Stub {
    pub(crate) memory: Arc<Mutex<Memory>>,
    pub(crate) client: Client,
}

impl Stub {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let memory = Arc::new(Mutex::new(Memory::default()));
        let routes = Router::new()
            .route("/v1/emotions/stream", post(emotion))
            .route("/v1/transactions", post(transaction))
            .route("/v1/users", post(provision))
            .route("/v1/users/{user}/credit-analysis", post(analyse))
            .route("/v1/credit-offers/{offer}/accept", post(accept))
            .route("/v1/users/{user}/notifications", get(notifications))
            .route("/v1/operations/books/fates", post(fates))
            .route("/v1/operations/books/counted", get(counted))
            .with_state(Arc::clone(&memory));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        let credentials =
            Credentials { internal_key: Some("key".to_owned()), token: Some("token".to_owned()) };
        Self { memory, client: Client::new(&base, &credentials).unwrap() }
    }

    pub(crate) fn trouble(&self, troubles: impl IntoIterator<Item = Trouble>) {
        self.memory.lock().unwrap().troubles.extend(troubles);
    }
}

type Shared = State<Arc<Mutex<Memory>>>;

async fn emotion(State(memory): Shared, headers: HeaderMap, body: Bytes) -> Response {
    if headers.get("x-internal-key").is_none_or(|key| key != "key") {
        return problem(401, "the internal key is missing or wrong");
    }
    if headers.get("content-type").is_some_and(|kind| kind == "application/x-ndjson") {
        return take_lines(&memory, &body);
    }
    take(&memory, &body, "eventId")
}

fn take_lines(memory: &Mutex<Memory>, body: &[u8]) -> Response {
    let mut memory = memory.lock().unwrap();
    memory.requests += 1;
    let trouble = memory.troubles.pop_front();
    let (mut accepted, mut rejected) = (0, Vec::new());
    for (number, line) in (1_usize..).zip(body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty())) {
        let reject = |retryable: bool| json!({"line": number, "detail": "told to", "retryable": retryable});
        match trouble {
            Some(Trouble::Lines(every)) if number % every == 0 => rejected.push(reject(true)),
            Some(Trouble::BadLines(every)) if number % every == 0 => rejected.push(reject(false)),
            Some(Trouble::CutOff(read)) if number > read => {
                rejected.push(reject(true));
                break;
            }
            Some(Trouble::Busy(_) | Trouble::Status(_)) => break,
            _ => {
                let line: Value = serde_json::from_slice(line).unwrap();
                let user: UserId = line["userId"].as_str().unwrap().parse().unwrap();
                memory.events.insert(EventId::derive(user, line["eventId"].as_str().unwrap()), line);
                accepted += 1;
            }
        }
    }
    let answer = json!({"accepted": accepted, "rejectedTotal": rejected.len(), "rejected": rejected});
    answered(trouble, &answer)
}

async fn transaction(State(memory): Shared, headers: HeaderMap, body: Bytes) -> Response {
    if headers.get("authorization").is_none_or(|token| token != "Bearer token") {
        return problem(401, "the token is missing or wrong");
    }
    take(&memory, &body, "transactionId")
}

fn take(memory: &Mutex<Memory>, body: &[u8], id_field: &str) -> Response {
    let mut memory = memory.lock().unwrap();
    memory.requests += 1;
    let body: Value = serde_json::from_slice(body).unwrap();
    let user: UserId = body["userId"].as_str().unwrap().parse().unwrap();
    let id =
        body[id_field].as_str().map_or_else(|| EventId::new(Uuid::now_v7()), |id| EventId::derive(user, id));
    let trouble = memory.troubles.pop_front();
    if !matches!(trouble, Some(Trouble::Busy(_) | Trouble::Status(_) | Trouble::Garbage)) {
        memory.events.insert(id, body);
    }
    answered(trouble, &json!({"status": "event received", "traceId": "0".repeat(32), id_field: id}))
}

/// The usual answer, unless there is to be another one.
fn answered(trouble: Option<Trouble>, usual: &Value) -> Response {
    match trouble {
        None | Some(Trouble::Lines(_) | Trouble::BadLines(_) | Trouble::CutOff(_)) => {
            (StatusCode::ACCEPTED, usual.to_string()).into_response()
        }
        Some(Trouble::Busy(seconds)) => {
            (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", seconds.to_string())]).into_response()
        }
        Some(Trouble::UnderWay) => (StatusCode::CONFLICT, [("retry-after", "0")]).into_response(),
        Some(Trouble::TakenButBroken) => {
            let broken = futures::stream::once(async { Err::<Bytes, _>(std::io::Error::other("gone")) });
            axum::body::Body::from_stream(broken).into_response()
        }
        Some(Trouble::Status(status)) => problem(status, "told to"),
        Some(Trouble::Garbage) => (StatusCode::ACCEPTED, "<html>").into_response(),
    }
}

async fn provision(State(memory): Shared, body: Bytes) -> Response {
    let body: Value = serde_json::from_slice(&body).unwrap();
    let external_id = body["externalId"].as_str().unwrap().to_owned();
    let mut memory = memory.lock().unwrap();
    let known = memory.users.get(&external_id).copied();
    let user = known.unwrap_or_else(|| UserId::new(Uuid::now_v7()));
    memory.users.insert(external_id, user);
    let status = if known.is_some() { StatusCode::OK } else { StatusCode::CREATED };
    (status, json!({"id": user, "created_at": "2026-11-21T10:00:00Z"}).to_string()).into_response()
}

async fn analyse(State(memory): Shared, Path(user): Path<UserId>) -> String {
    let offer = Uuid::now_v7();
    memory.lock().unwrap().offers.insert(user, offer);
    let terms = r#""credit_limit":1000.00,"interest_rate":14.25,"credit_type":"SHORT_TERM","expires_at":"2026-11-28T10:00:00Z""#;
    format!(
        r#"{{"user_id":"{user}","approved":true,"ml_risk_score":0.25,"reason":null,"offer":{{"offer_id":"{offer}",{terms}}}}}"#
    )
}

async fn accept(State(memory): Shared, Path(_): Path<Uuid>, headers: HeaderMap) -> Response {
    let mut memory = memory.lock().unwrap();
    memory.keys.push(headers["idempotency-key"].to_str().unwrap().to_owned());
    let trouble = memory.acceptance_troubles.pop_front();
    answered(trouble, &json!({"status": "offer acceptance is being processed"}))
}

async fn notifications(State(memory): Shared, Path(user): Path<UserId>) -> String {
    let offer = memory.lock().unwrap().offers.get(&user).copied();
    let items: Vec<Value> = offer
        .map(|offer| {
            json!({"notification_id": Uuid::nil(), "type": "CREDIT_LIMIT_APPLIED", "title": "t", "message": "m",
                   "offer_id": offer, "created_at": "2026-11-21T10:00:00Z"})
        })
        .into_iter()
        .collect();
    json!({"total": items.len(), "page": 1, "page_size": 20, "items": items}).to_string()
}

/// The stub counts what it takes at once.
async fn fates(State(memory): Shared, body: Bytes) -> String {
    let query: Value = serde_json::from_slice(&body).unwrap();
    let memory = memory.lock().unwrap();
    let fates: Vec<&str> = query["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| {
            let id: EventId = key["eventId"].as_str().unwrap().parse().unwrap();
            if memory.events.contains_key(&id) { "counted" } else { "unknown" }
        })
        .collect();
    json!({"fates": fates}).to_string()
}

/// All on one page, and nothing after it.
async fn counted(
    State(memory): Shared,
    axum::extract::Query(query): axum::extract::Query<HashMap<String, String>>,
) -> String {
    let memory = memory.lock().unwrap();
    let time_field = if query["ledger"] == "emotions" { "timestamp" } else { "occurredAt" };
    let of_ledger = memory.events.iter().filter(|(_, body)| body.get(time_field).is_some());
    let events: Vec<Value> = of_ledger
        .filter(|_| !query.contains_key("after_id"))
        .map(|(id, body)| {
            let day = body[time_field].as_str().unwrap().get(..10).unwrap();
            json!({"userId": body["userId"], "eventId": id, "day": day, "arrivedAt": "2026-11-21T10:00:00Z"})
        })
        .collect();
    json!({"events": events}).to_string()
}

fn problem(status: u16, detail: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap();
    let body =
        json!({"title": "refused", "detail": detail, "errors": [{"field": "amount", "message": "is odd"}]});
    (status, [("content-type", "application/problem+json")], body.to_string()).into_response()
}
