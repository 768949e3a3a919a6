//! `/v1/policies`: versions of the credit policy. One person drafts, another approves, and from its instant on every process decides
//! with it.

mod view;

use axum::Json;
use axum::extract::State as Extract;
use ecs_domain::permission::held::{PoliciesApprove, PoliciesRead, PoliciesWrite};
use ecs_domain::policy::is_version;
use ecs_domain::{Timestamp, UserId, Violation, Violations};
use ecs_store::{
    PageRequest, PolicyChange, PolicyChanged, PolicyDraft, PolicyRefusal, PolicyVersion, StoreError,
};
use ecs_web::auth::policy::Holding;
use ecs_web::openapi::{Instant, PageQuery, tag};
use ecs_web::params::{Page, PathParams};
use ecs_web::{JsonBody, Problem};
use ecs_work::policies::Written;
use http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::problems;
use crate::state::State;
use view::{PoliciesPage, PolicyView};

/// The longest file of a policy that is kept.
const MAX_TEXT_BYTES: usize = 32 * 1024;

/// A policy to be drafted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PolicyDraft, examples(json!({
    "text": "version = \"policy-4\"\nmade_for = [\"financial-1\", \"empathic-1\"]\ncut_off = 0.12\n\n[[bands]]\nmax_risk = 0.12\ncredit_limit = \"1000.00\"\ninterest_rate = \"25.00\"\ncredit_type = \"SHORT_TERM\"\n",
    "active_from": "2026-12-01T00:00:00Z"
})))]
pub(crate) struct Wanted {
    /// Its file, in TOML.
    #[schema(value_type = String, max_length = 32768)]
    text: Option<String>,
    /// From when on it is to be active; left out, as soon as somebody else has approved it.
    #[schema(value_type = Option<Instant>)]
    active_from: Option<String>,
}

impl Wanted {
    fn read(self) -> Result<(Written, Option<Timestamp>), Violations> {
        let mut violations = Violations::none();
        let text = violations.require("text", self.text);
        let written = text.and_then(|text| match read_text(text) {
            Ok(written) => Some(written),
            Err(violation) => {
                violations.push(violation.field, violation.message);
                None
            }
        });
        let instant =
            |text: String| text.parse().map_err(|_| "must be an instant such as 2026-11-20T14:30:00Z".into());
        let active_from = self.active_from.and_then(|text| violations.check("active_from", instant(text)));
        written.filter(|_| violations.is_empty()).map(|written| (written, active_from)).ok_or(violations)
    }
}

/// The policy of a file that may be kept. What is wrong with it is told with its line.
fn read_text(text: String) -> Result<Written, Violation> {
    if text.len() > MAX_TEXT_BYTES {
        return Err(Violation::new("text", format!("may have at most {MAX_TEXT_BYTES} bytes")));
    }
    // PostgreSQL keeps no such text, and nobody writes one.
    if text.contains('\0') {
        return Err(Violation::new("text", "must not hold U+0000"));
    }
    let written = Written::read(text).map_err(|error| Violation::new("text", error.to_string()))?;
    if !is_version(&written.policy.version) {
        let rule = "version must be 1 to 64 letters, digits, dots, hyphens and underscores";
        return Err(Violation::new("text", rule));
    }
    Ok(written)
}

