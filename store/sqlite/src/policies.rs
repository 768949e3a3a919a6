//! Versions of the credit policy.

use async_trait::async_trait;
use ecs_domain::{Timestamp, UserId};
use ecs_store::{
    Compared, PageRequest, PolicyChange, PolicyChanged, PolicyDraft, PolicyPage, PolicyRefusal, PolicyState,
    PolicyVersion, PolicyVersions, ScheduledPolicy, StoreError,
};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::SqliteStore;
use crate::audit;
use crate::column::{At, Id, IdText, Word, count};
use crate::engine::Fault;

pub(crate) const TAKEN: &str = "SELECT 1 FROM policies WHERE version = ?1 OR digest = ?2";
const INSERT: &str = "INSERT INTO policies (version, digest, text, author, created_at, state, active_from)
     VALUES (?1, ?2, ?3, ?4, ?5, 'draft', ?6)";
pub(crate) const FIND: &str =
    "SELECT version, digest, text, author, created_at, state, approver, approved_at, withdrawn_by, withdrawn_at,
        active_from
     FROM policies WHERE version = ?1";
pub(crate) const OF_DIGEST: &str =
    "SELECT version, digest, text, author, created_at, state, approver, approved_at, withdrawn_by, withdrawn_at,
        active_from
     FROM policies WHERE digest = ?1";
pub(crate) const LIST: &str =
    "SELECT version, digest, text, author, created_at, state, approver, approved_at, withdrawn_by, withdrawn_at,
        active_from
     FROM policies ORDER BY created_at DESC, version DESC LIMIT ?1 OFFSET ?2";
const COUNT: &str = "SELECT count(*) FROM policies";
pub(crate) const SCHEDULED: &str = "SELECT version, digest, active_from FROM policies
     WHERE state = 'approved' ORDER BY active_from, approved_at";
pub(crate) const CHANGE: &str =
    "UPDATE policies SET state = ?2, approver = ?3, approved_at = ?4, withdrawn_by = ?5,
        withdrawn_at = ?6, active_from = ?7 WHERE version = ?1";

/// What a version becomes, by whom and when.
type Step = fn(&PolicyVersion, UserId, Timestamp) -> Result<PolicyVersion, PolicyRefusal>;

#[async_trait]
impl PolicyVersions for SqliteStore {
    async fn draft_policy(&self, new: PolicyDraft) -> Result<PolicyChanged, StoreError> {
        self.write("policies.draft", move |connection| draft(connection, &new)).await
    }

    async fn approve_policy(&self, wish: PolicyChange) -> Result<PolicyChanged, StoreError> {
        self.write("policies.approve", move |connection| change(connection, &wish, PolicyVersion::approved))
            .await
    }

    async fn withdraw_policy(&self, wish: PolicyChange) -> Result<PolicyChanged, StoreError> {
        self.write("policies.withdraw", move |connection| change(connection, &wish, PolicyVersion::withdrawn))
            .await
    }

    async fn policy_versions(&self, page: PageRequest) -> Result<PolicyPage, StoreError> {
        let skip = i64::from(page.page.saturating_sub(1)) * i64::from(page.page_size);
        self.read("policies.list", move |connection| {
            let total = connection.prepare_cached(COUNT)?.query_row([], |row| row.get(0))?;
            let mut statement = connection.prepare_cached(LIST)?;
            let items = statement.query_map((page.page_size, skip), read)?;
            Ok(PolicyPage { total: count(total), items: items.collect::<Result<_, _>>()? })
        })
        .await
    }

    async fn policy_version(&self, version: &str) -> Result<Option<PolicyVersion>, StoreError> {
        let version = version.to_owned();
        self.read("policies.find", move |connection| find(connection, FIND, &version)).await
    }

    async fn policy_of_digest(&self, digest: &str) -> Result<Option<PolicyVersion>, StoreError> {
        let digest = digest.to_owned();
        self.read("policies.of_digest", move |connection| find(connection, OF_DIGEST, &digest)).await
    }

    async fn scheduled_policies(&self) -> Result<Vec<ScheduledPolicy>, StoreError> {
        self.read("policies.scheduled", |connection| {
            let mut statement = connection.prepare_cached(SCHEDULED)?;
            let read = |row: &Row<'_>| {
                let active_from = row.get::<_, At>(2)?.0;
                Ok(ScheduledPolicy { version: row.get(0)?, digest: row.get(1)?, active_from })
            };
            Ok(statement.query_map([], read)?.collect::<Result<_, _>>()?)
        })
        .await
    }
}

/// Nobody else writes meanwhile, so what is free stays free until the end.
fn draft(connection: &Connection, new: &PolicyDraft) -> Result<PolicyChanged, Fault> {
    if connection.prepare_cached(TAKEN)?.exists((&new.version, &new.digest))? {
        return Ok(PolicyChanged::Taken);
    }
    connection.prepare_cached(INSERT)?.execute(params![
        new.version,
        new.digest,
        new.text,
        IdText::new(new.author.uuid()),
        At(new.now),
        At(new.active_from),
    ])?;
    told(connection, &new.version, None, &new.compared)
}

fn change(connection: &Connection, wish: &PolicyChange, step: Step) -> Result<PolicyChanged, Fault> {
    let Some(before) = find(connection, FIND, &wish.version)? else { return Ok(PolicyChanged::Unknown) };
    let after = match step(&before, wish.by, wish.now) {
        Ok(after) => after,
        Err(refusal) => return Ok(PolicyChanged::Refused(refusal)),
    };
    connection.prepare_cached(CHANGE)?.execute(params![
        after.version,
        after.state.as_str(),
        after.approver.map(|user| IdText::new(user.uuid())),
        after.approved_at.map(At),
        after.withdrawn_by.map(|user| IdText::new(user.uuid())),
        after.withdrawn_at.map(At),
        At(after.active_from),
    ])?;
    told(connection, &wish.version, Some(before.state), &wish.compared)
}

/// Writes the entry about what stands there now, and returns it.
fn told(
    connection: &Connection,
    version: &str,
    before: Option<PolicyState>,
    compared: &Compared,
) -> Result<PolicyChanged, Fault> {
    let Some(kept) = find(connection, FIND, version)? else { return Ok(PolicyChanged::Unknown) };
    audit::note(connection, &kept.entry(before, compared))?;
    Ok(PolicyChanged::Done(Box::new(kept)))
}

fn find(connection: &Connection, sql: &str, by: &str) -> Result<Option<PolicyVersion>, Fault> {
    Ok(connection.prepare_cached(sql)?.query_row([by], read).optional()?)
}

fn read(row: &Row<'_>) -> rusqlite::Result<PolicyVersion> {
    let user = |column: &str| {
        Ok::<_, rusqlite::Error>(row.get::<_, Option<Id>>(column)?.map(|id| UserId::new(id.0)))
    };
    let at = |column: &str| Ok::<_, rusqlite::Error>(row.get::<_, Option<At>>(column)?.map(|at| at.0));
    Ok(PolicyVersion {
        version: row.get("version")?,
        digest: row.get("digest")?,
        text: row.get("text")?,
        author: UserId::new(row.get::<_, Id>("author")?.0),
        created_at: row.get::<_, At>("created_at")?.0,
        state: row.get::<_, Word<_>>("state")?.0,
        approver: user("approver")?,
        approved_at: at("approved_at")?,
        withdrawn_by: user("withdrawn_by")?,
        withdrawn_at: at("withdrawn_at")?,
        active_from: row.get::<_, At>("active_from")?.0,
    })
}
