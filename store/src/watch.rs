//! What the watch over decisions has counted, and what it told last.
//!
//! Decisions are read once, behind their seal: a batch of the decision log has every entry once and never gets another, so how far the
//! watch is, is one number. What is kept of them is how many fell into each bin of each measure on each day, and nothing that says whose
//! they were.

use async_trait::async_trait;
use ecs_domain::attributes::Attributes;
use ecs_domain::watch::{Measure, Standing};
use ecs_domain::{Day, Timestamp, UserId};
use ecs_vault::{Keyring, PersonKey};

use crate::decision_log::LoggedDecision;
use crate::sealed::{column, open};
use crate::{OutboxMessage, StoreError, parse_attributes};

/// Counts of decisions by day, standings, and the people that approval is compared of.
#[async_trait]
pub trait Watch: Send + Sync + 'static {
    /// The oldest batch of the decision log that is not counted, with what is left of its decisions; `None` when all are counted.
    async fn unwatched(&self) -> Result<Option<Unwatched>, StoreError>;

    /// Adds what was counted of a batch, and goes on behind it, in one transaction. Returns whether it did: not where the batch is
    /// counted already, or isn't the next one.
    async fn count_batch(&self, batch: u64, counts: Vec<DayCount>) -> Result<bool, StoreError>;

    /// What was counted of these days together, in no order.
    async fn watched(&self, days: Days) -> Result<Vec<BinCount>, StoreError>;

    /// Forgets what was counted of days before this one. Returns how many rows went.
    async fn forget_watched(&self, before: Day) -> Result<u64, StoreError>;

    /// What was told last of everything of which anything was ever told.
    async fn standings(&self) -> Result<Vec<KeptStanding>, StoreError>;

    /// Notes what is told from now on, and that it is to be published, in one transaction. Returns whether it did: not where somebody
    /// else has noted something since `seen`.
    async fn change_standing(
        &self,
        change: StandingChange,
        message: OutboxMessage,
    ) -> Result<bool, StoreError>;

    /// People who told something of themselves, in the order of their ids, behind `after`: `most` people or fewer; each with the last
    /// answer that they got in the time from `from` to before `until`. Nobody is in it without consent to that at the time of the call.
    async fn answered_people(
        &self,
        from: Timestamp,
        until: Timestamp,
        after: Option<UserId>,
        most: usize,
    ) -> Result<AnsweredPage, StoreError>;
}

/// A batch of the decision log that is to be counted.
#[derive(Debug, Clone, PartialEq)]
pub struct Unwatched {
    /// Its number.
    pub batch: u64,
    /// What is left of the decisions that were made.
    pub decisions: Vec<LoggedDecision>,
}

/// How many decisions of a day fell into a bin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayCount {
    /// The day on which they were made, in UTC.
    pub day: Day,
    /// Where.
    pub count: BinCount,
}

/// How many decisions fell into a bin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BinCount {
    /// The version of the model that decided.
    pub model: String,
    /// What of them.
    pub measure: Measure,
    /// The fine bin.
    pub bin: u8,
    /// How many.
    pub decisions: u64,
}

/// Whole days, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Days {
    /// The first.
    pub from: Day,
    /// The one behind the last.
    pub until: Day,
}

/// What something is told of.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StandingOf {
    /// `drift` or `fairness`.
    pub kind: &'static str,
    /// The version of a model; empty where it is about all of them.
    pub model: String,
    /// A measure, or an attribute with its group.
    pub name: String,
}

/// What was told last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptStanding {
    /// Of what kind; the words of [`StandingOf`].
    pub kind: String,
    /// Of which model.
    pub model: String,
    /// Of what.
    pub name: String,
    /// What stands.
    pub standing: Standing,
    /// Since when.
    pub since: Timestamp,
    /// How often it has changed.
    pub changes: u64,
}

impl KeptStanding {
    /// Whether this is what stands of `of`.
    #[must_use]
    pub fn is_of(&self, of: &StandingOf) -> bool {
        self.kind == of.kind && self.model == of.model && self.name == of.name
    }
}

/// Something else that is told from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StandingChange {
    /// Of what.
    pub of: StandingOf,
    /// What stands from now on.
    pub standing: Standing,
    /// The time of the call.
    pub now: Timestamp,
    /// How often it had changed when that was decided; 0 when nothing had been told.
    pub seen: u64,
}

/// A page of people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnsweredPage {
    /// Those of the page who got an answer.
    pub people: Vec<Answered>,
    /// Behind whom the next page begins; `None` when this is the last one.
    pub next: Option<UserId>,
}

/// Somebody who told something of themselves and got an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answered {
    /// What they told.
    pub attributes: Attributes,
    /// Whether the answer was an approval.
    pub approved: bool,
}

/// A person of a page as an engine has found them.
#[derive(Debug, Clone)]
pub struct Told {
    /// Who.
    pub user: UserId,
    /// What they told, sealed.
    pub attributes: String,
    /// Whether the last answer was an approval; `None` without one.
    pub approved: Option<bool>,
}

/// Opens a page of `most` people or fewer. Of those who were erased meanwhile nothing is left.
pub async fn open_answered(
    found: Vec<Told>,
    most: usize,
    keyring: &Keyring,
) -> Result<AnsweredPage, StoreError> {
    let next = found.last().map(|told| told.user).filter(|_| found.len() == most);
    let answered: Vec<(Told, bool)> =
        found.into_iter().filter_map(|told| told.approved.map(|approved| (told, approved))).collect();
    let users: Vec<UserId> = answered.iter().map(|(told, _)| told.user).collect();
    let keys = keyring.known(&users).await?;
    let open = |((told, approved), key): ((Told, bool), Option<PersonKey>)| {
        let key = key?;
        let text = open(Some(&key), column::ATTRIBUTES, told.attributes);
        let attributes = text.and_then(|text| parse_attributes(&text));
        Some(attributes.map(|attributes| Answered { attributes, approved }))
    };
    let people = answered.into_iter().zip(keys).filter_map(open).collect::<Result<_, _>>()?;
    Ok(AnsweredPage { people, next })
}
