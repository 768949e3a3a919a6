//! `POST /v1/operations/dead-letters/replay` and `/drop`.

use axum::Json;
use axum::extract::{FromRequest as _, Request, State};
use ecs_domain::Violations;
use ecs_domain::permission::held::OperationsWrite;
use ecs_store::LetterId;
use ecs_web::auth::policy::Holding;
use ecs_web::body::{JsonBody, Object};
use ecs_web::openapi::tag;
use ecs_web::{Identity, Problem};
use ecs_work::dead_letters::{Action, Choice, Desk, Done, MOST};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::filter::RawFilter;
use crate::{Reading, problem};

/// Which letters: these, or all that match a filter and wait, newest first.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DeadLetterChoice, examples(json!({"ids": [17, 18]})))]
pub(crate) struct RawChoice {
    /// Their numbers; instead of a filter.
    #[schema(max_items = 500)]
    ids: Option<Vec<i64>>,
    /// What they have in common; instead of numbers. `{}` means all.
    #[schema(value_type = Option<RawFilter>)]
    filter: Option<Object<RawFilter>>,
    /// With a filter: how many at most; 500 unless said otherwise.
    #[schema(minimum = 1, maximum = 500)]
    limit: Option<u32>,
    /// With a filter: only letters with lower numbers, `next` of the call before. So each letter is met once, even
    /// where replayed events fail at once and their letters wait again.
    before: Option<i64>,
}

/// What came of it.
#[derive(Serialize, ToSchema)]
#[schema(as = DeadLettersDone, examples(json!({"done": [17], "skipped": [18], "next": null})))]
pub(crate) struct Outcome {
    /// The letters about which it was done.
    done: Vec<i64>,
    /// The chosen ones that are not there, don't wait, or belong to a subject that this version doesn't know.
    skipped: Vec<i64>,
    /// There may be more that match: call again with this as `before`. Null at the end.
    #[schema(required)]
    next: Option<i64>,
}

/// Replay dead letters
///
/// Publishes the events again under their old ids, so an event that did have its effect has it once all the same. One
/// that fails again brings its letter back under the old number, with the new attempts in its history. The answer
/// comes once the events are sure to be published.
#[utoipa::path(
    post, path = "/v1/operations/dead-letters/replay", operation_id = "replayDeadLetters", tag = tag::OPERATIONS,
    request_body = RawChoice,
    responses(
        (status = OK, description = "What was done.", body = Outcome),
    ),
)]
pub(crate) async fn replay(
    holding: Holding<OperationsWrite>,
    State(reading): State<Reading>,
    request: Request,
) -> Result<Json<Outcome>, Problem> {
    act(&reading, &holding.identity, Action::Replay, request).await
}

/// Drop dead letters
///
/// Gives the events up for good and forgets what they said. The letters' numbers, ids, times and reasons stay for a
/// while, and the books count them as dead-lettered.
#[utoipa::path(
    post, path = "/v1/operations/dead-letters/drop", operation_id = "dropDeadLetters", tag = tag::OPERATIONS,
    request_body = RawChoice,
    responses(
        (status = OK, description = "What was done.", body = Outcome),
    ),
)]
pub(crate) async fn discard(
    holding: Holding<OperationsWrite>,
    State(reading): State<Reading>,
    request: Request,
) -> Result<Json<Outcome>, Problem> {
    act(&reading, &holding.identity, Action::Drop, request).await
}

async fn act(
    reading: &Reading,
    identity: &Identity,
    action: Action,
    request: Request,
) -> Result<Json<Outcome>, Problem> {
    let JsonBody(choice) = JsonBody::<RawChoice>::from_request(request, &()).await?;
    let choice = choice.read()?;
    let desk = Desk {
        store: reading.letters(),
        clock: reading.deps.clock.as_ref(),
        outbox: &reading.deps.outbox,
        operator: identity.user,
    };
    let Done { done, skipped, next } =
        desk.act(action, choice).await.map_err(|error| problem::of_store(&error))?;
    let numbers = |ids: Vec<LetterId>| ids.into_iter().map(|id| id.0).collect();
    Ok(Json(Outcome { done: numbers(done), skipped: numbers(skipped), next: next.map(|id| id.0) }))
}

impl RawChoice {
    fn read(self) -> Result<Choice, Violations> {
        let Self { ids, filter, limit, before } = self;
        let mut violations = Violations::none();
        let choice = match (ids, filter) {
            (Some(ids), None) => {
                if ids.len() > MOST {
                    violations.push("ids", format!("must be at most {MOST}"));
                }
                if limit.is_some() || before.is_some() {
                    violations.push("ids", "come without limit and before, which go with a filter");
                }
                Choice::Ids(ids.into_iter().map(LetterId).collect())
            }
            (None, Some(Object(filter))) => {
                let filter = filter.read("filter.", &mut violations);
                if filter
                    .state
                    .is_some_and(|state| state != ecs_domain::dead_letter::DeadLetterState::Waiting)
                {
                    violations.push("filter.state", "must be waiting: nothing can be done about the others");
                }
                let limit = limit.map_or(Some(MOST), |limit| usize::try_from(limit).ok());
                let limit = limit.filter(|limit| (1..=MOST).contains(limit)).unwrap_or_else(|| {
                    violations.push("limit", format!("must be a whole number from 1 to {MOST}"));
                    MOST
                });
                Choice::Matching { filter, before: before.map(LetterId), limit }
            }
            (Some(_), Some(_)) | (None, None) => {
                violations.push("ids", "is required, or filter instead of it");
                Choice::Ids(Vec::new())
            }
        };
        if violations.is_empty() { Ok(choice) } else { Err(violations) }
    }
}
