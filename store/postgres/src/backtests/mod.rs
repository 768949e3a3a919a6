//! Backtests of policies, and who has one in hand.

pub(crate) mod statements;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ecs_domain::backtest::{Direction, Flip, LossGivenDefault};
use ecs_domain::{BacktestId, DecisionId, Timestamp, UserId};
use ecs_store::decision_log::{LoggedDecision, WantedDecisions, decisions_left};
use ecs_store::{
    BacktestEnd, BacktestHold, BacktestRow, BacktestState, Backtests, NewBacktest, Progress, StoreError,
};
use tokio_postgres::Row;
use uuid::Uuid;

use self::statements::{
    ADD_FLIPS, ADVANCE, ANY_DUE, CLAIM, COUNT, DROP_FLIPS, DROP_LATER_FLIPS, END, EXPIRE, FIND, FLIPS,
    INSERT, LIST, LOCK, UNDER_WAY,
};
use crate::PostgresStore;
use crate::audit::{self, EntryRow};
use crate::column::{count, get, limit, micros, signed, small, small_signed, unsigned, word};
use crate::decision_log::made;
use crate::engine::{Call, Fault, Param, Session};
use crate::leases::Claim;

const CLAIMED: Claim = Claim { any_due: ANY_DUE, claim: CLAIM, clear: DROP_FLIPS };

#[async_trait]
impl Backtests for PostgresStore {
    async fn request_backtest(
        &self,
        request: NewBacktest,
        most: usize,
    ) -> Result<Option<BacktestRow>, StoreError> {
        let request = &request;
        self.primary
            .run(
                Call::quick("backtests.request"),
                |session| async move { ask(&session, request, most).await },
            )
            .await
    }

    async fn backtest(&self, id: BacktestId) -> Result<Option<BacktestRow>, StoreError> {
        let id = &id.uuid();
        self.primary
            .run(Call::quick("backtests.find"), |session| async move {
                session.query(FIND, &[id]).await?.first().map(read).transpose()
            })
            .await
    }

    async fn backtests_of(&self, digest: &str, most: usize) -> Result<Vec<BacktestRow>, StoreError> {
        let most = &limit(most);
        self.primary
            .run(Call::quick("backtests.list"), |session| async move {
                session.query(LIST, &[&digest, most]).await?.rows.iter().map(read).collect()
            })
            .await
    }

    async fn claim_backtest(
        &self,
        now: Timestamp,
        lease: Duration,
    ) -> Result<Option<BacktestHold>, StoreError> {
        let until = &micros(now.saturating_add(lease).unwrap_or(Timestamp::MAX));
        let now = &micros(now);
        self.primary
            .run(Call::quick("backtests.claim"), |session| async move {
                CLAIMED.next(&session, now, until, read_hold).await
            })
            .await
    }

    /// The first page comes from the primary, which the hold came from, too, and notes how far its log was then. The others come from a
    /// replica that has replayed the log up to there. Commits become visible on a replica in the order of the log, so it shows every
    /// decision that the first page could have shown, of whatever range, and replicas may take turns. Whether somebody was erased is the
    /// vault's to say, after the page was read. A hold's notes are kept under its id, which is nobody else's.
    async fn backtest_page(
        &self,
        hold: &BacktestHold,
        after: u64,
        most: usize,
    ) -> Result<Vec<LoggedDecision>, StoreError> {
        let (wanted, reader) = (&hold.wanted(), UserId::new(hold.id.uuid()));
        let page = |session: Arc<Session>| async move { made(&session, wanted, after, most).await };
        let found = match after {
            0 => self.primary.run(Call::quick("backtests.page").about(&[reader]), page).await?,
            _ => self.read_about(reader, "backtests.page", page).await?,
        };
        decisions_left(found, &self.keyring).await
    }

    async fn advance_backtest(
        &self,
        hold: &BacktestHold,
        progress: Progress,
        flips: Vec<Flip>,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        let (progress, flips, until) = (&progress, &flips, micros(until));
        self.primary
            .run(Call::quick("backtests.advance"), |session| async move {
                advance(&session, hold, progress, flips, until).await
            })
            .await
    }

    async fn end_backtest(&self, hold: &BacktestHold, end: BacktestEnd) -> Result<bool, StoreError> {
        let end = &end;
        self.primary
            .run(Call::quick("backtests.end"), |session| async move { finish(&session, hold, end).await })
            .await
    }

    async fn backtest_flips(
        &self,
        id: BacktestId,
        direction: Direction,
        after: Option<DecisionId>,
        most: usize,
    ) -> Result<Vec<DecisionId>, StoreError> {
        let (id, way, most) = (&id.uuid(), &direction.as_str(), &limit(most));
        let after = &after.map(|after| after.uuid());
        self.primary
            .run(Call::quick("backtests.flips"), |session| async move {
                let found = session.query(FLIPS, &[id, way, after, most]).await?;
                found.rows.iter().map(|row| Ok(DecisionId::new(get(row, "decision_id")?))).collect()
            })
            .await
    }

    async fn count_decisions(&self, wanted: &WantedDecisions) -> Result<u64, StoreError> {
        let from = &wanted.from.map_or(i64::MIN, Timestamp::as_microsecond);
        let until = &wanted.until.map_or(i64::MAX, Timestamp::as_microsecond);
        self.primary
            .run(Call::long("backtests.count"), |session| async move {
                session.query(COUNT, &[from, until]).await?.only().map(unsigned)
            })
            .await
    }

