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
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use self::statements::{
    ADVANCE, ANY_DUE, CLAIM, END, EXPIRE, FIND, INSERT, KNOWN, LIST, PUSH_OUT, RELEASE_ALL, REMOVE, UNDER_WAY,
};
use crate::SqliteStore;
use crate::audit;
use crate::column::{Id, IdText, Word, at_from_micros, count, limit, signed};
use crate::engine::Fault;

#[async_trait]
impl Exports for SqliteStore {
    async fn request_export(&self, request: NewExport) -> Result<RequestedExport, StoreError> {
        self.write("exports.request", move |connection| ask(connection, &request)).await
    }

    async fn exports(&self, user: UserId) -> Result<Vec<Export>, StoreError> {
        self.read("exports.list", move |connection| {
            let mut statement = connection.prepare_cached(LIST)?;
            Ok(statement.query_map([IdText::new(user.uuid())], read)?.collect::<Result<_, _>>()?)
        })
        .await
    }

    async fn export(&self, user: UserId, id: ExportId) -> Result<Option<Export>, StoreError> {
        self.read("exports.find", move |connection| {
            Ok(connection.prepare_cached(FIND)?.query_row(keys(user, id), read).optional()?)
        })
        .await
    }

    async fn claim_export(&self, now: Timestamp, lease: Duration) -> Result<Option<ExportHold>, StoreError> {
        // Mostly there is nothing: a look doesn't disturb the writer.
        let at = now.as_microsecond();
        let look = move |connection: &Connection| Ok(connection.prepare_cached(ANY_DUE)?.exists([at])?);
        if !self.read("exports.look", look).await? {
            return Ok(None);
        }
        let until = now.saturating_add(lease).unwrap_or(Timestamp::MAX);
        self.write("exports.claim", move |connection| claim(connection, now, until)).await
    }

    async fn advance_export(
        &self,
        hold: ExportHold,
        progress: Progress,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        self.write("exports.advance", move |connection| {
            let Progress { done, total } = progress;
            let (id, until) = (IdText::new(hold.id.uuid()), until.as_microsecond());
            let values = params![id, hold.attempt, signed(done), signed(total), until];
            Ok(connection.prepare_cached(ADVANCE)?.execute(values)? > 0)
        })
        .await
    }

    async fn write_export_chunk(
        &self,
        hold: ExportHold,
        number: u32,
        bytes: Vec<u8>,
    ) -> Result<bool, StoreError> {
        let sealed = self.sealed(hold.user, bytes).await?;
        self.write("exports.write_chunk", move |connection| chunks::write(connection, hold, number, &sealed))
            .await
    }

    async fn end_export(&self, hold: ExportHold, end: ExportEnd) -> Result<bool, StoreError> {
        self.write("exports.end", move |connection| finish(connection, hold, end)).await
    }

    async fn export_chunk(
        &self,
        user: UserId,
        id: ExportId,
        number: u32,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let find = move |connection: &Connection| chunks::find(connection, user, id, number);
        match self.read("exports.chunk", find).await? {
            Some(sealed) => self.opened(user, &sealed).await,
            None => Ok(None),
        }
    }

    async fn remove_export(&self, user: UserId, id: ExportId) -> Result<bool, StoreError> {
        self.write("exports.remove", move |connection| {
            Ok(connection.prepare_cached(REMOVE)?.execute(keys(user, id))? > 0)
        })
        .await
    }

    async fn expire_exports(&self, now: Timestamp, most: usize) -> Result<u64, StoreError> {
        self.write("exports.expire", move |connection| {
            let mut statement = connection.prepare_cached(EXPIRE)?;
            let expired = statement.query_map((now.as_microsecond(), limit(most)), |row| row.get(0))?;
            let expired: Vec<String> = expired.collect::<Result<_, _>>()?;
            for id in &expired {
                chunks::drop_all(connection, id)?;
            }
            Ok(expired.len() as u64)
        })
        .await
    }
}

/// Frees every export: whoever built one when the file is opened is dead.
pub(crate) fn release_all(connection: &Connection) -> Result<(), Fault> {
    connection.execute(RELEASE_ALL, [])?;
    Ok(())
}

