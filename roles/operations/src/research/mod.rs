//! `POST /v1/research/exports`: what people did in a month, anonymised.
//!
//! An export holds every record of the month in memory, for a group can only be counted when all of it is there: about a hundred bytes
//! a person, of [`MOST`] people at most, and one export at a time.

mod salts;
mod sheet;

use std::time::Duration;

use axum::extract::{FromRequest as _, Request, State};
use axum::response::{IntoResponse as _, Response};
use ecs_domain::anonymity::{K, Record, Release, Summary, Unsafe};
use ecs_domain::measures::Measures;
use ecs_domain::permission::held::ResearchExport;
use ecs_domain::{Month, Timestamp, UserId, Violation, Violations};
use ecs_store::audit::{Exported, NewEntry};
use ecs_vault::{Keyring, VaultError};
use ecs_web::Problem;
use ecs_web::auth::policy::Holding;
use ecs_web::body::JsonBody;
use ecs_web::openapi::tag;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use self::salts::Pseudonyms;
use self::sheet::{Format, Sheet};
use crate::{Deps, Reading, problem};

/// How many people an export holds at most.
const MOST: usize = 500_000;
/// How many are read at once.
const PAGE: usize = 500;
/// When to come back while another export is made.
const RETRY: Duration = Duration::from_secs(5);
/// Holds the summary, whatever the format.
const SUMMARY: HeaderName = HeaderName::from_static("export-summary");

/// Which month, and how many people share a group at least.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WantedExport, examples(json!({"month": "2025-08", "k": 10})))]
pub(crate) struct Wanted {
    /// The month, which must be over in UTC.
    #[schema(pattern = "^[0-9]{4}-(0[1-9]|1[0-2])$")]
    month: Option<String>,
    /// How many people share age band and region of a row at least; 10 unless said otherwise.
    #[schema(minimum = 10, maximum = 1000)]
    k: Option<u32>,
}

/// What became of everybody who agreed to be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct SummaryView {
    people: usize,
    rows: usize,
    generalised: usize,
    groups: usize,
    suppressed_cells: usize,
    suppressed_people: usize,
    withheld_values: usize,
}

impl From<Summary> for SummaryView {
    fn from(summary: Summary) -> Self {
        let Summary {
            people,
            rows,
            generalised,
            groups,
            suppressed_cells,
            suppressed_people,
            withheld_values,
        } = summary;
        Self { people, rows, generalised, groups, suppressed_cells, suppressed_people, withheld_values }
    }
}

impl Wanted {
    fn read(self, now: Timestamp) -> Result<(Month, K), Violations> {
        let mut violations = Violations::none();
        let month = violations.require("month", self.month);
        let month = month.and_then(|month| violations.check("month", month.parse::<Month>()));
        let k = self.k.map_or(Some(K::LEAST), |k| K::new(usize::try_from(k).ok()?));
        let k = violations.check("k", k.ok_or_else(|| "must be a whole number from 10 to 1000".into()));
        match (month, k) {
            (Some(month), Some(_)) if month.end() > now => {
                Err(Violation::new("month", "must be a month that is over").into())
            }
            (Some(month), Some(k)) => Ok((month, k)),
            _ => Err(violations),
        }
    }
}

/// Export a month for research
///
/// A row for each person who agreed to be counted and shares age band and region with at least `k` people: a pseudonym of this export's
/// period, and coarse steps of what they did. Smaller groups are made wider, and left out when that isn't enough. A value that everybody in a
/// group has is withheld (`*`). The first line, or the header `Export-Summary`, says how many people that were. With `Accept: text/csv` it
/// is CSV. Every export is in the audit log.
#[utoipa::path(
    post, path = "/v1/research/exports", operation_id = "exportResearch", tag = tag::OPERATIONS,
    request_body = Wanted,
    responses(
        (
            status = OK, description = "The rows.",
            content((String = "application/x-ndjson", example = json!(LINES)), (String = "text/csv", example = json!(TABLE))),
            headers(("export-summary" = String, description = "What became of everybody, as JSON.")),
        ),
        (status = CONFLICT, description = "more than 500000 people agreed to be counted, which is more than one export holds"),
    ),
)]
pub(crate) async fn export(
    holding: Holding<ResearchExport>,
    State(reading): State<Reading>,
    request: Request,
) -> Result<Response, Problem> {
    let format = Format::wanted(request.headers());
    let JsonBody(wanted) = JsonBody::<Wanted>::from_request(request, &()).await?;
    let deps = &reading.deps;
    let now = deps.clock.now();
    let (month, k) = wanted.read(now)?;
    let turn = reading.exports.clone().try_lock_owned();
    let turn = turn.map_err(|_| Problem::no_room("another export is under way", RETRY))?;
    let records = gather(deps, month, now).await?;
    let release = anonymise(records, k).await?;
    note(deps, holding.identity.user, (month, k), release.summary(), now).await?;
    let summary = serde_json::to_string(&SummaryView::from(release.summary())).unwrap_or_default();
    let summary = HeaderValue::try_from(summary).unwrap_or(HeaderValue::from_static(""));
    let headers = [(SUMMARY, summary), (CONTENT_TYPE, HeaderValue::from_static(format.content_type()))];
    Ok((headers, Sheet { release, month, format }.into_body(turn)).into_response())
}

