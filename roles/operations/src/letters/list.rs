//! `GET /v1/operations/dead-letters`: letters, newest first, page by page.

use axum::Json;
use axum::extract::State;
use ecs_domain::Violations;
use ecs_domain::permission::held::OperationsRead;
use ecs_store::{LetterFilter, LetterId};
use ecs_web::Problem;
use ecs_web::auth::policy::Holding;
use ecs_web::openapi::tag;
use ecs_web::params::QueryParams;
use ecs_work::dead_letters::MOST;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::LetterView;
use super::filter::RawFilter;
use crate::{Reading, problem};

const DEFAULT_LIMIT: usize = 50;

/// The filter's fields, `limit` and `before`. They stand here one by one, for a query can't nest.
#[derive(Deserialize)]
pub(crate) struct Question {
    subject: Option<String>,
    group: Option<String>,
    state: Option<String>,
    kind: Option<String>,
    reason: Option<String>,
    user: Option<String>,
    event: Option<String>,
    since: Option<String>,
    until: Option<String>,
    limit: Option<String>,
    before: Option<String>,
}

/// A page of dead letters.
#[derive(Serialize, ToSchema)]
#[schema(as = DeadLetterPage, examples(json!({
    "items": [{
        "id": 17, "subject": "user.emotions.topic", "group": "emotion-processing",
        "eventId": "7c9e6679-7425-5de9-944b-e07fc1f90ae7", "userId": "0198c1f2-7c3a-7d51-9e0b-5f6a7b8c9d0e",
        "kind": "unknown-user", "reason": "no account has this user id", "givenUpAt": "2026-11-20T14:30:00Z",
        "attempts": 1, "state": "waiting", "stateChangedAt": null, "replays": 0
    }],
    "next": null
})))]
pub(crate) struct Page {
    /// Newest first.
    items: Vec<LetterView>,
    /// Where the next page begins, for `before`; null when this is the last one.
    #[schema(required)]
    next: Option<i64>,
}

/// List dead letters
///
/// Events that were given up, newest first, with the reasons; never with what the events said.
#[utoipa::path(
    get, path = "/v1/operations/dead-letters", operation_id = "listDeadLetters", tag = tag::OPERATIONS,
    params(
        ("subject" = Option<String>, Query, description = "Of this subject."),
        ("group" = Option<String>, Query, description = "Of this group of workers."),
        ("state" = Option<String>, Query, description = "`waiting`, `replayed` or `dropped`."),
        ("kind" = Option<String>, Query,
            description = "`unknown-user`, `undecodable`, `refused`, `gave-up` or `unspecified`."),
        ("reason" = Option<String>, Query, description = "With this text in the reason, upper or lower case."),
        ("user" = Option<ecs_web::openapi::Id>, Query, description = "Of this user."),
        ("event" = Option<ecs_web::openapi::Id>, Query, description = "Of this event."),
        ("since" = Option<ecs_web::openapi::Instant>, Query, description = "Given up at or after this time."),
        ("until" = Option<ecs_web::openapi::Instant>, Query, description = "Given up before this time."),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 500, description = "How many at most; 50 unless said otherwise."),
        ("before" = Option<i64>, Query, description = "Only letters with lower numbers: `next` of the page before."),
    ),
    responses(
        (status = OK, description = "The letters that match.", body = Page),
    ),
)]
pub(crate) async fn list(
    _: Holding<OperationsRead>,
    State(reading): State<Reading>,
    QueryParams(question): QueryParams<Question>,
) -> Result<Json<Page>, Problem> {
    let (filter, before, limit) = question.read()?;
    let letters = reading.letters().dead_letters(&filter, before, limit).await;
    let letters = letters.map_err(|error| problem::of_store(&error))?;
    let next = letters.last().filter(|_| letters.len() == limit).map(|letter| letter.id.0);
    Ok(Json(Page { items: letters.into_iter().map(LetterView::from).collect(), next }))
}

impl Question {
    fn read(self) -> Result<(LetterFilter, Option<LetterId>, usize), Violations> {
        let Self { subject, group, state, kind, reason, user, event, since, until, limit, before } = self;
        let raw = RawFilter { subject, group, state, kind, reason, user, event, since, until };
        let mut violations = Violations::none();
        let filter = raw.read("", &mut violations);
        let limit = limit.map_or(Some(DEFAULT_LIMIT), |limit| limit.parse().ok());
        let limit = limit.filter(|limit| (1..=MOST).contains(limit));
        let limit = violations.check("limit", limit.ok_or("must be a whole number from 1 to 500".into()));
        let before = before.and_then(|before| {
            violations.check("before", before.parse().map_err(|_| "must be a letter's number".into()))
        });
        match limit {
            Some(limit) if violations.is_empty() => Ok((filter, before, limit)),
            _ => Err(violations),
        }
    }
}
