//! `GET /v1/decision-log/decisions`: decisions with all that they were made from, for whoever computes them again.

use axum::Json;
use axum::extract::State;
use ecs_domain::permission::held::DecisionsReplay;
use ecs_domain::{DecisionId, Timestamp, UserId, Violations, clock};
use ecs_store::audit::NewEntry;
use ecs_store::decision_log::{Left, LoggedDecision, WantedDecisions};
use ecs_store::{StoreError, decision_text};
use ecs_web::Problem;
use ecs_web::auth::policy::Holding;
use ecs_web::openapi::{Id, Instant, tag};
use ecs_web::params::{QueryParams, number};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Reading, problem};

/// How many decisions an answer has.
const MOST: usize = 500;

#[derive(Deserialize)]
pub(crate) struct Question {
    from: Option<String>,
    until: Option<String>,
    user: Option<String>,
    after: Option<String>,
}

/// Decisions in the order in which they were logged.
#[derive(Serialize, ToSchema)]
#[schema(as = LoggedDecisions, examples(json!({"items": [{
    "number": 17, "decision": "0198c1f2-7c3a-7d51-9e0b-5f6a7b8c9d0f", "user": "0198c1f2-7c3a-7d51-9e0b-5f6a7b8c9d0e",
    "at": "2026-11-20T14:30:00Z", "left": "erased", "whole": null
}]})))]
pub(crate) struct Page {
    /// None when there is nothing more.
    items: Vec<ItemView>,
}

/// A decision that was made, as far as it can be told.
#[derive(Serialize, ToSchema)]
#[schema(as = LoggedDecision)]
struct ItemView {
    /// The number of its entry in the decision log, for `after`.
    number: u64,
    /// Its id.
    #[schema(value_type = Id)]
    decision: DecisionId,
    /// About whom.
    #[schema(value_type = Id)]
    user: UserId,
    /// When it was made.
    #[schema(value_type = Instant)]
    at: Timestamp,
    /// What is left of it: `whole`, `aged`, `erased`, `gone` or `unreadable`.
    left: &'static str,
    /// All of it: JSON as text, whose numbers have every digit that they need.
    #[schema(required)]
    whole: Option<String>,
}

impl ItemView {
    fn new(logged: LoggedDecision) -> Result<Self, StoreError> {
        let LoggedDecision { number, id: decision, user, at, left } = logged;
        let (left, whole) = match left {
            Left::Whole(whole) => ("whole", Some(decision_text(&whole)?)),
            Left::Aged => ("aged", None),
            Left::Erased => ("erased", None),
            Left::Gone => ("gone", None),
            Left::Unreadable => ("unreadable", None),
        };
        Ok(Self { number, decision, user, at, left, whole })
    }
}

impl Question {
    fn read(self) -> Result<(WantedDecisions, u64), Violations> {
        let mut violations = Violations::none();
        let mut time = |field, text: Option<String>| {
            let read = text.map(|text| {
                clock::parse_timestamp(&text).ok_or("must be a time such as 2026-11-20T12:00:00Z")
            });
            violations.check(field, read.transpose().map_err(Into::into)).flatten()
        };
        let (from, until) = (time("from", self.from), time("until", self.until));
        let user = self.user.map(|text| text.parse::<UserId>()).transpose();
        let user = violations.check("user", user.map_err(|_| "must be a UUID".into())).flatten();
        let after = self.after.map_or(Some(0), |text| number(&text));
        let after = violations.check("after", after.ok_or_else(|| "must be an entry's number".into()));
        match (violations.is_empty(), after) {
            (true, Some(after)) => Ok((WantedDecisions { from, until, user }, after)),
            _ => Err(violations),
        }
    }
}

/// Read decisions to compute them again
///
/// Each with its features, facts, contributions, digests of model and policy, and its answer, so that `ecs decisions replay` computes it
/// by itself. Every page that is read is audited.
#[utoipa::path(
    get, path = "/v1/decision-log/decisions", operation_id = "listLoggedDecisions", tag = tag::OPERATIONS,
    params(
        ("from" = Option<Instant>, Query, description = "Only decisions made at this time or later."),
        ("until" = Option<Instant>, Query, description = "Only decisions made before this time."),
        ("user" = Option<Id>, Query, description = "Only decisions about this person."),
        ("after" = Option<u64>, Query, description = "Only entries with higher numbers: that of the page's last one."),
    ),
    responses((status = OK, description = "Up to 500 decisions.", body = Page)),
)]
pub(crate) async fn decisions(
    holding: Holding<DecisionsReplay>,
    State(reading): State<Reading>,
    QueryParams(question): QueryParams<Question>,
) -> Result<Json<Page>, Problem> {
    let (wanted, after) = question.read()?;
    let (store, now) = (&reading.deps.store, reading.deps.clock.now());
    let found = store.logged_decisions(&wanted, after, MOST).await;
    let found = found.map_err(|error| problem::of_store(&error))?;
    if !found.is_empty() {
        let entry = NewEntry::of_replay(holding.identity.user, wanted.user, found.len(), now);
        store.note(entry).await.map_err(|error| problem::of_store(&error))?;
    }
    let items = found.into_iter().map(ItemView::new).collect::<Result<_, _>>();
    Ok(Json(Page { items: items.map_err(|error| problem::of_store(&error))? }))
}
