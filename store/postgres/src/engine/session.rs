//! One caller's time with a connection: statements, flights of statements, and whether the connection is fit for the next.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use deadpool::managed::Object;
use futures::TryStreamExt as _;
use futures::future::{maybe_done, try_join_all};
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::types::FromSql;
use tokio_postgres::{Row, Statement};

use super::Fault;
use super::connect::Connection;
use super::param::{Hidden, Param};
use super::pool::Manager;
use crate::column::get;
use crate::replicas::Lsn;

const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";
const COMMIT: &str = "COMMIT";
const ROLLBACK: &str = "ROLLBACK";
/// Gives the rest of the transaction more time than a request has.
const TAKE_TIME: &str = "SELECT set_config('statement_timeout', $1, true)";
/// Where the log is written to: behind every commit that was answered before this is asked.
const LSN: &str = "SELECT (pg_current_wal_lsn() - '0/0')::bigint";
/// Whether a replica has replayed the log up to a place. Asked before the statements whose snapshots must hold it.
const REACHED: &str =
    "SELECT coalesce((pg_last_wal_replay_lsn() - '0/0')::bigint >= $1 AND pg_is_in_recovery(), false)";

/// A connection while one caller has it.
///
/// Unless it was [settled](Session::settle), it is given up when the session ends: whoever abandons a call in the middle leaves
/// a connection behind with a transaction or an answer that belongs to nobody.
pub(crate) struct Session {
    lease: Option<Object<Manager>>,
    /// Whether a transaction was begun and not ended.
    open: AtomicBool,
    /// Whether the place in the log behind the last commit is to be asked for.
    wants_lsn: bool,
    /// The place, 0 while it isn't known.
    lsn: AtomicU64,
    /// What a replica must have replayed before it answers.
    required: Option<i64>,
    settled: bool,
    /// How long an answer is waited for before the server is taken for dead. It is longer than the server gives itself.
    patience: Duration,
    long_timeout: String,
}

impl Session {
    /// One on the primary.
    pub(super) fn new(
        lease: Object<Manager>,
        wants_lsn: bool,
        patience: Duration,
        long_timeout: String,
    ) -> Self {
        let (open, lsn) = (AtomicBool::new(false), AtomicU64::new(0));
        let (lease, required) = (Some(lease), None);
        Self { lease, open, wants_lsn, lsn, required, settled: false, patience, long_timeout }
    }

    /// One that only reads, on a replica that has replayed the log up to `required`.
    pub(crate) fn on_replica(lease: Object<Manager>, required: Lsn, patience: Duration) -> Self {
        let mut session = Self::new(lease, false, patience, String::new());
        session.required = Some(required.column());
        session
    }

    /// Runs one statement, in the open transaction if there is one.
    pub(crate) async fn query(&self, sql: &'static str, params: &[Param<'_>]) -> Result<Answer, Fault> {
        let mut flight = self.flight();
        let only = flight.add(sql, params);
        Ok(flight.send().await?.take(only))
    }

    /// Runs statements that have no parameters and are made up at run time, such as those of the schema. Never let
    /// anything from outside into one.
    pub(crate) async fn batch(&self, sql: &str) -> Result<(), Fault> {
        let run = self.connection()?.client.batch_execute(sql);
        Ok(timeout(self.patience, run).await.map_err(|_| Fault::SILENT)??)
    }

    /// Statements to be sent together.
    pub(crate) fn flight(&self) -> Flight<'_> {
        let mut flight = Flight { session: self, steps: Vec::new(), ends: false, reached: None, lsn: None };
        flight.reached = self.required.as_ref().map(|required| flight.add(REACHED, &[required]));
        flight
    }

    /// The place in the log behind the last commit, when it was asked for.
    pub(super) fn lsn(&self) -> Option<Lsn> {
        let offset = Some(self.lsn.load(Ordering::Relaxed)).filter(|offset| *offset > 0)?;
        Some(Lsn { timeline: self.timeline(), offset })
    }

    /// The timeline of the primary that this session is with.
    pub(crate) fn timeline(&self) -> u32 {
        self.lease.as_deref().map_or(0, Connection::timeline)
    }

    /// Ends the session in order: what is left of a transaction is rolled back, and the connection may be used again.
    pub(crate) async fn settle(mut self, fault: Option<&Fault>) {
        if fault.is_some_and(|fault| !fault.leaves_connection_usable()) {
            return;
        }
        let open = *self.open.get_mut();
        self.settled = !open || self.batch(ROLLBACK).await.is_ok();
    }

    fn connection(&self) -> Result<&Connection, Fault> {
        self.lease.as_deref().ok_or(Fault::Outage("the connection to the database was given up"))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        match self.lease.take() {
            Some(lease) if !self.settled => Object::take(lease).abandon(),
            Some(_) | None => {}
        }
    }
}

/// Statements that are sent one behind the other without waiting for answers, so that all of them cost one round trip.
///
/// Outside a transaction each is one of its own. Within one, everything behind a statement that fails fails too, the
/// commit included, so a flight may begin, work and commit. What is decided from an answer needs a second flight.
#[must_use = "nothing happens until it is sent"]
pub(crate) struct Flight<'a> {
    session: &'a Session,
    steps: Vec<(&'static str, Vec<Param<'a>>)>,
    ends: bool,
    reached: Option<Step>,
    lsn: Option<Step>,
}

/// A statement's place in its flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step(usize);

