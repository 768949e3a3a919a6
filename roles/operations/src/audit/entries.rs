//! `GET /v1/audit/entries`: entries, newest first, page by page.

use axum::Json;
use axum::extract::State;
use ecs_domain::permission::held::AuditRead;
use ecs_domain::{UserId, Violations};
use ecs_store::audit::{Act, EntryFilter};
use ecs_web::Problem;
use ecs_web::auth::policy::Holding;
use ecs_web::openapi::tag;
use ecs_web::params::{QueryParams, number};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::EntryView;
use crate::{Reading, problem};

const DEFAULT_LIMIT: usize = 50;
const MOST: usize = 500;

#[derive(Deserialize)]
pub(crate) struct Question {
    actor: Option<String>,
    subject: Option<String>,
    act: Option<String>,
    before: Option<String>,
    limit: Option<String>,
}

/// A page of the audit log.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditPage, examples(json!({
    "items": [{
        "number": 17, "at": "2026-11-20T14:30:00Z", "actor": "00000000-0000-0000-0000-000000000000",
        "act": "access.changed", "subject": "0198c1f2-7c3a-7d51-9e0b-5f6a7b8c9d0e",
        "before": {"roles": [], "permissions": []}, "after": {"roles": ["operator"], "permissions": []}, "batch": 3
    }],
    "next": null
})))]
pub(crate) struct Page {
    /// Newest first.
    items: Vec<EntryView>,
    /// Where the next page begins, for `before`; null when this is the last one.
    #[schema(required)]
    next: Option<u64>,
}

impl Question {
    fn read(self) -> Result<(EntryFilter, Option<u64>, usize), Violations> {
        let mut violations = Violations::none();
        let mut read = |field, text: Option<String>, what: &'static str| -> Option<String> {
            let good = text.as_deref().is_none_or(|text| is_good(field, text));
            violations.check(field, if good { Ok(text) } else { Err(what.into()) }).flatten()
        };
        let actor = read("actor", self.actor, "must be a UUID");
        let act = read("act", self.act, "must be the name of an act");
        let before = read("before", self.before, "must be an entry's number");
        let limit = read("limit", self.limit, "must be a whole number from 1 to 500");
        if !violations.is_empty() {
            return Err(violations);
        }
        let filter = EntryFilter {
            actor: actor.and_then(|text| text.parse().ok()),
            subject: self.subject,
            act: act.and_then(|text| text.parse().ok()),
        };
        let limit = limit.and_then(|text| text.parse().ok()).unwrap_or(DEFAULT_LIMIT);
        Ok((filter, before.and_then(|text| number(&text)), limit))
    }
}

fn is_good(field: &str, text: &str) -> bool {
    match field {
        "actor" => text.parse::<UserId>().is_ok(),
        "act" => text.parse::<Act>().is_ok(),
        "before" => number(text).is_some(),
        _ => text.parse::<usize>().is_ok_and(|limit| (1..=MOST).contains(&limit)),
    }
}

/// Read the audit log
///
/// Who did what to whom, newest first: changes of access, consents and passwords, sessions that were ended, and what operators did about
/// dead letters.
#[utoipa::path(
    get, path = "/v1/audit/entries", operation_id = "listAuditEntries", tag = tag::OPERATIONS,
    params(
        ("actor" = Option<ecs_web::openapi::Id>, Query, description = "What this user did."),
        ("subject" = Option<String>, Query, description = "What was done to this: a user's id, or `dead-letter 17`."),
        ("act" = Option<String>, Query, description = "What was done, such as `access.changed`."),
        ("before" = Option<u64>, Query, description = "Only entries with lower numbers: `next` of the page before."),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 500, description = "How many at most; 50 unless said otherwise."),
    ),
    responses((status = OK, description = "The entries that match.", body = Page)),
)]
pub(crate) async fn entries(
    _: Holding<AuditRead>,
    State(reading): State<Reading>,
    QueryParams(question): QueryParams<Question>,
) -> Result<Json<Page>, Problem> {
    let (filter, before, limit) = question.read()?;
    let found = reading.deps.store.entries(&filter, before, limit).await;
    let found = found.map_err(|error| problem::of_store(&error))?;
    let next = found.last().filter(|_| found.len() == limit).map(|entry| entry.number);
    Ok(Json(Page { items: found.into_iter().map(EntryView::from).collect(), next }))
}
