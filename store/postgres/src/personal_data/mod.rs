//! Everything that is held on a person.

pub(crate) mod statements;

use async_trait::async_trait;
use ecs_domain::UserId;
use ecs_store::StoreError;
use ecs_store::personal_data::{PersonalData, PersonalPage, PersonalRow, Place, Section, Unreadable};
use ecs_vault::PersonKey;
use tokio_postgres::Row;

use self::statements::Reading;
use crate::PostgresStore;
use crate::column::{get, limit, unsigned};
use crate::engine::{Call, Fault};

#[async_trait]
impl PersonalData for PostgresStore {
    async fn personal_data(
        &self,
        user: UserId,
        section: Section,
        after: Option<&Place>,
        most: usize,
    ) -> Result<PersonalPage, StoreError> {
        let Reading { page, before_all: [first, second], .. } = statements::of(section);
        let before_all = Place(first.to_owned(), second.to_owned());
        let Place(first, second) = after.unwrap_or(&before_all);
        let (owner, asked) = (&user.uuid(), &limit(most));
        let kept = self
            .primary
            .run(Call::long("personal_data.page"), |session| async move {
                let mut flight = session.flight();
                flight.begin_long();
                let rows = flight.add(page, &[owner, first, second, asked]);
                flight.commit();
                let rows = flight.send().await?.take(rows).rows;
                rows.iter().map(read).collect::<Result<Vec<_>, _>>()
            })
            .await?;
        let key = self.keyring.known(&[user]).await?.pop().flatten();
        let rows: Result<_, Fault> = kept
            .into_iter()
            .map(|(place, json)| Ok((place, readable(section, &json, key.as_ref())?)))
            .collect();
        Ok(PersonalPage::new(rows?, most))
    }

    async fn count_personal_data(&self, user: UserId, section: Section) -> Result<u64, StoreError> {
        let (owner, count) = (&user.uuid(), statements::of(section).count);
        self.primary
            .run(Call::long("personal_data.count"), |session| async move {
                let mut flight = session.flight();
                flight.begin_long();
                let counted = flight.add(count, &[owner]);
                flight.commit();
                Ok(unsigned(flight.send().await?.take(counted).only()?))
            })
            .await
    }
}

fn read(row: &Row) -> Result<(Place, String), Fault> {
    Ok((Place(get(row, "place")?, get(row, "and_then")?), get(row, "told")?))
}

/// A row as the person is to see it: what stands sealed in the tables is opened here.
fn readable(section: Section, json: &str, key: Option<&PersonKey>) -> Result<PersonalRow, Fault> {
    let broken = |error: serde_json::Error| StoreError::Corrupt(format!("a row is no JSON: {error}"));
    let unreadable = |error: Unreadable| StoreError::Corrupt(error.to_string());
    Ok(PersonalRow::parse(json).map_err(broken)?.reveal(section.hidden(), key).map_err(unreadable)?)
}
