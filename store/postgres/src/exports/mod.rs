//! Archives of what is held on a person, and who builds them.

mod chunks;
pub(crate) mod statements;

use std::time::Duration;

use async_trait::async_trait;
use ecs_domain::{ExportId, Timestamp, UserId};
use ecs_store::audit::{Act, NewEntry};
use ecs_store::{
    Export, ExportEnd, ExportHold, ExportState, Exports, NewExport, Progress, RequestedExport, StoreError,
};
use tokio_postgres::Row;
use uuid::Uuid;

use self::statements::{
    ADVANCE, ANY_DUE, CHUNK, CLAIM, DROP_CHUNKS, DROP_LATER_CHUNKS, END, EXPIRE, FIND, INSERT, LIST,
    PUSH_OUT, REMOVE, UNDER_WAY, WRITE_CHUNK,
};
use crate::PostgresStore;
use crate::audit::{self, EntryRow};
use crate::column::{count, get, limit, micros, signed, small, small_signed, unsigned, word};
use crate::engine::{Call, Fault, Session};
use crate::leases::Claim;
use crate::users;

const CLAIMED: Claim = Claim { any_due: ANY_DUE, claim: CLAIM, clear: DROP_CHUNKS };

#[async_trait]
impl Exports for PostgresStore {
    async fn request_export(&self, request: NewExport) -> Result<RequestedExport, StoreError> {
        let request = &request;
        self.primary
            .run(Call::quick("exports.request"), |session| async move { ask(&session, request).await })
            .await
    }

    async fn exports(&self, user: UserId) -> Result<Vec<Export>, StoreError> {
        let user = &user.uuid();
        self.primary
            .run(Call::quick("exports.list"), |session| async move {
                session.query(LIST, &[user]).await?.rows.iter().map(read).collect()
            })
            .await
    }

    async fn export(&self, user: UserId, id: ExportId) -> Result<Option<Export>, StoreError> {
        let (user, id) = (&user.uuid(), &id.uuid());
        self.primary
            .run(Call::quick("exports.find"), |session| async move {
                session.query(FIND, &[id, user]).await?.first().map(read).transpose()
            })
            .await
    }

    async fn claim_export(&self, now: Timestamp, lease: Duration) -> Result<Option<ExportHold>, StoreError> {
        let until = &micros(now.saturating_add(lease).unwrap_or(Timestamp::MAX));
        let now = &micros(now);
        self.primary
            .run(Call::quick("exports.claim"), |session| async move {
                CLAIMED.next(&session, now, until, read_hold).await
            })
            .await
    }

    async fn advance_export(
        &self,
        hold: ExportHold,
        progress: Progress,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        let (id, attempt, until) = (&hold.id.uuid(), &small_signed(hold.attempt), &micros(until));
        let (done, total) = (&signed(progress.done), &signed(progress.total));
        self.primary
            .run(Call::quick("exports.advance"), |session| async move {
                Ok(session.query(ADVANCE, &[id, attempt, done, total, until]).await?.changed > 0)
            })
            .await
    }

    async fn write_export_chunk(
        &self,
        hold: ExportHold,
        chunk: u32,
        bytes: Vec<u8>,
    ) -> Result<bool, StoreError> {
        let sealed = &self.sealed(hold.user, bytes).await?;
        let (id, attempt, chunk) = (&hold.id.uuid(), &small_signed(hold.attempt), &small_signed(chunk));
        self.primary
            .run(Call::quick("exports.write_chunk"), |session| async move {
                Ok(session.query(WRITE_CHUNK, &[id, attempt, chunk, sealed]).await?.changed > 0)
            })
            .await
    }

    async fn end_export(&self, hold: ExportHold, end: ExportEnd) -> Result<bool, StoreError> {
        let end = &end;
        self.primary
            .run(Call::quick("exports.end"), |session| async move { finish(&session, hold, end).await })
            .await
    }

    async fn export_chunk(
        &self,
        user: UserId,
        id: ExportId,
        chunk: u32,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let (owner, id, chunk) = (&user.uuid(), &id.uuid(), &small_signed(chunk));
        let found: Option<Vec<u8>> = self
            .primary
            .run(Call::quick("exports.chunk"), |session| async move {
                let found = session.query(CHUNK, &[id, owner, chunk]).await?;
                found.first().map(|row| get(row, "bytes")).transpose()
            })
            .await?;
        match found {
            Some(sealed) => self.opened(user, &sealed).await,
            None => Ok(None),
        }
    }

    async fn remove_export(&self, user: UserId, id: ExportId) -> Result<bool, StoreError> {
        let (user, id) = (&user.uuid(), &id.uuid());
        self.primary
            .run(Call::long("exports.remove"), |session| async move {
                Ok(session.query(REMOVE, &[id, user]).await?.changed > 0)
            })
            .await
    }

