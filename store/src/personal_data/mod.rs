//! Everything that is held on a person, section by section: what an archive for them is made of.

mod row;
mod sections;
mod tables;

use async_trait::async_trait;
use ecs_domain::UserId;

use crate::StoreError;

pub use row::{Hidden, PersonalRow, Unreadable};
pub use sections::Section;
pub use tables::{Held, LEFT_OUT, held_in};

/// Reads what is held on a person.
///
/// Each page is what is there at the moment when it is read, and an archive is made of many. What holds for all of them together: a row
/// that is there throughout is told exactly once, for rows come in the order of a key that no write changes. Of what comes, goes or
/// changes meanwhile, some may be told and some not.
#[async_trait]
pub trait PersonalData: Send + Sync + 'static {
    /// The rows of a section behind the one at `after`, at most `most`. Each has exactly the section's columns, in their order:
    /// times in RFC 3339 in UTC with microseconds, amounts and rates as numbers with their exact digits, ids as lower-case UUIDs.
    async fn personal_data(
        &self,
        user: UserId,
        section: Section,
        after: Option<&Place>,
        most: usize,
    ) -> Result<PersonalPage, StoreError>;

    /// How many rows a section has.
    async fn count_personal_data(&self, user: UserId, section: Section) -> Result<u64, StoreError>;
}

/// Where a page ended, in words of the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place(pub String, pub String);

/// Rows of a section.
#[derive(Debug, Clone)]
pub struct PersonalPage {
    /// In the order of the section's key.
    pub rows: Vec<PersonalRow>,
    /// Where the next page begins; `None` behind the last one.
    pub next: Option<Place>,
}

impl PersonalPage {
    /// A page of rows with their places, of which `most` were asked for. One that isn't full is the last.
    #[must_use]
    pub fn new(rows: Vec<(Place, PersonalRow)>, most: usize) -> Self {
        let is_full = rows.len() >= most;
        let next = rows.last().filter(|_| is_full).map(|(place, _)| place.clone());
        Self { rows: rows.into_iter().map(|(_, row)| row).collect(), next }
    }
}
