//! Versions of the credit policy.

use async_trait::async_trait;
use ecs_domain::{Timestamp, UserId};
use ecs_store::{
    PageRequest, PolicyChange, PolicyChanged, PolicyDraft, PolicyPage, PolicyRefusal, PolicyVersion,
    PolicyVersions, ScheduledPolicy, StoreError,
};
use tokio_postgres::Row;

use crate::PostgresStore;
use crate::audit::{self, EntryRow};
use crate::column::{get, micros, unsigned, word};
use crate::engine::{Call, Fault, Session};

/// Waits for whoever drafts the same, and then finds it there.
const INSERT: &str = "INSERT INTO policies (version, digest, text, author, created_at, state, active_from)
     VALUES ($1, $2, $3, $4, $5, 'draft', $6) ON CONFLICT DO NOTHING";
pub(crate) const FIND: &str =
    "SELECT version, digest, text, author, created_at, state, approver, approved_at, withdrawn_by, withdrawn_at,
        active_from
     FROM policies WHERE version = $1";
/// The same, and makes others wait who want to change it.
pub(crate) const LOCK: &str =
    "SELECT version, digest, text, author, created_at, state, approver, approved_at, withdrawn_by, withdrawn_at,
        active_from
     FROM policies WHERE version = $1 FOR UPDATE";
pub(crate) const OF_DIGEST: &str =
    "SELECT version, digest, text, author, created_at, state, approver, approved_at, withdrawn_by, withdrawn_at,
        active_from
     FROM policies WHERE digest = $1";
pub(crate) const LIST: &str =
    "SELECT version, digest, text, author, created_at, state, approver, approved_at, withdrawn_by, withdrawn_at,
        active_from
     FROM policies ORDER BY created_at DESC, version DESC LIMIT $1 OFFSET $2";
const COUNT: &str = "SELECT count(*) FROM policies";
pub(crate) const SCHEDULED: &str = "SELECT version, digest, active_from FROM policies
     WHERE state = 'approved' ORDER BY active_from, approved_at";
pub(crate) const CHANGE: &str =
    "UPDATE policies SET state = $2, approver = $3, approved_at = $4, withdrawn_by = $5,
        withdrawn_at = $6, active_from = $7 WHERE version = $1";

/// What a version becomes, by whom and when.
type Step = fn(&PolicyVersion, UserId, Timestamp) -> Result<PolicyVersion, PolicyRefusal>;

#[async_trait]
impl PolicyVersions for PostgresStore {
    async fn draft_policy(&self, new: PolicyDraft) -> Result<PolicyChanged, StoreError> {
        let new = &new;
        self.primary
            .run(Call::quick("policies.draft"), |session| async move { draft(&session, new).await })
            .await
    }

    async fn approve_policy(&self, wish: PolicyChange) -> Result<PolicyChanged, StoreError> {
        let wish = &wish;
        self.primary
            .run(Call::quick("policies.approve"), |session| async move {
                change(&session, wish, PolicyVersion::approved).await
            })
            .await
    }

    async fn withdraw_policy(&self, wish: PolicyChange) -> Result<PolicyChanged, StoreError> {
        let wish = &wish;
        self.primary
            .run(Call::quick("policies.withdraw"), |session| async move {
                change(&session, wish, PolicyVersion::withdrawn).await
            })
            .await
    }

    async fn policy_versions(&self, page: PageRequest) -> Result<PolicyPage, StoreError> {
        let skip = &(i64::from(page.page.saturating_sub(1)) * i64::from(page.page_size));
        let size = &i64::from(page.page_size);
        self.primary
            .run(Call::quick("policies.list"), |session| async move {
                let mut flight = session.flight();
                let (total, list) = (flight.add(COUNT, &[]), flight.add(LIST, &[size, skip]));
                let mut answers = flight.send().await?;
                let items = answers.take(list).rows.iter().map(read).collect::<Result<_, _>>()?;
                Ok(PolicyPage { total: unsigned(answers.take(total).only()?), items })
            })
            .await
    }

    async fn policy_version(&self, version: &str) -> Result<Option<PolicyVersion>, StoreError> {
        self.primary
            .run(Call::quick("policies.find"), |session| async move { find(&session, FIND, version).await })
            .await
    }

