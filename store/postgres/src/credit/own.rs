//! Decisions as those read them whom they are about.

use async_trait::async_trait;
use ecs_domain::decision::Decision;
use ecs_domain::{DecisionId, UserId};
use ecs_store::{DecisionPage, OwnDecisions, PageRequest, StoreError};
use ecs_vault::PersonKey;

use super::decisions::{read, statements};
use crate::PostgresStore;
use crate::column::{get, unsigned};
use crate::engine::{Call, Fault, Session};
use crate::erasures;

#[async_trait]
impl OwnDecisions for PostgresStore {
    async fn decision(&self, user: UserId, id: DecisionId) -> Result<Option<Decision>, StoreError> {
        let key = self.keyring.known(&[user]).await?.pop().flatten();
        let key = key.as_ref();
        self.primary
            .run(Call::quick("decisions.find"), |session| async move {
                if is_over(&session, user, key).await? {
                    return Ok(None);
                }
                let found = session.query(statements::OWNED, &[&id.uuid(), &user.uuid()]).await?;
                found.first().map(|row| Ok(read(row)?.open(key)?)).transpose()
            })
            .await
    }

    async fn owner_of_decision(&self, id: DecisionId) -> Result<Option<UserId>, StoreError> {
        self.primary
            .run(Call::quick("decisions.owner"), |session| async move {
                let found = session.query(statements::OWNER, &[&id.uuid()]).await?;
                found.first().map(|row| get(row, "user_id").map(UserId::new)).transpose()
            })
            .await
    }

    async fn decisions(&self, user: UserId, page: PageRequest) -> Result<DecisionPage, StoreError> {
        let key = self.keyring.known(&[user]).await?.pop().flatten();
        let key = key.as_ref();
        self.read_about(user, "decisions.page", |session| async move {
            self::page(&session, user, page, key).await
        })
        .await
    }
}

/// Total and page come in one flight, which is one snapshot only within a transaction.
async fn page(
    session: &Session,
    user: UserId,
    page: PageRequest,
    key: Option<&PersonKey>,
) -> Result<DecisionPage, Fault> {
    if is_over(session, user, key).await? {
        return Ok(DecisionPage { total: 0, items: Vec::new() });
    }
    let skip = i64::from(page.page.saturating_sub(1)) * i64::from(page.page_size);
    let (id, size) = (user.uuid(), i64::from(page.page_size));
    let mut flight = session.flight();
    let total = flight.add(statements::COUNT, &[&id]);
    let rows = flight.add(statements::PAGE, &[&id, &size, &skip]);
    let mut answers = flight.send().await?;
    let total = answers.take(total).only().map(unsigned)?;
    let items =
        answers.take(rows).rows.iter().map(|row| Ok(read(row)?.open(key)?)).collect::<Result<_, Fault>>()?;
    Ok(DecisionPage { total, items })
}

/// Whether the key is gone because its person is being erased: then what it sealed is about nobody any more. Somebody from before there
/// were keys has none either, and is still there.
async fn is_over(session: &Session, user: UserId, key: Option<&PersonKey>) -> Result<bool, Fault> {
    if key.is_some() {
        return Ok(false);
    }
    session.query(erasures::IS_ASKED_FOR, &[&user.uuid()]).await?.only()
}
