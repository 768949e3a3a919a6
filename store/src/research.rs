//! What people did in a month, for the anonymised export.

use async_trait::async_trait;
use ecs_domain::attributes::Attributes;
use ecs_domain::measures::Activity;
use ecs_domain::{Month, UserId};

use crate::StoreError;

/// Months of people who agree to be counted.
#[async_trait]
pub trait Research: Send + Sync + 'static {
    /// What people did in a month, in the order of their ids, behind `after`: `most` people or fewer.
    ///
    /// Nobody is in it but who has said yes to [`Purpose::Research`](ecs_domain::consent::Purpose) and not taken it back; nobody's
    /// emotions but of who has said yes to them, where silence is a no whatever holds otherwise; nobody's attributes but of who
    /// agrees to those. What is counted may be a little old. **Consent is not**: whoever took it back before the call is not in
    /// its answer, whichever server the rest comes from.
    async fn research_page(
        &self,
        month: Month,
        after: Option<UserId>,
        most: usize,
    ) -> Result<ResearchPage, StoreError>;
}

/// A page of people's months.
#[derive(Debug, Clone, PartialEq)]
pub struct ResearchPage {
    /// The people.
    pub people: Vec<Studied>,
    /// Behind whom the next page begins; `None` when this is the last one.
    pub next: Option<UserId>,
}

/// What a person told and did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Studied {
    /// Who. Nothing that leaves the platform says so.
    pub user: UserId,
    /// What they told of themselves.
    pub attributes: Attributes,
    /// What they did in the month.
    pub activity: Activity,
}