/// Destroys the salts of months that are over, whether anybody exports or not.
pub(crate) async fn forget_salts(keyring: &Keyring, now: Timestamp) -> Result<(), VaultError> {
    salts::forget(keyring, Month::of(now)).await
}

/// Everybody's record of the month, without their ids.
async fn gather(deps: &Deps, month: Month, now: Timestamp) -> Result<Vec<Record>, Problem> {
    let salt = salts::of(&deps.keyring, Month::of(now)).await.map_err(no_salt)?;
    let pseudonyms = Pseudonyms::new(&salt, month).map_err(|error| Problem::internal(&error))?;
    let (mut records, mut after) = (Vec::new(), None);
    loop {
        let page = deps.store.research_page(month, after, PAGE).await;
        let page = page.map_err(|error| problem::of_store(&error))?;
        records.extend(page.people.iter().map(|person| Record {
            pseudonym: pseudonyms.of(person.user),
            attributes: person.attributes,
            measures: Measures::of(&person.activity),
        }));
        if records.len() > MOST {
            return Err(Problem::conflict(
                "more than 500000 people agreed to be counted, which is more than one export holds",
            ));
        }
        after = page.next;
        if after.is_none() {
            return Ok(records);
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "calls read `map_err(no_salt)`")]
fn no_salt(error: VaultError) -> Problem {
    tracing::warn!(%error, "an export needs a salt");
    Problem::unavailable("vault", RETRY)
}

/// Sorting everybody takes a while, in which other requests go on.
async fn anonymise(records: Vec<Record>, k: K) -> Result<Release, Problem> {
    let made = tokio::task::spawn_blocking(move || Release::of(records, k)).await;
    let made = made.map_err(|error| Problem::internal(&error))?;
    made.map_err(|fault: Unsafe| {
        tracing::error!(%fault, "an export was not released: its own check refused it");
        Problem::internal(&fault)
    })
}

/// In the log before anything gets out.
async fn note(
    deps: &Deps,
    actor: UserId,
    (month, k): (Month, K),
    summary: Summary,
    now: Timestamp,
) -> Result<(), Problem> {
    let Summary { rows, groups, suppressed_people, .. } = summary;
    let entry =
        NewEntry::of_research(actor, Exported { month, k: k.get(), rows, groups, suppressed_people }, now);
    deps.store.note(entry).await.map_err(|error| problem::of_store(&error))?;
    tracing::info!(%actor, %month, k = k.get(), rows, groups, suppressed_people, "a month was exported for research");
    Ok(())
}

/// An export as the document shows it.
const LINES: &str = "{\"summary\":{\"generalised\":0,\"groups\":1,\"people\":14,\"rows\":12,\"suppressed_cells\":2,\
    \"suppressed_people\":2,\"withheld_values\":12}}\n\
    {\"age_band\":\"25-34\",\"approved\":\"1\",\"denied\":\"*\",\"month\":\"2025-08\",\"positivity\":\"0.7\",\
    \"pseudonym\":\"4f1c0d9a7be2538f60c1a4d2e7b39585\",\"region\":\"BR-SP\",\"spend\":\"100-499\",\"stress\":null,\
    \"transactions\":\"5-9\"}\n";
/// The same as CSV.
const TABLE: &str = "pseudonym,month,age_band,region,transactions,spend,positivity,stress,approved,denied\n\
    4f1c0d9a7be2538f60c1a4d2e7b39585,2025-08,25-34,BR-SP,5-9,100-499,0.7,,1,*\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_names_a_month_that_is_over_and_a_group_of_ten_or_more() {
        let now: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
        let check = |month: Option<&str>, k, expect: Result<usize, &[&str]>| {
            let read = Wanted { month: month.map(str::to_owned), k }.read(now);
            let fields = |violations: Violations| {
                violations.into_vec().into_iter().map(|one| one.field.into_owned()).collect::<Vec<_>>()
            };
            let expect = expect.map_err(|fields| fields.iter().map(|field| (*field).to_owned()).collect());
            assert_eq!(read.map(|(_, k)| k.get()).map_err(fields), expect, "{month:?} {k:?}");
        };
        check(Some("2026-10"), None, Ok(10));
        check(Some("2026-10"), Some(25), Ok(25));
        check(Some("2026-11"), None, Err(&["month"]));
        check(Some("2026-13"), Some(9), Err(&["month", "k"]));
        check(None, Some(1_001), Err(&["month", "k"]));
        check(Some("2026-10"), Some(0), Err(&["k"]));
    }
}
