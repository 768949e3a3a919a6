//! What a draft means for groups of people, as far as they told of themselves and are many.
//!
//! A group of fewer than [`LEAST_PEOPLE`] people isn't told, and only counted. When those who are not told are fewer than
//! that together, one more group isn't told, either: else what it hides would be what is missing from the whole.

use std::collections::{BTreeMap, BTreeSet};

use super::Share;
use crate::UserId;
use crate::anonymity::K;
use crate::attributes::{AgeBand, Attributes, Region};

/// How many people a group has at least that is told.
pub const LEAST_PEOPLE: usize = K::LEAST.get();

/// People who say the same of one thing; `None` of those who don't say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Group {
    /// By age.
    Age(Option<AgeBand>),
    /// By where they live.
    Region(Option<Region>),
}

/// What a draft means for a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupReport {
    /// Whom.
    pub group: Group,
    /// Approved then.
    pub recorded: Share,
    /// Approved by the draft.
    pub drafted: Share,
    /// Denied then, and approved by the draft.
    pub gained: u64,
    /// Approved then, and denied by the draft.
    pub lost: u64,
}

/// Groups that are not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Suppressed {
    /// How many groups.
    pub groups: u64,
    /// How many decisions were about people in them.
    pub decisions: u64,
}

/// All groups by one thing each.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Groups {
    /// By age.
    pub ages: Vec<GroupReport>,
    /// Of those by age.
    pub ages_suppressed: Suppressed,
    /// By region.
    pub regions: Vec<GroupReport>,
    /// Of those by region.
    pub regions_suppressed: Suppressed,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct GroupTallies(BTreeMap<Group, Tally>);

#[derive(Debug, Clone, PartialEq, Default)]
struct Tally {
    decisions: u64,
    recorded: u64,
    drafted: u64,
    gained: u64,
    lost: u64,
    /// The first ids of those who are in it: no more than it takes to know that they are enough.
    people: BTreeSet<UserId>,
}

impl Group {
    /// Its name: what was told, or `unknown`.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Age(band) => band.map_or("unknown", AgeBand::as_str),
            Self::Region(region) => region.as_ref().map_or("unknown", Region::as_str),
        }
    }
}

impl GroupTallies {
    pub(super) fn take(&mut self, user: UserId, told: Attributes, recorded: bool, drafted: bool) {
        for group in [Group::Age(told.age_band), Group::Region(told.region)] {
            let tally = self.0.entry(group).or_default();
            tally.decisions += 1;
            tally.recorded += u64::from(recorded);
            tally.drafted += u64::from(drafted);
            tally.gained += u64::from(drafted && !recorded);
            tally.lost += u64::from(recorded && !drafted);
            tally.add(user);
        }
    }

    pub(super) fn merge(&mut self, other: Self) {
        for (group, more) in other.0 {
            let tally = self.0.entry(group).or_default();
            tally.decisions += more.decisions;
            tally.recorded += more.recorded;
            tally.drafted += more.drafted;
            tally.gained += more.gained;
            tally.lost += more.lost;
            more.people.into_iter().for_each(|user| tally.add(user));
        }
    }

    pub(super) fn report(&self) -> Groups {
        let by = |wanted: fn(&Group) -> bool| told(self.0.iter().filter(move |(group, _)| wanted(group)));
        let (ages, ages_suppressed) = by(|group| matches!(group, Group::Age(_)));
        let (regions, regions_suppressed) = by(|group| matches!(group, Group::Region(_)));
        Groups { ages, ages_suppressed, regions, regions_suppressed }
    }
}

/// Those that may be told, and how much isn't.
fn told<'a>(groups: impl Iterator<Item = (&'a Group, &'a Tally)>) -> (Vec<GroupReport>, Suppressed) {
    let (mut told, mut hidden): (Vec<_>, Vec<_>) = groups.partition(|(_, tally)| tally.is_many());
    let people: BTreeSet<UserId> =
        hidden.iter().flat_map(|(_, tally)| tally.people.iter().copied()).collect();
    if !hidden.is_empty() && people.len() < LEAST_PEOPLE {
        let least = told.iter().enumerate().min_by_key(|(_, (_, tally))| tally.decisions).map(|(at, _)| at);
        hidden.extend(least.map(|at| told.remove(at)));
    }
    let suppressed = Suppressed {
        groups: hidden.len() as u64,
        decisions: hidden.iter().map(|(_, tally)| tally.decisions).sum(),
    };
    (told.into_iter().map(|(group, tally)| tally.report(*group)).collect(), suppressed)
}

impl Tally {
    fn add(&mut self, user: UserId) {
        self.people.insert(user);
        // Those with the lowest ids stay, so that no order of decisions makes a difference.
        if self.people.len() > LEAST_PEOPLE {
            self.people.pop_last();
        }
    }

    fn is_many(&self) -> bool {
        self.people.len() >= LEAST_PEOPLE
    }

    fn report(&self, group: Group) -> GroupReport {
        let share = |count| Share { count, of: self.decisions };
        let (recorded, drafted) = (share(self.recorded), share(self.drafted));
        GroupReport { group, recorded, drafted, gained: self.gained, lost: self.lost }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    /// So many people in each band, one decision each; the band is named by its place.
    fn found(people: &[(usize, u128)]) -> Groups {
        let mut tallies = GroupTallies::default();
        let mut next = 0;
        for (band, count) in people {
            let age_band = AgeBand::ALL.get(*band).copied();
            for _ in 0..*count {
                next += 1;
                let user = UserId::new(Uuid::from_u128(next));
                tallies.take(user, Attributes { age_band, region: None }, true, next % 2 == 0);
            }
        }
        tallies.report()
    }

    #[test]
    fn small_groups_are_counted_and_not_told() {
        let check = |people: &[(usize, u128)], expect: &[&str], groups: u64, decisions: u64| {
            let found = found(people);
            let names: Vec<_> = found.ages.iter().map(|it| it.group.name()).collect();
            assert_eq!((names, found.ages_suppressed), (expect.to_vec(), Suppressed { groups, decisions }));
            let told: u64 = found.ages.iter().map(|it| it.recorded.of).sum();
            assert_eq!(told + decisions, people.iter().map(|(_, count)| *count as u64).sum::<u64>());
        };
        check(&[], &[], 0, 0);
        check(&[(0, 9)], &[], 1, 9);
        check(&[(0, 10)], &["18-24"], 0, 0);
        // What is missing from the whole would be the one group.
        check(&[(0, 1), (1, 20), (2, 10)], &["25-34"], 2, 11);
        check(&[(0, 5), (1, 20), (2, 6)], &["25-34"], 2, 11);
        check(&[(6, 30), (3, 12)], &["unknown", "45-54"], 0, 0);
    }

    /// Ten decisions about one person are still one person.
    #[test]
    fn people_are_counted_and_not_decisions() {
        let mut tallies = GroupTallies::default();
        for _ in 0..50 {
            tallies.take(UserId::new(Uuid::from_u128(1)), Attributes::default(), true, false);
        }
        assert_eq!(tallies.report().ages_suppressed, Suppressed { groups: 1, decisions: 50 });
        for user in 2..=10 {
            tallies.take(UserId::new(Uuid::from_u128(user)), Attributes::default(), false, true);
        }
        let groups = tallies.report();
        let [told] = groups.regions.as_slice() else { panic!("one group") };
        assert_eq!((told.lost, told.gained, told.group.name()), (50, 9, "unknown"));
        assert_eq!((told.recorded, told.drafted), (Share { count: 50, of: 59 }, Share { count: 9, of: 59 }));
    }
}