impl<'a> Flight<'a> {
    /// Adds a statement.
    pub(crate) fn add(&mut self, sql: &'static str, params: &[Param<'a>]) -> Step {
        self.steps.push((sql, params.to_vec()));
        Step(self.steps.len() - 1)
    }

    /// Begins a transaction, each of whose statements sees what was committed before it.
    pub(crate) fn begin(&mut self) {
        self.session.open.store(true, Ordering::Relaxed);
        self.add(BEGIN, &[]);
    }

    /// The same, for work that may take longer than a request has.
    pub(crate) fn begin_long(&mut self) {
        self.begin();
        self.take_time();
    }

    fn take_time(&mut self) {
        let session: &'a Session = self.session;
        self.add(TAKE_TIME, &[&session.long_timeout]);
    }

    /// Commits the transaction.
    pub(crate) fn commit(&mut self) {
        self.add(COMMIT, &[]);
        self.ends = true;
    }

    /// Undoes the transaction.
    pub(crate) fn roll_back(&mut self) {
        self.add(ROLLBACK, &[]);
        self.ends = true;
    }

    /// Sends all of it. Fails with the first statement that failed; those behind it in its transaction did nothing.
    pub(crate) async fn send(mut self) -> Result<Answers, Fault> {
        let session = self.session;
        let commits = self.ends || !session.open.load(Ordering::Relaxed);
        if session.wants_lsn && commits {
            self.lsn = Some(self.add(LSN, &[]));
        }
        let connection = session.connection()?;
        // All of them first: a statement that still had to be prepared would be overtaken by those behind it.
        let prepare = try_join_all(self.steps.iter().map(|(sql, _)| connection.prepare(sql)));
        let statements = timeout(session.patience, prepare).await.map_err(|_| Fault::SILENT)??;
        // What was warned of before, as when the connection was made, is not about this commit.
        connection.take_warning();
        let runs = statements.iter().zip(&self.steps);
        let runs = runs.map(|(statement, (_, params))| run(connection, statement, params));
        let answers = in_order(runs, session.patience).await?.into_iter().collect::<Result<Vec<_>, _>>()?;
        if self.ends {
            session.open.store(false, Ordering::Relaxed);
        }
        if commits && connection.take_warning() {
            return Err(Fault::Outage(
                "the database committed, and couldn't tell whether its standby has it",
            ));
        }
        let mut answers = Answers { answers };
        if let Some(step) = self.reached
            && !answers.take(step).only::<bool>()?
        {
            return Err(Fault::Behind);
        }
        if let Some(step) = self.lsn {
            session.lsn.store(answers.lsn(step)?, Ordering::Relaxed);
        }
        Ok(answers)
    }
}

/// Waits for all of them. Each is polled first in the order in which they stand, and with its first poll it is sent. A server
/// that works on them answers one after the other, so it is taken for dead only when none of them ends within `patience`.
async fn in_order<T>(
    runs: impl Iterator<Item = impl Future<Output = T>>,
    patience: Duration,
) -> Result<Vec<T>, Fault> {
    let mut runs: Vec<_> = runs.map(|run| Box::pin(maybe_done(run))).collect();
    let (mut waited_for, mut silence) = (runs.len(), pin!(sleep(patience)));
    poll_fn(|context| {
        let waiting =
            runs.iter_mut().filter_map(|run| run.as_mut().poll(context).is_pending().then_some(())).count();
        if waiting == 0 {
            return Poll::Ready(Ok(()));
        }
        if waiting < waited_for {
            waited_for = waiting;
            silence.as_mut().reset(Instant::now() + patience);
        }
        silence.as_mut().poll(context).map(|()| Err(Fault::SILENT))
    })
    .await?;
    Ok(runs.iter_mut().filter_map(|run| run.as_mut().take_output()).collect())
}

async fn run(connection: &Connection, statement: &Statement, params: &[Param<'_>]) -> Result<Answer, Fault> {
    let mut stream = pin!(connection.client.query_raw(statement, params.iter().copied().map(Hidden)).await?);
    let mut rows = Vec::new();
    while let Some(row) = stream.try_next().await? {
        rows.push(row);
    }
    Ok(Answer { rows, changed: stream.rows_affected().unwrap_or(0) })
}

/// What came of a flight.
pub(crate) struct Answers {
    answers: Vec<Answer>,
}

impl Answers {
    /// What came of one of its statements. Asked for twice, the second answer is empty.
    pub(crate) fn take(&mut self, step: Step) -> Answer {
        self.answers.get_mut(step.0).map(std::mem::take).unwrap_or_default()
    }

    fn lsn(&self, step: Step) -> Result<u64, Fault> {
        let row = self.answers.get(step.0).and_then(|answer| answer.rows.first());
        let lsn: i64 = row.map_or(Ok(0), |row| get(row, 0))?;
        Ok(u64::try_from(lsn).unwrap_or(0))
    }
}

/// What came of a statement.
#[derive(Default)]
pub(crate) struct Answer {
    /// Its rows.
    pub(crate) rows: Vec<Row>,
    /// How many rows it wrote, or returned when it only read.
    pub(crate) changed: u64,
}

impl Answer {
    /// The first row, if there is one.
    pub(crate) fn first(&self) -> Option<&Row> {
        self.rows.first()
    }

    /// The first column of the one row that a statement like `SELECT count(*)` has.
    pub(crate) fn only<'a, T: FromSql<'a>>(&'a self) -> Result<T, Fault> {
        get(self.first().ok_or(Fault::UNANSWERED)?, 0)
    }
}