    async fn expire_backtests(&self, now: Timestamp, most: usize) -> Result<u64, StoreError> {
        let (now, most) = (&micros(now), &limit(most));
        self.primary
            .run(Call::long("backtests.expire"), |session| async move {
                Ok(session.query(EXPIRE, &[now, most]).await?.changed)
            })
            .await
    }
}

/// Whoever else asks waits, so as many are under way at the insert as were counted.
async fn ask(session: &Session, request: &NewBacktest, most: usize) -> Result<Option<BacktestRow>, Fault> {
    let mut flight = session.flight();
    flight.begin();
    flight.add(LOCK, &[]);
    let under_way = flight.add(UNDER_WAY, &[]);
    let under_way: i64 = flight.send().await?.take(under_way).only()?;
    let mut flight = session.flight();
    if under_way >= limit(most) {
        flight.roll_back();
        flight.send().await?;
        return Ok(None);
    }
    let entry = request.entry();
    let entry = EntryRow::new(&entry);
    let (id, actor, loss) =
        (request.id.uuid(), request.actor.uuid(), small_signed(request.loss_given_default.parts()));
    let [from, until, now] = [request.from, request.until, request.now].map(micros);
    let values: [Param<'_>; 8] = [&id, &request.version, &request.digest, &from, &until, &loss, &actor, &now];
    let made = flight.add(INSERT, &values);
    audit::note(&mut flight, &entry);
    flight.commit();
    let made = flight.send().await?.take(made);
    made.first().map(read).transpose()
}

async fn advance(
    session: &Session,
    hold: &BacktestHold,
    progress: &Progress,
    flips: &[Flip],
    until: Timestamp,
) -> Result<bool, Fault> {
    let (id, attempt) = (hold.id.uuid(), small_signed(hold.attempt));
    let (done, total) = (signed(progress.done), signed(progress.total));
    let ways: Vec<&str> = flips.iter().map(|flip| flip.direction.as_str()).collect();
    let decisions: Vec<Uuid> = flips.iter().map(|flip| flip.decision.uuid()).collect();
    let people: Vec<Uuid> = flips.iter().map(|flip| flip.user.uuid()).collect();
    let mut flight = session.flight();
    flight.begin();
    let advanced = flight.add(ADVANCE, &[&id, &attempt, &done, &total, &until]);
    if !flips.is_empty() {
        flight.add(ADD_FLIPS, &[&id, &attempt, &ways, &decisions, &people]);
    }
    flight.commit();
    Ok(flight.send().await?.take(advanced).changed > 0)
}

/// The columns that an attempt's end sets.
struct Ended<'a> {
    state: BacktestState,
    due_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    report: Option<&'a str>,
    failure: Option<&'static str>,
}

impl<'a> Ended<'a> {
    fn by(end: &'a BacktestEnd) -> Self {
        let (state, due_at, ended, report, failure) = match end {
            BacktestEnd::Finished { report, at, expires_at } => {
                (BacktestState::Finished, None, Some((at, expires_at)), Some(report.as_str()), None)
            }
            BacktestEnd::Failed { failure, at, expires_at } => {
                (BacktestState::Failed, None, Some((at, expires_at)), None, Some(*failure))
            }
            BacktestEnd::Again(due) => (BacktestState::Pending, Some(micros(*due)), None, None, None),
        };
        let (finished_at, expires_at) = ended.map(|(at, until)| (micros(*at), micros(*until))).unzip();
        Self { state, due_at, finished_at, expires_at, report, failure }
    }
}

async fn finish(session: &Session, hold: &BacktestHold, end: &BacktestEnd) -> Result<bool, Fault> {
    let Ended { state, due_at, finished_at, expires_at, report, failure } = Ended::by(end);
    let (id, attempt, state) = (&hold.id.uuid(), &small_signed(hold.attempt), &state.as_str());
    let mut flight = session.flight();
    flight.begin();
    let values: [Param<'_>; 8] = [id, attempt, state, &due_at, &finished_at, &expires_at, &report, &failure];
    let ended = flight.add(END, &values);
    flight.add(DROP_LATER_FLIPS, &[id, attempt]);
    flight.commit();
    Ok(flight.send().await?.take(ended).changed > 0)
}

fn read_loss(row: &Row) -> Result<LossGivenDefault, Fault> {
    let loss = LossGivenDefault::from_parts(small(row, "loss_given_default")?);
    let out_of_range = || StoreError::Corrupt("the column loss_given_default is out of range".to_owned());
    Ok(loss.ok_or_else(out_of_range)?)
}

/// With its id.
fn read_hold(row: &Row) -> Result<(Uuid, BacktestHold), Fault> {
    let id = get(row, "id")?;
    let hold = BacktestHold {
        id: BacktestId::new(id),
        digest: get(row, "digest")?,
        from: get(row, "from_at")?,
        until: get(row, "until_at")?,
        loss_given_default: read_loss(row)?,
        attempt: small(row, "attempt")?,
    };
    Ok((id, hold))
}

fn read(row: &Row) -> Result<BacktestRow, Fault> {
    Ok(BacktestRow {
        id: BacktestId::new(get(row, "id")?),
        version: get(row, "version")?,
        digest: get(row, "digest")?,
        from: get(row, "from_at")?,
        until: get(row, "until_at")?,
        loss_given_default: read_loss(row)?,
        actor: UserId::new(get(row, "actor")?),
        requested_at: get(row, "requested_at")?,
        state: word(row, "state")?,
        progress: Progress { done: count(row, "done")?, total: count(row, "total")? },
        finished_at: get(row, "finished_at")?,
        expires_at: get(row, "expires_at")?,
        report: get(row, "report")?,
        failure: get(row, "failure")?,
    })
}
