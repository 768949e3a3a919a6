//! The primary, and the one way that every query to it goes: breaker, connection, time limit, repetition after a
//! conflict, metrics, errors.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ecs_breaker::Breaker;
use ecs_domain::UserId;
use ecs_metrics::Metrics;
use ecs_store::StoreError;
use tokio::time::timeout;

use super::connect::{Connection, Target};
use super::{Fault, Pool, Session};
use crate::Options;
use crate::replicas::Noted;

/// How often work is done over that met another transaction. Each time at least one of those that met got through.
const ATTEMPTS: u32 = 5;
/// How much longer than the server a call waits before it takes the server for dead.
const GRACE: Duration = Duration::from_millis(500);

/// The server that takes writes.
pub(crate) struct Primary {
    pool: Pool,
    breaker: Breaker,
    metrics: Metrics,
    noted: Option<Noted>,
    quick: Duration,
    long: Duration,
    /// What the server is told about long statements, in milliseconds.
    long_timeout: String,
}

/// A call of the contract, as the way to the primary sees it.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    name: &'static str,
    long: bool,
    about: &'a [UserId],
}

impl<'a> Call<'a> {
    /// One that answers a request. `name` is its label in the metrics.
    pub(crate) const fn quick(name: &'static str) -> Self {
        Self { name, long: false, about: &[] }
    }

    /// One that may take long: its statements stand in a transaction that was begun for that.
    pub(crate) const fn long(name: &'static str) -> Self {
        Self { name, long: true, about: &[] }
    }

    /// One whose write these users should find in what they read next.
    pub(crate) const fn about(self, users: &'a [UserId]) -> Self {
        Self { about: users, ..self }
    }
}

impl Primary {
    pub(crate) fn new(target: Arc<Target>, noted: Option<Noted>, options: &Options) -> Result<Self, Fault> {
        Ok(Self {
            pool: Pool::new(target, options.max_connections, options.acquire_timeout)?,
            breaker: Breaker::new("database-primary", options.breaker, &options.metrics),
            metrics: options.metrics.clone(),
            noted,
            quick: options.statement_timeout + GRACE,
            long: options.long_statement_timeout + GRACE,
            long_timeout: options.long_statement_timeout.as_millis().to_string(),
        })
    }

    /// Does one piece of work on a connection. `work` is done again after a conflict, so it must begin at its beginning.
    pub(crate) async fn run<T, F, Fut>(&self, call: Call<'_>, work: F) -> Result<T, StoreError>
    where
        F: Fn(Arc<Session>) -> Fut,
        Fut: Future<Output = Result<T, Fault>>,
    {
        if self.pool.is_closed() {
            return Err(StoreError::Unavailable("the store is closed".to_owned()));
        }
        let permit = self.breaker.admit().map_err(|open| {
            let seconds = open.retry_after.as_secs_f64().ceil();
            StoreError::Unavailable(format!("the database failed again and again: next try in {seconds} s"))
        })?;
        let begun = Instant::now();
        let result = self.attempt_all(call, &work).await;
        match &result {
            Err(fault) if fault.is_outage() => {
                permit.failed();
                // Whatever else is connected to that server is no better; and another may be the primary by now.
                self.pool.forget_idle();
            }
            Err(Fault::Busy) => drop(permit),
            Ok(_) | Err(_) => permit.succeeded(),
        }
        let result = result.map_err(StoreError::from);
        let ok = !matches!(result, Err(StoreError::Unavailable(_) | StoreError::Corrupt(_)));
        self.metrics.store_query(call.name, ok, begun.elapsed());
        result
    }

    async fn attempt_all<T, F, Fut>(&self, call: Call<'_>, work: &F) -> Result<T, Fault>
    where
        F: Fn(Arc<Session>) -> Fut,
        Fut: Future<Output = Result<T, Fault>>,
    {
        let mut attempt = 1;
        loop {
            match self.attempt(call, work).await {
                Err(fault) if fault.is_conflict() && attempt < ATTEMPTS => attempt += 1,
                result => return result,
            }
        }
    }

    async fn attempt<T, F, Fut>(&self, call: Call<'_>, work: &F) -> Result<T, Fault>
    where
        F: Fn(Arc<Session>) -> Fut,
        Fut: Future<Output = Result<T, Fault>>,
    {
        let noted = self.noted.as_ref().filter(|_| !call.about.is_empty());
        let patience = if call.long { self.long } else { self.quick };
        let (lease, long_timeout) = (self.pool.get().await?, self.long_timeout.clone());
        let session = Arc::new(Session::new(lease, noted.is_some(), patience, long_timeout));
        let work = work(Arc::clone(&session));
        // Somebody waits for a quick call. A long one may take as many statements as it needs, as long as the server answers.
        let result = match call.long {
            true => work.await,
            false => timeout(patience, work).await.unwrap_or(Err(Fault::SILENT)),
        };
        let result = match result {
            Ok(_) if session.timeline() < self.pool.timeline() => Err(Fault::DEPOSED),
            result => result,
        };
        if let (Some(noted), Ok(_), Some(lsn)) = (noted, &result, session.lsn()) {
            noted.note(call.about, lsn).await;
        }
        // Whoever kept a share of the session past its work gives the connection up.
        if let Some(session) = Arc::into_inner(session) {
            session.settle(result.as_ref().err()).await;
        }
        result
    }

    /// A connection of one's own, past breaker and pool.
    pub(crate) async fn extra(&self) -> Result<Connection, Fault> {
        self.pool.extra().await
    }

    /// Waits for what is under way, and closes.
    pub(crate) async fn close(&self) {
        self.pool.close(self.quick).await;
    }
}
