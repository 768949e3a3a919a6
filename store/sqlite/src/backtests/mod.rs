//! Backtests of policies, and who has one in hand.

pub(crate) mod statements;

use std::time::Duration;

use async_trait::async_trait;
use ecs_domain::backtest::{Direction, Flip, LossGivenDefault};
use ecs_domain::{BacktestId, DecisionId, Timestamp, UserId};
use ecs_store::decision_log::{DecisionLog as _, LoggedDecision, WantedDecisions};
use ecs_store::{
    BacktestEnd, BacktestHold, BacktestRow, BacktestState, Backtests, NewBacktest, Progress, StoreError,
};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use self::statements::{
    ADD_FLIP, ADVANCE, ANY_DUE, CLAIM, COUNT, DROP_FLIPS, END, EXPIRE, FIND, FLIPS, INSERT, LIST,
    RELEASE_ALL, UNDER_WAY,
};
use crate::column::{Id, IdText, Word, at_from_micros, count, limit, out_of_range, signed};
use crate::engine::Fault;
use crate::{SqliteStore, audit};

#[async_trait]
impl Backtests for SqliteStore {
    async fn request_backtest(
        &self,
        request: NewBacktest,
        most: usize,
    ) -> Result<Option<BacktestRow>, StoreError> {
        self.write("backtests.request", move |connection| ask(connection, &request, most)).await
    }

    async fn backtest(&self, id: BacktestId) -> Result<Option<BacktestRow>, StoreError> {
        self.read("backtests.find", move |connection| {
            Ok(connection.prepare_cached(FIND)?.query_row([IdText::new(id.uuid())], read).optional()?)
        })
        .await
    }

    async fn backtests_of(&self, digest: &str, most: usize) -> Result<Vec<BacktestRow>, StoreError> {
        let digest = digest.to_owned();
        self.read("backtests.list", move |connection| {
            let mut statement = connection.prepare_cached(LIST)?;
            Ok(statement.query_map(params![digest, limit(most)], read)?.collect::<Result<_, _>>()?)
        })
        .await
    }

    async fn claim_backtest(
        &self,
        now: Timestamp,
        lease: Duration,
    ) -> Result<Option<BacktestHold>, StoreError> {
        // Mostly there is nothing: a look doesn't disturb the writer.
        let at = now.as_microsecond();
        let look = move |connection: &Connection| Ok(connection.prepare_cached(ANY_DUE)?.exists([at])?);
        if !self.read("backtests.look", look).await? {
            return Ok(None);
        }
        let until = now.saturating_add(lease).unwrap_or(Timestamp::MAX);
        self.write("backtests.claim", move |connection| claim(connection, now, until)).await
    }

    async fn backtest_page(
        &self,
        hold: &BacktestHold,
        after: u64,
        most: usize,
    ) -> Result<Vec<LoggedDecision>, StoreError> {
        self.logged_decisions(&hold.wanted(), after, most).await
    }

    async fn advance_backtest(
        &self,
        hold: &BacktestHold,
        progress: Progress,
        flips: Vec<Flip>,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        let (id, attempt) = (hold.id, hold.attempt);
        self.write("backtests.advance", move |connection| {
            let Progress { done, total } = progress;
            let key = IdText::new(id.uuid());
            let values = params![key, attempt, signed(done), signed(total), until.as_microsecond()];
            let held = connection.prepare_cached(ADVANCE)?.execute(values)? > 0;
            if held {
                flips.iter().try_for_each(|flip| add(connection, id, flip))?;
            }
            Ok(held)
        })
        .await
    }

    async fn end_backtest(&self, hold: &BacktestHold, end: BacktestEnd) -> Result<bool, StoreError> {
        let (id, attempt) = (hold.id, hold.attempt);
        self.write("backtests.end", move |connection| finish(connection, id, attempt, &end)).await
    }

    async fn backtest_flips(
        &self,
        id: BacktestId,
        direction: Direction,
        after: Option<DecisionId>,
        most: usize,
    ) -> Result<Vec<DecisionId>, StoreError> {
        self.read("backtests.flips", move |connection| {
            let after = after.map(|after| after.to_string()).unwrap_or_default();
            let values = params![IdText::new(id.uuid()), direction.as_str(), after, limit(most)];
            let mut statement = connection.prepare_cached(FLIPS)?;
            let flips = statement.query_map(values, |row| Ok(DecisionId::new(row.get::<_, Id>(0)?.0)))?;
            Ok(flips.collect::<Result<_, _>>()?)
        })
        .await
    }

    async fn count_decisions(&self, wanted: &WantedDecisions) -> Result<u64, StoreError> {
        let from = wanted.from.map_or(i64::MIN, Timestamp::as_microsecond);
        let until = wanted.until.map_or(i64::MAX, Timestamp::as_microsecond);
        self.read("backtests.count", move |connection| {
            let mut statement = connection.prepare_cached(COUNT)?;
            Ok(count(statement.query_row((from, until), |row| row.get(0))?))
        })
        .await
    }

    async fn expire_backtests(&self, now: Timestamp, most: usize) -> Result<u64, StoreError> {
        self.write("backtests.expire", move |connection| {
            Ok(connection.prepare_cached(EXPIRE)?.execute((now.as_microsecond(), limit(most)))? as u64)
        })
        .await
    }
}

