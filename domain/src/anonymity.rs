//! Turning people's months into rows that tell nobody apart: k-anonymity over age band and region, with a fixed lattice.
//!
//! People who say the same of age and region are a group. A group of at least `k` people is released as it is. Who is left over is
//! generalised by one step of [`LATTICE`] and grouped again among themselves; who is still left over at its end is suppressed. Within a group
//! of the result, a measure of which everybody has the same value is withheld: whoever knows that somebody is in the group
//! would know it of them. Both are checked again over the finished rows, and a release that fails is not made.
//!
//! Not protected: that a value is likely in a group, and what several exports tell together.

use std::collections::BTreeSet;
use std::fmt;

use crate::attributes::{AgeBand, Attributes, Region};
use crate::measures::{Cell, Measures};

/// How many people share a row's age and region at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct K(usize);

impl K {
    /// The least that there may be, and what holds unless more is asked for.
    pub const LEAST: Self = Self(10);
    /// More makes no sense: nearly everybody is suppressed.
    pub const MOST: usize = 1_000;

    /// `None` when it is less than ten or absurd.
    #[must_use]
    pub fn new(people: usize) -> Option<Self> {
        (Self::LEAST.0..=Self::MOST).contains(&people).then_some(Self(people))
    }

    /// As a number.
    #[must_use]
    pub const fn get(self) -> usize {
        self.0
    }
}

/// Stands for a person, and for nothing outside its export's period.
pub type Pseudonym = [u8; 16];

/// What goes in: one for each person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// Who it is, without telling.
    pub pseudonym: Pseudonym,
    /// What the person told of themselves.
    pub attributes: Attributes,
    /// What they did.
    pub measures: Measures,
}

/// An age as a row tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Age {
    /// As it was told.
    Band(AgeBand),
    /// Two bands in one: `18-34`, `35-54`, `55+`.
    Wide(&'static str),
    /// The person didn't tell.
    Unknown,
    /// Any, or none.
    Any,
}

/// A place as a row tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// As it was told, or its country.
    Region(Region),
    /// The person didn't tell.
    Unknown,
    /// Anywhere, or nowhere.
    Any,
}

/// What tells groups apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Group {
    /// How old.
    pub age: Age,
    /// From where.
    pub place: Place,
}

/// A row of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Its group.
    pub group: Group,
    /// Whose it is, without telling.
    pub pseudonym: Pseudonym,
    /// What they did, as far as it is told.
    pub measures: Measures,
}

/// What may be given out. The rows of a group stand together, in an order that says nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    rows: Vec<Row>,
    summary: Summary,
}

/// What became of everybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// People who went in.
    pub people: usize,
    /// Rows that were released, one for each person.
    pub rows: usize,
    /// Of those: in a wider group than the person told.
    pub generalised: usize,
    /// Groups that were released.
    pub groups: usize,
    /// Groups as told of which people were suppressed.
    pub suppressed_cells: usize,
    /// People who were suppressed.
    pub suppressed_people: usize,
    /// Values that were withheld, because everybody in the group has the same.
    pub withheld_values: usize,
}

/// The finished rows didn't pass the check. A defect of this module, of which nothing must get out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsafe {
    /// A group has too few people.
    SmallGroup,
    /// Everybody in a group has the same value of a measure that is told.
    Homogeneous,
    /// People are not accounted for.
    Miscounted,
}

impl fmt::Display for Unsafe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SmallGroup => "a group has too few people",
            Self::Homogeneous => "everybody in a group has the same value",
            Self::Miscounted => "people are not accounted for",
        })
    }
}

impl std::error::Error for Unsafe {}

/// Makes a group out of what was told.
type Level = fn(&Attributes) -> Group;

/// The steps, the finest first: as told; the region's country; the country and a wider band; a wider band alone; nothing.
pub const LATTICE: [Level; 5] = [
    |told| Group { age: band(told), place: place(told) },
    |told| Group { age: band(told), place: country(told) },
    |told| Group { age: wide(told), place: country(told) },
    |told| Group { age: wide(told), place: Place::Any },
    |_| Group { age: Age::Any, place: Place::Any },
];

fn band(told: &Attributes) -> Age {
    told.age_band.map_or(Age::Unknown, Age::Band)
}

fn wide(told: &Attributes) -> Age {
    told.age_band.map_or(Age::Unknown, |band| match band {
        AgeBand::From18 | AgeBand::From25 => Age::Wide("18-34"),
        AgeBand::From35 | AgeBand::From45 => Age::Wide("35-54"),
        AgeBand::From55 | AgeBand::From65 => Age::Wide("55+"),
    })
}