    async fn policy_of_digest(&self, digest: &str) -> Result<Option<PolicyVersion>, StoreError> {
        self.primary
            .run(Call::quick("policies.of_digest"), |session| async move {
                find(&session, OF_DIGEST, digest).await
            })
            .await
    }

    async fn scheduled_policies(&self) -> Result<Vec<ScheduledPolicy>, StoreError> {
        self.primary
            .run(Call::quick("policies.scheduled"), |session| async move {
                session.query(SCHEDULED, &[]).await?.rows.iter().map(read_scheduled).collect()
            })
            .await
    }
}

async fn find(session: &Session, sql: &'static str, by: &str) -> Result<Option<PolicyVersion>, Fault> {
    session.query(sql, &[&by]).await?.first().map(read).transpose()
}

async fn draft(session: &Session, new: &PolicyDraft) -> Result<PolicyChanged, Fault> {
    let kept = as_kept(PolicyVersion::draft(new));
    let author = kept.author.uuid();
    let entry = kept.entry(None, &new.compared);
    let entry = EntryRow::new(&entry);
    let mut flight = session.flight();
    flight.begin();
    let insert = flight.add(
        INSERT,
        &[&kept.version, &kept.digest, &kept.text, &author, &kept.created_at, &kept.active_from],
    );
    if flight.send().await?.take(insert).changed == 0 {
        return undo(session, PolicyChanged::Taken).await;
    }
    let mut flight = session.flight();
    audit::note(&mut flight, &entry);
    flight.commit();
    flight.send().await?;
    Ok(PolicyChanged::Done(Box::new(kept)))
}

/// The row is locked before it is looked at, so what it is judged by stands until the end.
async fn change(session: &Session, wish: &PolicyChange, step: Step) -> Result<PolicyChanged, Fault> {
    let mut flight = session.flight();
    flight.begin();
    let locked = flight.add(LOCK, &[&wish.version]);
    let Some(before) = flight.send().await?.take(locked).first().map(read).transpose()? else {
        return undo(session, PolicyChanged::Unknown).await;
    };
    let after = match step(&before, wish.by, wish.now) {
        Ok(after) => as_kept(after),
        Err(refusal) => return undo(session, PolicyChanged::Refused(refusal)).await,
    };
    let (state, approver) = (after.state.as_str(), after.approver.map(|user| user.uuid()));
    let withdrawn_by = after.withdrawn_by.map(|user| user.uuid());
    let entry = after.entry(Some(before.state), &wish.compared);
    let entry = EntryRow::new(&entry);
    let mut flight = session.flight();
    flight.add(
        CHANGE,
        &[
            &after.version,
            &state,
            &approver,
            &after.approved_at,
            &withdrawn_by,
            &after.withdrawn_at,
            &after.active_from,
        ],
    );
    audit::note(&mut flight, &entry);
    flight.commit();
    flight.send().await?;
    Ok(PolicyChanged::Done(Box::new(after)))
}

async fn undo(session: &Session, changed: PolicyChanged) -> Result<PolicyChanged, Fault> {
    let mut flight = session.flight();
    flight.roll_back();
    flight.send().await?;
    Ok(changed)
}

/// The version as it is read again: with whole microseconds.
fn as_kept(version: PolicyVersion) -> PolicyVersion {
    PolicyVersion {
        created_at: micros(version.created_at),
        approved_at: version.approved_at.map(micros),
        withdrawn_at: version.withdrawn_at.map(micros),
        active_from: micros(version.active_from),
        ..version
    }
}

fn read(row: &Row) -> Result<PolicyVersion, Fault> {
    Ok(PolicyVersion {
        version: get(row, "version")?,
        digest: get(row, "digest")?,
        text: get(row, "text")?,
        author: UserId::new(get(row, "author")?),
        created_at: get(row, "created_at")?,
        state: word(row, "state")?,
        approver: get::<_, Option<_>>(row, "approver")?.map(UserId::new),
        approved_at: get(row, "approved_at")?,
        withdrawn_by: get::<_, Option<_>>(row, "withdrawn_by")?.map(UserId::new),
        withdrawn_at: get(row, "withdrawn_at")?,
        active_from: get(row, "active_from")?,
    })
}

fn read_scheduled(row: &Row) -> Result<ScheduledPolicy, Fault> {
    Ok(ScheduledPolicy {
        version: get(row, "version")?,
        digest: get(row, "digest")?,
        active_from: get(row, "active_from")?,
    })
}
