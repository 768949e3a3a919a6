//! `GET /v1/users/{user_id}/notifications/stream`: what the customer is told, as it comes, over server-sent events.
//!
//! A notification is a row first, and a stream follows the rows: never what this instance happened to consume. So every
//! instance over the same store says the same, and a client that comes back to another one, with the number of the last
//! notification it has, gets each one after it once.
//!
//! - [`tail`] looks for new rows, once for all streams of this instance.
//! - [`seats`] knows who has a stream open, bounds how many there are, and passes on what the tail has found.
//! - [`feed`] is one stream: it reads a page when its client has taken the one before, so it holds one page at most.

mod feed;
mod frame;
mod seats;
mod start;
mod tail;
#[cfg(test)]
mod tests;

use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use ecs_domain::UserId;
use ecs_domain::permission::held::UsersReadAny;
use ecs_store::Notifications;
use ecs_web::Problem;
use ecs_web::auth::policy::Own;
use ecs_web::openapi::{UserPath, tag};
use http::HeaderName;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};

pub(crate) use self::seats::Seats;
#[doc(hidden)]
pub use self::start::begins_behind;
pub(crate) use self::tail::Tail;

use self::feed::Feed;
use self::seats::Full;
use self::start::Start;
use crate::Serving;
use crate::item::problem;

/// How streams behave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamOptions {
    /// How long a stream may be silent. A client that hears nothing for longer has lost its connection, and a client
    /// that is gone is noticed at the next heartbeat.
    pub heartbeat: Duration,
    /// How often new rows are looked for while anybody waits for them. Rows that this instance kept wake the tail at once.
    pub poll: Duration,
    /// How many notifications a stream reads at a time.
    pub page: usize,
    /// How many streams this instance serves at once: each holds a connection.
    pub max_streams: usize,
    /// How many streams of the same user one token's user may have open at this instance.
    pub max_streams_of_one: usize,
}

impl Default for StreamOptions {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_secs(15),
            poll: Duration::from_millis(250),
            page: 50,
            max_streams: 5_000,
            max_streams_of_one: 8,
        }
    }
}

/// Follow notifications
///
/// Server-sent events, for as long as the token holds: each notification as it is kept, in the order of its numbers,
/// without a gap and without a repetition. Customers follow their own; those with `users:read-any` follow everybody's.
///
/// - `event: notification` has the number as its `id` and the list's item as its `data`.
/// - `event: end` is the last one; its `data` says why: `{"reason":"stopping"}`, come back, or `{"reason":"expired"}`,
///   come back with a new token.
/// - A comment comes every 15 seconds in which nothing else does. Who hears nothing for longer has lost the connection.
///
/// Who comes back says in `Last-Event-ID` which number came last, to whichever instance. At most 8 streams of a customer
/// may be open with the tokens of one user; one more is answered with 503.
#[utoipa::path(
    get, path = "/v1/users/{user_id}/notifications/stream", operation_id = "followNotifications",
    tag = tag::NOTIFICATIONS,
    params(
        UserPath,
        ("Last-Event-ID" = Option<u64>, Header, description = "Go on behind this number. It comes before `after`."),
        ("after" = Option<u64>, Query, description = "Begin behind this number: with 0 at the first notification \
            there is. Without it, a stream tells what comes from now on."),
    ),
    responses(
        (status = OK, description = "The stream.", body = String, content_type = "text/event-stream", example = json!(EXAMPLE)),
    ),
)]
pub(crate) async fn open(
    Own { user, identity, .. }: Own<UsersReadAny>,
    State(serving): State<Serving>,
    start: Start,
) -> Result<Response, Problem> {
    let seat = serving.seats.take(identity.user, user).map_err(full)?;
    // The seat comes first: what is kept from now on is either in this answer or noticed by the tail.
    let last = last_sequence(serving.store.as_ref(), user).await?;
    serving.seats.tell(user, last);
    let feed = Feed::new(&serving, seat, start.behind(last), identity);
    let headers = [
        (CONTENT_TYPE, "text/event-stream"),
        (CACHE_CONTROL, "no-store"),
        // Proxies that gather answers before they pass them on take this as a request not to.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    Ok((headers, feed.into_body()).into_response())
}

/// A stream as the document shows it.
const EXAMPLE: &str = "retry: 2000\n\n\
    id: 7\nevent: notification\ndata: {\"id\":\"5b3f1c52-8f0e-5c5b-9b43-0a4a6d1f2e77\",\"sequence\":7,\
    \"type\":\"CREDIT_LIMIT_APPLIED\",\"title\":\"Your credit limit is active\",\
    \"message\":\"A credit limit of 5000.00 at 14.25 % per year is now available to you.\",\
    \"offer_id\":\"0198c1f2-7c3a-7d51-9e0b-5f6a7b8c9d0e\",\"created_at\":\"2026-11-20T14:30:00Z\",\
    \"read_at\":null}\n\n: heartbeat\n\nevent: end\ndata: {\"reason\":\"stopping\"}\n\n";

async fn last_sequence(store: &dyn Notifications, user: UserId) -> Result<u64, Problem> {
    let last = store.last_sequences(&[user]).await.map_err(|error| problem(&error))?;
    Ok(last.first().copied().unwrap_or(0))
}

fn full(full: Full) -> Problem {
    let detail = match full {
        Full::Instance => "as many streams are open as can be served",
        Full::Bearer => "as many of these streams are open as one user may have; close one, or share it",
    };
    Problem::no_room(detail, Duration::from_secs(10))
}
