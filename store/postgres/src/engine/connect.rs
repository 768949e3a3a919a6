//! One attempt to reach one server, and whether it is fit for what is wanted of it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::config::Config;
use tokio_postgres::error::{Severity, SqlState};
use tokio_postgres::{AsyncMessage, Client, SimpleQueryMessage, Statement};

use super::race;
use super::tls::Tls;
use super::{Address, Fault};
use crate::Options;
use crate::plan::STEADY_PLANS;

/// What a server must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expect {
    /// One that takes writes and flushes them.
    Primary,
    /// Any: what it is, and how far behind, is asked all the time.
    Replica,
}

/// Servers of which one is wanted.
pub(crate) struct Target {
    address: Address,
    expect: Expect,
    /// Which host answered last: it is tried first.
    preferred: AtomicUsize,
    /// The highest timeline that a primary was met with. Every promotion begins a new one, so a server on a lower one is
    /// a former primary that came back without knowing.
    timeline: AtomicU32,
    options: Options,
}

impl Target {
    pub(crate) fn new(address: Address, expect: Expect, options: Options) -> Arc<Self> {
        let (preferred, timeline) = (AtomicUsize::new(0), AtomicU32::new(0));
        Arc::new(Self { address, expect, preferred, timeline, options })
    }

    /// A connection to the first host that is what it must be.
    pub(super) async fn connect(self: &Arc<Self>) -> Result<Connection, Fault> {
        let hosts = self.address.hosts.len();
        let first = self.preferred.load(Ordering::Relaxed);
        let order = (0..hosts).map(|index| (first + index) % hosts.max(1));
        let attempt = |index: usize| {
            let target = Arc::clone(self);
            async move { target.connect_to(index).await.map(|connection| (index, connection)) }
        };
        let (index, connection) = race::first(order.map(attempt).collect()).await?;
        self.preferred.store(index, Ordering::Relaxed);
        Ok(connection)
    }

    async fn connect_to(&self, index: usize) -> Result<Connection, Fault> {
        let Some(config) = self.address.hosts.get(index) else {
            return Err(Fault::Outage("the address names no host"));
        };
        let attempt = async {
            let mut connection = Connection::open(config, &self.address.tls).await?;
            connection.client.batch_execute(STEADY_PLANS).await?;
            match self.expect {
                Expect::Primary => connection.timeline = self.check_primary(&connection).await?,
                Expect::Replica => {}
            }
            Ok(connection)
        };
        let slow = Fault::Outage("the database didn't answer in time when it was connected to");
        timeout(self.options.connect_timeout, attempt).await.unwrap_or(Err(slow))
    }

    /// Makes sure that a server takes writes, and keeps what it has answered for. Returns its timeline.
    async fn check_primary(&self, connection: &Connection) -> Result<u32, Fault> {
        let answers = connection.client.simple_query(CHECK).await?;
        let row = answers.iter().find_map(|answer| match answer {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        let said = |column| row.and_then(|row| row.try_get(column).ok().flatten());
        if said("in_recovery") != Some("f") || said("read_only") != Some("off") {
            return Err(Fault::Outage("the database takes no writes: it is a standby, or read-only"));
        }
        if said("synchronous_commit") == Some("off") {
            return Err(Fault::Unfit(
                "the database runs with synchronous_commit=off: it would answer for writes that it has not flushed".to_owned(),
            ));
        }
        if said("fsync") != Some("on") && !self.options.accept_unflushed {
            return Err(Fault::Unfit(
                "the database runs with fsync=off: a power cut would take back what it has answered for"
                    .to_owned(),
            ));
        }
        let timeline = said("timeline").and_then(|digits| u32::from_str_radix(digits, 16).ok()).unwrap_or(0);
        if self.timeline.fetch_max(timeline, Ordering::Relaxed) > timeline {
            return Err(Fault::DEPOSED);
        }
        Ok(timeline)
    }

    /// The highest timeline that a primary was met with; 0 of replicas.
    pub(super) fn timeline(&self) -> u32 {
        self.timeline.load(Ordering::Relaxed)
    }
}

/// The timeline is the first eight digits of the name of the file that the log is written to.
const CHECK: &str = "SELECT pg_is_in_recovery() AS in_recovery,
        current_setting('transaction_read_only') AS read_only,
        current_setting('synchronous_commit') AS synchronous_commit,
        current_setting('fsync') AS fsync,
        CASE WHEN pg_is_in_recovery() THEN NULL
            ELSE left(pg_walfile_name(pg_current_wal_lsn()), 8) END AS timeline";

/// A connection, the statements that were prepared on it, and the task that moves its bytes.
pub(crate) struct Connection {
    pub(super) client: Client,
    statements: Mutex<HashMap<&'static str, Statement>>,
    warned: Arc<AtomicBool>,
    /// The timeline of a primary, which stays one for as long as it lives; 0 of a replica.
    timeline: u32,
    driver: JoinHandle<()>,
}

impl Connection {
    async fn open(config: &Config, tls: &Tls) -> Result<Self, Fault> {
        let (client, mut connection) = config.connect(tls.connector.clone()).await?;
        let warned = Arc::new(AtomicBool::new(false));
        let note = Arc::clone(&warned);
        let driver = tokio::spawn(async move {
            // What ends the connection is told to whoever waits for an answer on it.
            while let Some(Ok(message)) =
                std::future::poll_fn(|context| connection.poll_message(context)).await
            {
                if is_warning(&message) {
                    note.store(true, Ordering::Release);
                }
            }
        });
        Ok(Self { client, statements: Mutex::default(), warned, timeline: 0, driver })
    }

    /// The driver's side of it, for work that needs no session.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// The same, for transactions.
    pub(crate) fn client_mut(&mut self) -> &mut Client {
        &mut self.client
    }

    /// The timeline of a primary; 0 of a replica.
    pub(super) fn timeline(&self) -> u32 {
        self.timeline
    }

    /// Whether the server warned of something since it was last asked.
    pub(super) fn take_warning(&self) -> bool {
        self.warned.swap(false, Ordering::Acquire)
    }

    /// The statement, prepared on first use: one more round trip, once per connection.
    pub(crate) async fn prepare(&self, sql: &'static str) -> Result<Statement, Fault> {
        if let Some(known) = self.known(sql) {
            return Ok(known);
        }
        let prepared = self.client.prepare(sql).await?;
        self.statements.lock().unwrap_or_else(PoisonError::into_inner).insert(sql, prepared.clone());
        Ok(prepared)
    }

    fn known(&self, sql: &'static str) -> Option<Statement> {
        self.statements.lock().unwrap_or_else(PoisonError::into_inner).get(sql).cloned()
    }

    /// Ends the connection whatever it is in the middle of.
    pub(super) fn abandon(self) {
        self.driver.abort();
    }
}

/// Whether the server reports, about a commit, that it could not do all of it: a wait for the synchronous standby that was
/// cancelled ends in a commit that the standby may not have, and in no more than this warning.
fn is_warning(message: &AsyncMessage) -> bool {
    match message {
        AsyncMessage::Notice(notice) => {
            notice.parsed_severity() == Some(Severity::Warning) && *notice.code() == SqlState::WARNING
        }
        _ => false,
    }
}