/// Draft a policy
///
/// Checks a policy's file and keeps it as a draft. A version means one text for ever: a change is a new version. Nothing decides with
/// it until somebody else approves it.
#[utoipa::path(
    post, path = "/v1/policies", operation_id = "draftPolicy", tag = tag::CREDIT, request_body = Wanted,
    responses(
        (status = CREATED, description = "The draft, with how it differs from the active policy.", body = PolicyView),
        (status = CONFLICT, description = "there is a policy of this version, or with this text"),
    ),
)]
pub(crate) async fn draft(
    Holding { identity, .. }: Holding<PoliciesWrite>,
    Extract(state): Extract<State>,
    JsonBody(body): JsonBody<Wanted>,
) -> Result<(StatusCode, Json<PolicyView>), Problem> {
    let (written, active_from) = body.read()?;
    let taken = || Problem::conflict("there is a policy of this version, or with this text");
    let Written { policy, text } = &written;
    let known = state.policies.without_store(&policy.version);
    if known.is_some_and(|known| known.policy.digest != policy.digest) {
        return Err(taken());
    }
    let now = state.now();
    let compared = state.policies.compared(text, now).await.map_err(problems::of_policies)?;
    let draft = PolicyDraft {
        version: policy.version.clone(),
        digest: policy.digest.clone(),
        text: text.to_string(),
        author: identity.user,
        active_from: active_from.unwrap_or(now),
        compared: compared.clone(),
        now,
    };
    match state.store.draft_policy(draft).await.map_err(problems::of_store)? {
        PolicyChanged::Done(kept) => {
            tracing::info!(policy = kept.version, author_id = %identity.user, "policy drafted");
            Ok((StatusCode::CREATED, Json(PolicyView::new(*kept, compared))))
        }
        PolicyChanged::Taken => Err(taken()),
        PolicyChanged::Unknown | PolicyChanged::Refused(_) => Err(never()),
    }
}

/// List the policies
///
/// Every version, the newest first, and which one is active.
#[utoipa::path(
    get, path = "/v1/policies", operation_id = "listPolicies", tag = tag::CREDIT, params(PageQuery),
    responses((status = OK, description = "The versions of this page.", body = PoliciesPage)),
)]
pub(crate) async fn list(
    _: Holding<PoliciesRead>,
    Extract(state): Extract<State>,
    page: Page,
) -> Result<Json<PoliciesPage>, Problem> {
    let active = state.policies.at(state.now()).await.map_err(problems::of_policies)?;
    let wanted = PageRequest { page: page.page, page_size: page.page_size };
    let found = state.store.policy_versions(wanted).await.map_err(problems::of_store)?;
    Ok(Json(PoliciesPage::new(&active.policy, page, found)))
}

/// Read a policy
///
/// One version with its file, and how it differs from the policy that is active now. Those that are built in can be read, too.
#[utoipa::path(
    get, path = "/v1/policies/{version}", operation_id = "readPolicy", tag = tag::CREDIT,
    params(("version" = String, Path, description = "The policy's version.")),
    responses(
        (status = OK, description = "The policy.", body = PolicyView),
        (status = NOT_FOUND, description = "there is no such policy"),
    ),
)]
pub(crate) async fn show(
    _: Holding<PoliciesRead>,
    path: PathParams,
    Extract(state): Extract<State>,
) -> Result<Json<PolicyView>, Problem> {
    let (version, state) = (named(&path)?, &state);
    let found = state.store.policy_version(version).await.map_err(problems::of_store)?;
    let compared = |text: String| async move {
        state.policies.compared(&text, state.now()).await.map_err(problems::of_policies)
    };
    if let Some(found) = found {
        let compared = compared(found.text.clone()).await?;
        return Ok(Json(PolicyView::new(found, compared)));
    }
    let known = state.policies.without_store(version).cloned().ok_or_else(unknown)?;
    let compared = compared(known.text.to_string()).await?;
    Ok(Json(PolicyView::without_store(&known, compared)))
}