/// Nobody else writes meanwhile, so what isn't under way now isn't at the insert.
fn ask(connection: &Connection, request: &NewExport) -> Result<RequestedExport, Fault> {
    let NewExport { id, user, actor, keep, now } = *request;
    let key = IdText::new(user.uuid());
    if !connection.prepare_cached(KNOWN)?.exists([&key])? {
        return Ok(RequestedExport::UnknownUser);
    }
    if let Some(other) = connection.prepare_cached(UNDER_WAY)?.query_row([&key], read).optional()? {
        return Ok(RequestedExport::UnderWay(other));
    }
    let values = params![IdText::new(id.uuid()), key, now.as_microsecond()];
    let made = connection.prepare_cached(INSERT)?.query_row(values, read)?;
    connection.prepare_cached(PUSH_OUT)?.execute(params![key, limit(keep)])?;
    audit::note(connection, &NewEntry::of_export(actor, Act::ExportRequested, user, id, now))?;
    Ok(RequestedExport::Made(made))
}

fn claim(connection: &Connection, now: Timestamp, until: Timestamp) -> Result<Option<ExportHold>, Fault> {
    let claimed = connection
        .prepare_cached(CLAIM)?
        .query_row((now.as_microsecond(), until.as_microsecond()), read_hold)
        .optional()?;
    if let Some(hold) = claimed {
        chunks::drop_all(connection, &hold.id.to_string())?;
    }
    Ok(claimed)
}

fn finish(connection: &Connection, hold: ExportHold, end: ExportEnd) -> Result<bool, Fault> {
    let id = IdText::new(hold.id.uuid());
    let micros = Timestamp::as_microsecond;
    let ended = match end {
        ExportEnd::Ready { progress: Progress { done, total }, bytes, at, expires_at } => {
            let state = ExportState::Ready.as_str();
            let (done, total, bytes) = (signed(done), signed(total), signed(bytes));
            let (at, until) = (micros(at), micros(expires_at));
            let values =
                params![id, hold.attempt, state, None::<i64>, at, until, bytes, None::<&str>, done, total];
            connection.prepare_cached(END)?.execute(values)?
        }
        ExportEnd::Failed { failure, at } => {
            let (state, none) = (ExportState::Failed.as_str(), None::<i64>);
            let values = params![id, hold.attempt, state, none, micros(at), none, none, failure, none, none];
            connection.prepare_cached(END)?.execute(values)?
        }
        ExportEnd::Again(due) => {
            let (state, none, due) = (ExportState::Pending.as_str(), None::<i64>, micros(due));
            let values =
                params![id, hold.attempt, state, due, none, none, none, None::<&str>, Some(0), Some(0)];
            connection.prepare_cached(END)?.execute(values)?
        }
    };
    if ended > 0 && !matches!(end, ExportEnd::Ready { .. }) {
        chunks::drop_all(connection, &hold.id.to_string())?;
    }
    Ok(ended > 0)
}

fn keys(user: UserId, id: ExportId) -> [IdText; 2] {
    [IdText::new(id.uuid()), IdText::new(user.uuid())]
}

fn read_hold(row: &Row<'_>) -> rusqlite::Result<ExportHold> {
    Ok(ExportHold {
        id: ExportId::new(row.get::<_, Id>("id")?.0),
        user: UserId::new(row.get::<_, Id>("user_id")?.0),
        requested_at: at_from_micros(row.get("requested_at")?)?,
        attempt: row.get("attempt")?,
    })
}

fn read(row: &Row<'_>) -> rusqlite::Result<Export> {
    let at = |column: &str| row.get::<_, Option<i64>>(column)?.map(at_from_micros).transpose();
    Ok(Export {
        id: ExportId::new(row.get::<_, Id>("id")?.0),
        user: UserId::new(row.get::<_, Id>("user_id")?.0),
        requested_at: at_from_micros(row.get("requested_at")?)?,
        state: row.get::<_, Word<ExportState>>("state")?.0,
        progress: Progress { done: count(row.get("done")?), total: count(row.get("total")?) },
        finished_at: at("finished_at")?,
        expires_at: at("expires_at")?,
        bytes: row.get::<_, Option<i64>>("bytes")?.map(count),
        failure: row.get("failure")?,
    })
}
