//! The connection to Redis: one at a time, made anew for as long as it takes, and only handed out when nothing is owed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ecs_breaker::Breaker;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisError, RedisResult};
use tokio::sync::Notify;

use crate::commands;
use crate::options::Options;
use crate::owed::Owed;

/// The waits between attempts to connect: doubled from the first to the last.
const FIRST_WAIT: Duration = Duration::from_millis(20);
const LAST_WAIT: Duration = Duration::from_millis(500);

/// How many commands may wait for the connection's task before their senders do.
const QUEUED_COMMANDS: usize = 1_024;

/// The way to Redis.
pub(crate) struct Link {
    client: Client,
    response_timeout: Duration,
    connect_timeout: Duration,
    max_owed: usize,
    breaker: Breaker,
    state: Mutex<State>,
    lost: Notify,
}

#[derive(Default)]
struct State {
    /// Present only while nothing is owed.
    connection: Option<Connection>,
    owed: Owed,
    /// The run of the server whose epoch we began or found after we had.
    run: Option<String>,
    connections: u64,
}

/// A connection that may be used, and its number.
#[derive(Clone)]
pub(crate) struct Connection {
    pub(crate) commands: MultiplexedConnection,
    number: u64,
}

/// What a command came to when it wasn't done. The text never quotes an address or a value.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Redis answered, and refused.
    Refused(String),
    /// It didn't answer, or the connection broke.
    Broken(String),
}

impl Link {
    pub(crate) fn new(client: Client, options: &Options, breaker: Breaker) -> Self {
        Self {
            client,
            response_timeout: options.response_timeout,
            connect_timeout: options.connect_timeout,
            max_owed: options.max_owed,
            breaker,
            state: Mutex::default(),
            lost: Notify::new(),
        }
    }

    /// The connection, if there is one now.
    pub(crate) fn connection(&self) -> Option<Connection> {
        self.lock().connection.clone()
    }

    /// The connection, or these keys are owed.
    pub(crate) fn connection_or_owe(&self, keys: &[String]) -> Option<Connection> {
        let mut state = self.lock();
        if state.connection.is_none() {
            state.owed.add(keys, self.max_owed);
        }
        state.connection.clone()
    }

    /// Gives a broken connection up.
    pub(crate) fn lose(&self, broken: &Connection) {
        let mut state = self.lock();
        if state.connection.as_ref().is_some_and(|current| current.number == broken.number) {
            state.connection = None;
            self.lost.notify_one();
        }
    }

    /// Owes these keys, and gives the connection up, whichever it is now: nothing may be read before they are settled.
    pub(crate) fn owe(&self, keys: &[String]) {
        let mut state = self.lock();
        state.owed.add(keys, self.max_owed);
        state.connection = None;
        self.lost.notify_one();
    }

    /// Keeps a connection up for ever.
    pub(crate) async fn keep_up(self: Arc<Self>) {
        loop {
            self.reconnect().await;
            self.lost.notified().await;
        }
    }

    async fn reconnect(&self) {
        let mut wait = FIRST_WAIT;
        while self.connection().is_none() {
            let permit = self.breaker.admit().ok();
            match self.restore().await {
                Ok(()) => {
                    if let Some(permit) = permit {
                        permit.succeeded();
                    }
                    tracing::info!("connected to Redis");
                }
                Err(error) => {
                    if let Some(permit) = permit {
                        permit.failed();
                    }
                    if wait == FIRST_WAIT {
                        tracing::warn!(error, "Redis is away, answering without it");
                    }
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(LAST_WAIT);
                }
            }
        }
    }

    /// Connects, settles what is owed, and hands the connection out.
    async fn restore(&self) -> Result<(), String> {
        let (mut commands, run) = self.in_time(self.connect()).await?;
        self.meet(run.ok_or("it doesn't tell its run_id")?);
        while let Some(owed) = self.hand_out_unless_owing(&commands) {
            if let Err(error) = self.in_time(commands::settle(&mut commands, &owed)).await {
                self.lock().owed.merge(owed, self.max_owed);
                return Err(error);
            }
        }
        Ok(())
    }

    async fn in_time<T>(&self, step: impl Future<Output = RedisResult<T>>) -> Result<T, String> {
        match tokio::time::timeout(self.connect_timeout, step).await {
            Ok(done) => done.map_err(|error| text(&error)),
            Err(_) => Err("timed out".to_owned()),
        }
    }

    /// A connection, and the run of the server that is at its other end.
    async fn connect(&self) -> RedisResult<(MultiplexedConnection, Option<String>)> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None)
            .set_pipeline_buffer_size(QUEUED_COMMANDS);
        let mut commands = self.client.get_multiplexed_async_connection_with_config(&config).await?;
        let run = commands::run_id(&mut commands).await?;
        commands::teach(&mut commands).await?;
        Ok((commands, run))
    }

    /// In another run of the server than the last, everything may be older than our last invalidation.
    fn meet(&self, run: String) {
        let mut state = self.lock();
        if state.run.as_ref() != Some(&run) {
            state.owed = Owed::Everything;
            state.run = Some(run);
        }
    }

    /// Takes what is owed, or hands the connection out when that is nothing.
    fn hand_out_unless_owing(&self, commands: &MultiplexedConnection) -> Option<Owed> {
        let mut state = self.lock();
        let owed = state.owed.take();
        if owed.is_none() {
            state.connections += 1;
            state.connection = Some(Connection { commands: commands.clone(), number: state.connections });
        }
        owed
    }

    /// Does one command in the time that Redis has to answer.
    pub(crate) async fn within<T>(
        &self,
        command: impl Future<Output = RedisResult<T>>,
    ) -> Result<T, Failure> {
        match tokio::time::timeout(self.response_timeout, command).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) if matches!(error.kind(), redis::ErrorKind::Server(_)) => {
                Err(Failure::Refused(text(&error)))
            }
            Ok(Err(error)) => Err(Failure::Broken(text(&error))),
            Err(_) => Err(Failure::Broken("timed out".to_owned())),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is whole after every statement, so a panic elsewhere can't have left it half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The kind of an error and the server's code for it. Its full text could quote what was sent.
fn text(error: &RedisError) -> String {
    error.code().map_or_else(|| error.category().to_owned(), str::to_owned)
}