/// Approve a policy
///
/// Somebody else than its author. It is active from the instant that was wished for, and no sooner than ten seconds from now: by
/// then every process has heard of it.
#[utoipa::path(
    post, path = "/v1/policies/{version}/approve", operation_id = "approvePolicy", tag = tag::CREDIT,
    params(("version" = String, Path, description = "The policy's version.")),
    responses(
        (status = OK, description = "The policy, and from when on it is active.", body = PolicyView),
        (status = FORBIDDEN, description = "somebody else than its author approves a policy"),
        (status = NOT_FOUND, description = "there is no such policy"),
        (status = CONFLICT, description = "the policy is withdrawn"),
    ),
)]
pub(crate) async fn approve(
    Holding { identity, .. }: Holding<PoliciesApprove>,
    path: PathParams,
    Extract(state): Extract<State>,
) -> Result<Json<PolicyView>, Problem> {
    let change = change(&state, named(&path)?, identity.user).await?;
    let compared = change.compared.clone();
    let changed = state.store.approve_policy(change).await.map_err(problems::of_store)?;
    let kept = done(changed)?;
    let (policy, active_from) = (&kept.version, kept.active_from);
    tracing::info!(policy, approver_id = %identity.user, %active_from, "policy approved");
    told(&state).await;
    Ok(Json(PolicyView::new(kept, compared)))
}

/// Withdraw a policy
///
/// A draft, or an approved policy until ten seconds before it is active. A policy that is active is replaced by approving another one.
#[utoipa::path(
    post, path = "/v1/policies/{version}/withdraw", operation_id = "withdrawPolicy", tag = tag::CREDIT,
    params(("version" = String, Path, description = "The policy's version.")),
    responses(
        (status = OK, description = "The policy, which will never be active.", body = PolicyView),
        (status = NOT_FOUND, description = "there is no such policy"),
        (status = CONFLICT, description = "the policy is active, or will be within seconds: approve another one instead"),
    ),
)]
pub(crate) async fn withdraw(
    Holding { identity, .. }: Holding<PoliciesWrite>,
    path: PathParams,
    Extract(state): Extract<State>,
) -> Result<Json<PolicyView>, Problem> {
    let change = change(&state, named(&path)?, identity.user).await?;
    let compared = change.compared.clone();
    let changed = state.store.withdraw_policy(change).await.map_err(problems::of_store)?;
    let kept = done(changed)?;
    tracing::info!(policy = kept.version, withdrawer_id = %identity.user, "policy withdrawn");
    told(&state).await;
    Ok(Json(PolicyView::new(kept, compared)))
}

/// The version that the path names. A name that none can have is told like one that none has.
pub(crate) fn named(path: &PathParams) -> Result<&str, Problem> {
    Some(path.text("version")).filter(|version| is_version(version)).ok_or_else(unknown)
}

pub(crate) fn unknown() -> Problem {
    Problem::not_found("there is no such policy")
}

/// What is wanted about a version that is in the store.
async fn change(state: &State, version: &str, by: UserId) -> Result<PolicyChange, Problem> {
    let found = state.store.policy_version(version).await.map_err(problems::of_store)?;
    let now = state.now();
    let text = found.ok_or_else(unknown)?.text;
    let compared = state.policies.compared(&text, now).await.map_err(problems::of_policies)?;
    Ok(PolicyChange { version: version.to_owned(), by, compared, now })
}

fn done(changed: PolicyChanged) -> Result<PolicyVersion, Problem> {
    match changed {
        PolicyChanged::Done(kept) => Ok(*kept),
        PolicyChanged::Unknown => Err(unknown()),
        PolicyChanged::Refused(refusal @ PolicyRefusal::Author) => {
            Err(Problem::forbidden(refusal.to_string()))
        }
        PolicyChanged::Refused(refusal @ (PolicyRefusal::State(_) | PolicyRefusal::TooLate)) => {
            Err(Problem::conflict(refusal.to_string()))
        }
        PolicyChanged::Taken => Err(never()),
    }
}

/// What the store's contract says can't be.
fn never() -> Problem {
    problems::of_store(StoreError::Corrupt("a policy was changed in a way that there is not".to_owned()))
}

/// This process hears of it at once. Should that fail, it hears of it like the others.
async fn told(state: &State) {
    if let Err(error) = state.policies.refresh().await {
        tracing::debug!(%error, "the list of policies is asked for later");
    }
}