/// Frees every backtest: whoever had one in hand when the file is opened is dead.
pub(crate) fn release_all(connection: &Connection) -> Result<(), Fault> {
    connection.execute(RELEASE_ALL, [])?;
    Ok(())
}

/// Nobody else writes meanwhile, so as many are under way at the insert as were counted.
fn ask(connection: &Connection, request: &NewBacktest, most: usize) -> Result<Option<BacktestRow>, Fault> {
    let under_way: i64 = connection.prepare_cached(UNDER_WAY)?.query_row([], |row| row.get(0))?;
    if under_way >= limit(most) {
        return Ok(None);
    }
    let micros = Timestamp::as_microsecond;
    let values = params![
        IdText::new(request.id.uuid()),
        request.version,
        request.digest,
        micros(request.from),
        micros(request.until),
        request.loss_given_default.parts(),
        IdText::new(request.actor.uuid()),
        micros(request.now),
    ];
    let made = connection.prepare_cached(INSERT)?.query_row(values, read)?;
    audit::note(connection, &request.entry())?;
    Ok(Some(made))
}

fn claim(connection: &Connection, now: Timestamp, until: Timestamp) -> Result<Option<BacktestHold>, Fault> {
    let times = (now.as_microsecond(), until.as_microsecond());
    let claimed = connection.prepare_cached(CLAIM)?.query_row(times, read_hold).optional()?;
    if let Some(hold) = &claimed {
        drop_flips(connection, hold.id)?;
    }
    Ok(claimed)
}

fn add(connection: &Connection, id: BacktestId, flip: &Flip) -> Result<(), Fault> {
    let ids = [id.uuid(), flip.decision.uuid(), flip.user.uuid()].map(IdText::new);
    let [id, decision, user] = &ids;
    let values = params![id, flip.direction.as_str(), decision, user];
    connection.prepare_cached(ADD_FLIP)?.execute(values)?;
    Ok(())
}

fn finish(connection: &Connection, id: BacktestId, attempt: u32, end: &BacktestEnd) -> Result<bool, Fault> {
    let key = IdText::new(id.uuid());
    let micros = |at: &Timestamp| at.as_microsecond();
    let (none, nothing) = (None::<i64>, None::<&str>);
    let mut statement = connection.prepare_cached(END)?;
    let ended = match end {
        BacktestEnd::Finished { report, at, expires_at } => {
            let (state, at, until) = (BacktestState::Finished.as_str(), micros(at), micros(expires_at));
            statement.execute(params![key, attempt, state, none, at, until, report, nothing])?
        }
        BacktestEnd::Failed { failure, at, expires_at } => {
            let (state, at, until) = (BacktestState::Failed.as_str(), micros(at), micros(expires_at));
            statement.execute(params![key, attempt, state, none, at, until, nothing, failure])?
        }
        BacktestEnd::Again(due) => {
            let state = BacktestState::Pending.as_str();
            statement.execute(params![key, attempt, state, micros(due), none, none, nothing, nothing])?
        }
    };
    if ended > 0 && !matches!(end, BacktestEnd::Finished { .. }) {
        drop_flips(connection, id)?;
    }
    Ok(ended > 0)
}

fn drop_flips(connection: &Connection, id: BacktestId) -> Result<(), Fault> {
    connection.prepare_cached(DROP_FLIPS)?.execute([IdText::new(id.uuid())])?;
    Ok(())
}

fn read_loss(row: &Row<'_>) -> rusqlite::Result<LossGivenDefault> {
    let parts: u32 = row.get("loss_given_default")?;
    LossGivenDefault::from_parts(parts).ok_or_else(|| out_of_range(i64::from(parts)))
}

fn read_hold(row: &Row<'_>) -> rusqlite::Result<BacktestHold> {
    Ok(BacktestHold {
        id: BacktestId::new(row.get::<_, Id>("id")?.0),
        digest: row.get("digest")?,
        from: at_from_micros(row.get("from_at")?)?,
        until: at_from_micros(row.get("until_at")?)?,
        loss_given_default: read_loss(row)?,
        attempt: row.get("attempt")?,
    })
}

fn read(row: &Row<'_>) -> rusqlite::Result<BacktestRow> {
    let at = |column: &str| row.get::<_, Option<i64>>(column)?.map(at_from_micros).transpose();
    Ok(BacktestRow {
        id: BacktestId::new(row.get::<_, Id>("id")?.0),
        version: row.get("version")?,
        digest: row.get("digest")?,
        from: at_from_micros(row.get("from_at")?)?,
        until: at_from_micros(row.get("until_at")?)?,
        loss_given_default: read_loss(row)?,
        actor: UserId::new(row.get::<_, Id>("actor")?.0),
        requested_at: at_from_micros(row.get("requested_at")?)?,
        state: row.get::<_, Word<BacktestState>>("state")?.0,
        progress: Progress { done: count(row.get("done")?), total: count(row.get("total")?) },
        finished_at: at("finished_at")?,
        expires_at: at("expires_at")?,
        report: row.get("report")?,
        failure: row.get("failure")?,
    })
}
