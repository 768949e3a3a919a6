//! Decisions as those read them whom they are about.

use async_trait::async_trait;
use ecs_domain::decision::Decision;
use ecs_domain::{DecisionId, UserId};
use ecs_store::{DecisionPage, OwnDecisions, PageRequest, StoreError};
use ecs_vault::PersonKey;
use rusqlite::{Connection, OptionalExtension, params};

use super::decisions::{read, statements, with_offer};
use crate::SqliteStore;
use crate::column::{Id, IdText, count};
use crate::engine::Fault;
use crate::erasures;

#[async_trait]
impl OwnDecisions for SqliteStore {
    async fn decision(&self, user: UserId, id: DecisionId) -> Result<Option<Decision>, StoreError> {
        let key = self.keyring.known(&[user]).await?.pop().flatten();
        self.read("decisions.find", move |connection| {
            if is_over(connection, user, key.as_ref())? {
                return Ok(None);
            }
            let mut statement = connection.prepare_cached(statements::OWNED)?;
            let ids = params![IdText::new(id.uuid()), IdText::new(user.uuid())];
            let row = statement.query_row(ids, read).optional()?;
            row.map(|row| with_offer(connection, row, key.as_ref())).transpose()
        })
        .await
    }

    async fn owner_of_decision(&self, id: DecisionId) -> Result<Option<UserId>, StoreError> {
        self.read("decisions.owner", move |connection| {
            let mut statement = connection.prepare_cached(statements::OWNER)?;
            let owner =
                statement.query_row([IdText::new(id.uuid())], |row| row.get::<_, Id>(0)).optional()?;
            Ok(owner.map(|owner| UserId::new(owner.0)))
        })
        .await
    }

    async fn decisions(&self, user: UserId, page: PageRequest) -> Result<DecisionPage, StoreError> {
        let key = self.keyring.known(&[user]).await?.pop().flatten();
        self.read("decisions.page", move |connection| {
            if is_over(connection, user, key.as_ref())? {
                return Ok(DecisionPage { total: 0, items: Vec::new() });
            }
            let user = IdText::new(user.uuid());
            let total = connection.prepare_cached(statements::COUNT)?.query_row([&user], |row| row.get(0))?;
            let skip = i64::from(page.page.saturating_sub(1)) * i64::from(page.page_size);
            let mut statement = connection.prepare_cached(statements::PAGE)?;
            let rows = statement.query_map(params![user, page.page_size, skip], read)?;
            let items = rows.map(|row| with_offer(connection, row?, key.as_ref()));
            Ok(DecisionPage { total: count(total), items: items.collect::<Result<_, Fault>>()? })
        })
        .await
    }
}

/// Whether the key is gone because its person is being erased: then what it sealed is about nobody any more. Somebody from before there
/// were keys has none either, and is still there.
fn is_over(connection: &Connection, user: UserId, key: Option<&PersonKey>) -> Result<bool, Fault> {
    Ok(key.is_none() && erasures::is_asked_for(connection, user)?)
}
