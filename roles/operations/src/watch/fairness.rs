//! Compares how groups are approved. Nobody who told nothing of themselves is in it, and nothing of a small group leaves this module.

use std::collections::BTreeMap;

use ecs_domain::Timestamp;
use ecs_domain::watch::{Approvals, GroupShare, Tally};
use ecs_store::watch::{Answered, AnsweredPage, Days, StandingOf};
use ecs_store::{Store, StoreError};

/// The kind of what is told of it.
pub(super) const KIND: &str = "fairness";
/// How many people are read at once.
const PAGE: usize = 500;

/// An attribute by which people are grouped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attribute {
    AgeBand,
    Region,
}

impl Attribute {
    const ALL: [Self; 2] = [Self::AgeBand, Self::Region];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::AgeBand => "age_band",
            Self::Region => "region",
        }
    }

    /// The group that somebody is in; `None` when they didn't tell.
    fn group(self, person: &Answered) -> Option<String> {
        match self {
            Self::AgeBand => person.attributes.age_band.map(|band| band.to_string()),
            Self::Region => person.attributes.region.map(|region| region.to_string()),
        }
    }

    /// What is told of a group.
    pub(super) fn of(self, group: &str) -> StandingOf {
        StandingOf { kind: KIND, model: String::new(), name: format!("{}/{group}", self.as_str()) }
    }
}

/// How the groups of each attribute were approved, as far as it may be told.
pub(crate) struct Fairness {
    pub(super) days: Days,
    pub(super) attributes: Vec<(Attribute, Approvals<String>)>,
}

/// People of each group, by attribute.
pub(super) type Counted = [BTreeMap<String, Tally>; 2];

impl Fairness {
    pub(super) fn of(days: Days, counted: &Counted) -> Self {
        let attributes = Attribute::ALL.into_iter().zip(counted.iter().map(Approvals::of)).collect();
        Self { days, attributes }
    }

    /// Every group that is told of.
    pub(super) fn groups(&self) -> impl Iterator<Item = (Attribute, &GroupShare<String>)> {
        self.attributes
            .iter()
            .flat_map(|(attribute, found)| found.groups.iter().map(move |group| (*attribute, group)))
    }
}

/// Counts people by group, a page at a time.
pub(super) async fn count(
    store: &dyn Store,
    from: Timestamp,
    until: Timestamp,
) -> Result<Counted, StoreError> {
    let (mut counted, mut after) = (Counted::default(), None);
    loop {
        let AnsweredPage { people, next } = store.answered_people(from, until, after, PAGE).await?;
        for person in people {
            for (attribute, groups) in Attribute::ALL.into_iter().zip(&mut counted) {
                if let Some(group) = attribute.group(&person) {
                    groups.entry(group).or_default().count(person.approved);
                }
            }
        }
        after = next;
        if after.is_none() {
            return Ok(counted);
        }
    }
}
