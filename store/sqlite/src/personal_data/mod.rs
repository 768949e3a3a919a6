//! Everything that is held on a person.

pub(crate) mod statements;

use async_trait::async_trait;
use ecs_domain::UserId;
use ecs_store::StoreError;
use ecs_store::personal_data::{PersonalData, PersonalPage, PersonalRow, Place, Section, Unreadable};
use ecs_vault::PersonKey;
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, Row, params};

use self::statements::{Kind, Reading};
use crate::SqliteStore;
use crate::column::{IdText, count, limit};
use crate::engine::Fault;

#[async_trait]
impl PersonalData for SqliteStore {
    async fn personal_data(
        &self,
        user: UserId,
        section: Section,
        after: Option<&Place>,
        most: usize,
    ) -> Result<PersonalPage, StoreError> {
        let after = after.cloned();
        let kept = self
            .read("personal_data.page", move |connection| page(connection, user, section, after, most))
            .await?;
        let key = self.keyring.known(&[user]).await?.pop().flatten();
        let rows: Result<_, Fault> = kept
            .into_iter()
            .map(|(place, json)| Ok((place, readable(section, &json, key.as_ref())?)))
            .collect();
        Ok(PersonalPage::new(rows?, most))
    }

    async fn count_personal_data(&self, user: UserId, section: Section) -> Result<u64, StoreError> {
        self.read("personal_data.count", move |connection| {
            let mut statement = connection.prepare_cached(statements::of(section).count)?;
            Ok(count(statement.query_row([IdText::new(user.uuid())], |row| row.get(0))?))
        })
        .await
    }
}

/// A row as the person is to see it: what stands sealed in the tables is opened here.
fn readable(section: Section, json: &str, key: Option<&PersonKey>) -> Result<PersonalRow, Fault> {
    let unreadable = |error: Unreadable| StoreError::Corrupt(error.to_string());
    Ok(PersonalRow::parse(json)?.reveal(section.hidden(), key).map_err(unreadable)?)
}

fn page(
    connection: &Connection,
    user: UserId,
    section: Section,
    after: Option<Place>,
    most: usize,
) -> Result<Vec<(Place, String)>, Fault> {
    let Reading { page, kinds, .. } = statements::of(section);
    let after = match after {
        Some(Place(first, second)) => [kinds[0].read(&first)?, kinds[1].read(&second)?],
        None => kinds.map(Kind::before_all),
    };
    let mut statement = connection.prepare_cached(page)?;
    let values = params![IdText::new(user.uuid()), after[0], after[1], limit(most)];
    let rows = statement.query_map(values, |row| Ok((read_place(row)?, row.get(2)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn read_place(row: &Row<'_>) -> rusqlite::Result<Place> {
    let text = |column: usize| {
        Ok::<_, rusqlite::Error>(match row.get_ref(column)? {
            ValueRef::Integer(number) => number.to_string(),
            ValueRef::Blob(bytes) => hex::encode(bytes),
            other => other.as_str()?.to_owned(),
        })
    };
    Ok(Place(text(0)?, text(1)?))
}

impl Kind {
    /// The value in a place.
    fn read(self, text: &str) -> Result<Value, Fault> {
        let unknown = || StoreError::Corrupt("no row of this section is at this place".to_owned());
        let value = match self {
            Self::Text => Some(Value::Text(text.to_owned())),
            Self::Number => text.parse().ok().map(Value::Integer),
            Self::Id => uuid::Uuid::parse_str(text).ok().map(|id| Value::Blob(id.as_bytes().to_vec())),
        };
        Ok(value.ok_or_else(unknown)?)
    }

    /// What comes before every value.
    fn before_all(self) -> Value {
        match self {
            Self::Text => Value::Text(String::new()),
            Self::Number => Value::Integer(i64::MIN),
            Self::Id => Value::Blob(Vec::new()),
        }
    }
}