fn place(told: &Attributes) -> Place {
    told.region.map_or(Place::Unknown, Place::Region)
}

fn country(told: &Attributes) -> Place {
    told.region.map_or(Place::Unknown, |region| Place::Region(region.country()))
}

impl Release {
    /// Makes what may be given out of `records`. Of several with one pseudonym the first counts.
    ///
    /// # Errors
    /// The check over the finished rows failed; then there is no release.
    pub fn of(records: Vec<Record>, k: K) -> Result<Self, Unsafe> {
        let mut waiting = distinct(records);
        let mut summary = Summary { people: waiting.len(), ..Summary::default() };
        let mut rows = Vec::with_capacity(waiting.len());
        for (step, level) in LATTICE.into_iter().enumerate() {
            let before = rows.len();
            waiting = split(waiting, level, k, &mut rows);
            summary.generalised += if step == 0 { 0 } else { rows.len() - before };
        }
        let cells: BTreeSet<Group> = waiting.iter().map(|left| LATTICE[0](&left.attributes)).collect();
        summary.suppressed_cells = cells.len();
        summary.suppressed_people = waiting.len();
        rows.sort_unstable_by_key(|row| (row.group, row.pseudonym));
        summary.withheld_values = withhold(&mut rows);
        summary.rows = rows.len();
        summary.groups = groups(&rows).count();
        let release = Self { rows, summary };
        release.check(k).map(|()| release)
    }

    /// The rows.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// What became of everybody.
    #[must_use]
    pub fn summary(&self) -> Summary {
        self.summary
    }

    /// Looks at the rows alone, as whoever gets them does.
    fn check(&self, k: K) -> Result<(), Unsafe> {
        let Summary { people, rows, suppressed_people, .. } = self.summary;
        if rows != self.rows.len() || rows + suppressed_people != people {
            return Err(Unsafe::Miscounted);
        }
        for group in groups(&self.rows) {
            let distinct: BTreeSet<Pseudonym> = group.iter().map(|row| row.pseudonym).collect();
            if distinct.len() < k.get() {
                return Err(Unsafe::SmallGroup);
            }
            if (0..first_measures(group).len()).any(|column| same(group, column).is_some_and(is_told)) {
                return Err(Unsafe::Homogeneous);
            }
        }
        Ok(())
    }
}

/// The records of distinct people.
fn distinct(mut records: Vec<Record>) -> Vec<Record> {
    records.sort_by_key(|record| record.pseudonym);
    records.dedup_by_key(|record| record.pseudonym);
    records
}

/// Releases the groups of this level that are large enough, and returns who is left over.
fn split(mut waiting: Vec<Record>, level: Level, k: K, rows: &mut Vec<Row>) -> Vec<Record> {
    waiting.sort_by_key(|record| level(&record.attributes));
    let mut left = Vec::new();
    for people in waiting.chunk_by(|one, other| level(&one.attributes) == level(&other.attributes)) {
        if people.len() < k.get() {
            left.extend_from_slice(people);
            continue;
        }
        rows.extend(people.iter().map(|person| Row {
            group: level(&person.attributes),
            pseudonym: person.pseudonym,
            measures: person.measures,
        }));
    }
    left
}

/// The rows of each group. Rows of one group stand together.
fn groups(rows: &[Row]) -> impl Iterator<Item = &[Row]> {
    rows.chunk_by(|one, other| one.group == other.group)
}

/// Withholds each measure of which a group has one value only. Returns how many values that are.
fn withhold(rows: &mut [Row]) -> usize {
    let mut withheld = 0;
    for group in rows.chunk_by_mut(|one, other| one.group == other.group) {
        for column in 0..first_measures(group).len() {
            if same(group, column).is_some_and(is_told) {
                group.iter_mut().for_each(|row| row.measures.0[column] = Cell::Withheld);
                withheld += group.len();
            }
        }
    }
    withheld
}

fn first_measures(group: &[Row]) -> &[Cell] {
    group.first().map_or(&[], |row| &row.measures.0)
}

/// The one value that all of them have, if they do.
fn same(group: &[Row], column: usize) -> Option<Cell> {
    let value = group.first()?.measures.0[column];
    group.iter().all(|row| row.measures.0[column] == value).then_some(value)
}

/// That nobody has a value is told, too: it says that nobody agreed, or that nothing happened.
fn is_told(cell: Cell) -> bool {
    cell != Cell::Withheld
}

#[cfg(test)]
mod tests;
