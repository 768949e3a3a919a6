//! `GET /v1/operations/books/counted`: the counted events that are still named one by one, page by page.

use std::borrow::Cow;
use std::str::FromStr;

use axum::Json;
use axum::extract::State;
use ecs_domain::permission::held::OperationsRead;
use ecs_domain::{Day, EventId, Timestamp, UserId, Violations};
use ecs_store::{EventKey, Ledger};
use ecs_web::Problem;
use ecs_web::auth::policy::Holding;
use ecs_web::openapi::tag;
use ecs_web::params::QueryParams;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Reading, fates, problem};

const DEFAULT_LIMIT: usize = 1_000;
const MAX_LIMIT: usize = 10_000;

/// `?ledger=&limit=&after_day=&after_user=&after_id=`; the last three are the last event of the page before.
#[derive(Deserialize)]
pub(crate) struct Question {
    ledger: Option<String>,
    limit: Option<String>,
    after_day: Option<String>,
    after_user: Option<String>,
    after_id: Option<String>,
}

/// A page of counted events.
#[derive(Serialize, ToSchema)]
#[schema(as = CountedPage, examples(json!({
    "events": [{
        "userId": "0198c1f2-7c3a-7d51-9e0b-5f6a7b8c9d0e", "eventId": "7c9e6679-7425-5de9-944b-e07fc1f90ae7",
        "day": "2026-11-20", "arrivedAt": "2026-11-20T14:30:00Z"
    }]
})))]
pub(crate) struct Counted {
    /// By rising key; none at the end.
    events: Vec<Item>,
}

/// A counted event.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CountedEvent)]
struct Item {
    /// Whose event it is.
    #[schema(value_type = ecs_web::openapi::Id)]
    user_id: UserId,
    /// Its id.
    #[schema(value_type = ecs_web::openapi::Id)]
    event_id: EventId,
    /// The UTC day on which it happened.
    #[schema(value_type = ecs_web::openapi::Day)]
    day: Day,
    /// When it reached the store.
    #[schema(value_type = ecs_web::openapi::Instant)]
    arrived_at: Timestamp,
}

struct Request {
    ledger: Ledger,
    limit: usize,
    after: Option<EventKey>,
}

/// List counted events
///
/// The counted events that are still named one by one, in the order of their keys. A call goes on behind the last event
/// of the page before, named by `after_day`, `after_user` and `after_id` together.
#[utoipa::path(
    get, path = "/v1/operations/books/counted", operation_id = "listCounted", tag = tag::OPERATIONS,
    params(
        ("ledger" = String, Query, description = "`emotions` or `transactions`.", example = json!("emotions")),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 10000, description = "How many at most; 1,000 unless said otherwise."),
        ("after_day" = Option<ecs_web::openapi::Day>, Query, description = "The last event's day."),
        ("after_user" = Option<ecs_web::openapi::Id>, Query, description = "The last event's user."),
        ("after_id" = Option<ecs_web::openapi::Id>, Query, description = "The last event's id."),
    ),
    responses(
        (status = OK, description = "A page of them.", body = Counted),
    ),
)]
pub(crate) async fn counted(
    _: Holding<OperationsRead>,
    State(reading): State<Reading>,
    QueryParams(question): QueryParams<Question>,
) -> Result<Json<Counted>, Problem> {
    let Request { ledger, limit, after } = question.read()?;
    let page =
        reading.books().counted(ledger, after, limit).await.map_err(|error| problem::of_store(&error))?;
    let events = page.events.into_iter().map(item).collect();
    Ok(Json(Counted { events }))
}

impl Question {
    fn read(self) -> Result<Request, Violations> {
        let mut violations = Violations::none();
        let ledger = fates::ledger(&mut violations, self.ledger);
        let limit = self.limit.map_or(Some(DEFAULT_LIMIT), |limit| limit.parse().ok());
        let limit = limit.filter(|limit| (1..=MAX_LIMIT).contains(limit));
        let limit = violations.check("limit", limit.ok_or("must be a whole number from 1 to 10000".into()));
        let day =
            parsed::<Day>(&mut violations, "after_day", self.after_day, "must be a day such as 2026-11-20");
        let user = parsed::<UserId>(&mut violations, "after_user", self.after_user, "must be a UUID");
        let id = parsed::<EventId>(&mut violations, "after_id", self.after_id, "must be a UUID");
        let after = match (day, user, id) {
            (Some(day), Some(user), Some(id)) => Some(EventKey { day, user, id }),
            (None, None, None) => None,
            _ => {
                violations.push("after_id", "comes together with after_day and after_user, or not at all");
                None
            }
        };
        match (ledger, limit) {
            (Some(ledger), Some(limit)) if violations.is_empty() => Ok(Request { ledger, limit, after }),
            _ => Err(violations),
        }
    }
}

fn parsed<T: FromStr>(
    violations: &mut Violations,
    field: &'static str,
    text: Option<String>,
    expected: &'static str,
) -> Option<T> {
    violations.check(field, text?.parse().map_err(|_| Cow::Borrowed(expected)))
}

fn item((key, arrived_at): (EventKey, Timestamp)) -> Item {
    let EventKey { day, user, id } = key;
    Item { user_id: user, event_id: id, day, arrived_at }
}