    async fn expire_exports(&self, now: Timestamp, most: usize) -> Result<u64, StoreError> {
        let (now, most) = (&micros(now), &limit(most));
        self.primary
            .run(Call::long("exports.expire"), |session| async move {
                Ok(unsigned(session.query(EXPIRE, &[now, most]).await?.only()?))
            })
            .await
    }
}

/// The user's row is locked, so what isn't under way now isn't at the insert.
async fn ask(session: &Session, request: &NewExport) -> Result<RequestedExport, Fault> {
    let NewExport { id, user, actor, keep, now } = *request;
    let (owner, at, keep) = (user.uuid(), micros(now), limit(keep));
    let mut flight = session.flight();
    flight.begin();
    let lock = flight.add(users::LOCK, &[&owner]);
    let other = flight.add(UNDER_WAY, &[&owner]);
    let mut answers = flight.send().await?;
    let is_known = answers.take(lock).first().is_some();
    let other = answers.take(other).first().map(read).transpose()?;
    if !is_known || other.is_some() {
        let mut flight = session.flight();
        flight.roll_back();
        flight.send().await?;
        return Ok(other.map_or(RequestedExport::UnknownUser, RequestedExport::UnderWay));
    }
    let entry = NewEntry::of_export(actor, Act::ExportRequested, user, id, now);
    let (id, entry) = (id.uuid(), EntryRow::new(&entry));
    let mut flight = session.flight();
    let made = flight.add(INSERT, &[&id, &owner, &at]);
    flight.add(PUSH_OUT, &[&owner, &keep]);
    audit::note(&mut flight, &entry);
    flight.commit();
    let made = flight.send().await?.take(made);
    let made = made.first().ok_or(Fault::UNANSWERED)?;
    Ok(RequestedExport::Made(read(made)?))
}

/// The columns that an attempt's end sets.
struct Ended {
    state: ExportState,
    due_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    bytes: Option<i64>,
    failure: Option<&'static str>,
    progress: Option<Progress>,
}

impl Ended {
    fn by(end: &ExportEnd) -> Self {
        let state = match end {
            ExportEnd::Ready { .. } => ExportState::Ready,
            ExportEnd::Failed { .. } => ExportState::Failed,
            ExportEnd::Again(_) => ExportState::Pending,
        };
        let none = Self {
            state,
            due_at: None,
            finished_at: None,
            expires_at: None,
            bytes: None,
            failure: None,
            progress: None,
        };
        match end {
            ExportEnd::Ready { progress, bytes, at, expires_at } => Self {
                finished_at: Some(micros(*at)),
                expires_at: Some(micros(*expires_at)),
                bytes: Some(signed(*bytes)),
                progress: Some(*progress),
                ..none
            },
            ExportEnd::Failed { failure, at } => {
                Self { finished_at: Some(micros(*at)), failure: Some(failure), ..none }
            }
            ExportEnd::Again(due) => {
                Self { due_at: Some(micros(*due)), progress: Some(Progress::default()), ..none }
            }
        }
    }
}

async fn finish(session: &Session, hold: ExportHold, end: &ExportEnd) -> Result<bool, Fault> {
    let Ended { state, due_at, finished_at, expires_at, bytes, failure, progress } = Ended::by(end);
    let (id, attempt, state) = (&hold.id.uuid(), &small_signed(hold.attempt), &state.as_str());
    let done = progress.map(|progress| signed(progress.done));
    let total = progress.map(|progress| signed(progress.total));
    let mut flight = session.flight();
    flight.begin();
    let values: [crate::engine::Param<'_>; 10] =
        [id, attempt, state, &due_at, &finished_at, &expires_at, &bytes, &failure, &done, &total];
    let ended = flight.add(END, &values);
    flight.add(DROP_LATER_CHUNKS, &[id, attempt]);
    flight.commit();
    Ok(flight.send().await?.take(ended).changed > 0)
}

/// With its id.
fn read_hold(row: &Row) -> Result<(Uuid, ExportHold), Fault> {
    let id = get(row, "id")?;
    let hold = ExportHold {
        id: ExportId::new(id),
        user: UserId::new(get(row, "user_id")?),
        requested_at: get(row, "requested_at")?,
        attempt: small(row, "attempt")?,
    };
    Ok((id, hold))
}

fn read(row: &Row) -> Result<Export, Fault> {
    Ok(Export {
        id: ExportId::new(get(row, "id")?),
        user: UserId::new(get(row, "user_id")?),
        requested_at: get(row, "requested_at")?,
        state: word(row, "state")?,
        progress: Progress { done: count(row, "done")?, total: count(row, "total")? },
        finished_at: get(row, "finished_at")?,
        expires_at: get(row, "expires_at")?,
        bytes: get::<_, Option<i64>>(row, "bytes")?.map(unsigned),
        failure: get(row, "failure")?,
    })
}
