//! Policies as answers have them.

use ecs_domain::policy::Policy;
use ecs_domain::{Timestamp, UserId};
use ecs_store::{Compared, PolicyPage, PolicyState, PolicyVersion};
use ecs_web::openapi::{Id, Instant, one_of};
use ecs_web::params::Page;
use ecs_work::policies::Written;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::schema::ObjectBuilder;

/// The state of a policy that nobody drafted.
const BUILT_IN: &str = "built-in";

/// A version of the policy.
#[derive(Serialize, ToSchema)]
#[schema(as = Policy, examples(json!({
    "version": "policy-4", "digest": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "state": "approved", "author": "0198c1f2-7c3a-7d51-9e0b-5f6a7b8c9d0e", "created_at": "2026-11-20T14:30:00Z",
    "approver": "0198c1f2-7c3a-7d51-9e0b-5f6a7b8c9d0f", "approved_at": "2026-11-20T15:00:00Z", "withdrawn_by": null,
    "withdrawn_at": null, "active_from": "2026-12-01T00:00:00Z", "text": "version = \"policy-4\"\n",
    "compared": {"against": "policy-3", "diff": ["- version = \"policy-3\"", "+ version = \"policy-4\""]}
})))]
pub(crate) struct PolicyView {
    #[serde(flatten)]
    #[schema(inline)]
    listed: ListedPolicy,
    /// Its file, to the byte.
    text: String,
    /// How it differs from the policy that is active now.
    compared: ComparedView,
}

/// How a policy differs from another.
#[derive(Serialize, ToSchema)]
#[schema(as = ComparedPolicy)]
struct ComparedView {
    /// The version that is active.
    against: String,
    /// Lines that go behind `- `, lines that come behind `+ `.
    diff: Vec<String>,
}

/// A version of the policy without its file.
#[derive(Serialize, ToSchema)]
struct ListedPolicy {
    /// Its name.
    version: String,
    /// SHA-256 of its file in hexadecimal, as decisions have it.
    digest: String,
    /// Where it stands.
    #[schema(schema_with = states)]
    state: &'static str,
    /// Who drafted it; null when it is built in or an operator's file.
    #[schema(required, value_type = Option<Id>)]
    author: Option<UserId>,
    /// When.
    #[schema(required, value_type = Option<Instant>)]
    created_at: Option<Timestamp>,
    /// Who approved it.
    #[schema(required, value_type = Option<Id>)]
    approver: Option<UserId>,
    /// When.
    #[schema(required, value_type = Option<Instant>)]
    approved_at: Option<Timestamp>,
    /// Who withdrew it.
    #[schema(required, value_type = Option<Id>)]
    withdrawn_by: Option<UserId>,
    /// When.
    #[schema(required, value_type = Option<Instant>)]
    withdrawn_at: Option<Timestamp>,
    /// From when on it is active: a draft's author's wish, and what holds once it is approved.
    #[schema(required, value_type = Option<Instant>)]
    active_from: Option<Timestamp>,
}

/// A page of policies.
#[derive(Serialize, ToSchema)]
#[schema(as = PolicyPage, examples(json!({
    "active": {"version": "policy-3", "digest": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"},
    "total": 1, "page": 1, "page_size": 10,
    "items": [{
        "version": "policy-4", "digest": "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
        "state": "draft", "author": "0198c1f2-7c3a-7d51-9e0b-5f6a7b8c9d0e", "created_at": "2026-11-20T14:30:00Z",
        "approver": null, "approved_at": null, "withdrawn_by": null, "withdrawn_at": null,
        "active_from": "2026-12-01T00:00:00Z"
    }]
})))]
pub(crate) struct PoliciesPage {
    /// What decides now.
    active: ActivePolicy,
    /// How many versions there are in all.
    total: u64,
    /// Which page this is, from 1.
    page: u32,
    /// How many items a page has.
    page_size: u32,
    /// The versions of this page, the newest first.
    items: Vec<ListedPolicy>,
}

/// The policy that decides now.
#[derive(Serialize, ToSchema)]
struct ActivePolicy {
    /// Its name.
    version: String,
    /// SHA-256 of its file in hexadecimal.
    digest: String,
}

fn states() -> ObjectBuilder {
    let words = PolicyState::ALL.map(PolicyState::as_str).into_iter().chain([BUILT_IN]);
    one_of(words).description(Some("Where it stands."))
}

impl From<PolicyVersion> for ListedPolicy {
    fn from(kept: PolicyVersion) -> Self {
        Self {
            version: kept.version,
            digest: kept.digest,
            state: kept.state.as_str(),
            author: Some(kept.author),
            created_at: Some(kept.created_at),
            approver: kept.approver,
            approved_at: kept.approved_at,
            withdrawn_by: kept.withdrawn_by,
            withdrawn_at: kept.withdrawn_at,
            active_from: Some(kept.active_from),
        }
    }
}

impl From<Compared> for ComparedView {
    fn from(Compared { against, diff }: Compared) -> Self {
        Self { against, diff }
    }
}

impl PolicyView {
    pub(super) fn new(kept: PolicyVersion, compared: Compared) -> Self {
        let text = kept.text.clone();
        Self { listed: kept.into(), text, compared: compared.into() }
    }

    /// Of one that is built in, or an operator's file.
    pub(super) fn without_store(known: &Written, compared: Compared) -> Self {
        let listed = ListedPolicy {
            version: known.policy.version.clone(),
            digest: known.policy.digest.clone(),
            state: BUILT_IN,
            author: None,
            created_at: None,
            approver: None,
            approved_at: None,
            withdrawn_by: None,
            withdrawn_at: None,
            active_from: None,
        };
        Self { listed, text: known.text.to_string(), compared: compared.into() }
    }
}

impl PoliciesPage {
    pub(super) fn new(active: &Policy, page: Page, found: PolicyPage) -> Self {
        let active = ActivePolicy { version: active.version.clone(), digest: active.digest.clone() };
        let items = found.items.into_iter().map(Into::into).collect();
        Self { active, total: found.total, page: page.page, page_size: page.page_size, items }
    }
}
