//! The one thread that writes.
//!
//! It takes all that waits, does each task inside a savepoint of one transaction, commits once and only then answers:
//! one flush to disk serves many callers, and none hears "done" before it is true.

use std::thread;

use ecs_store::StoreError;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::task::{Call, Task, closed};
use super::{Fault, store_error};

/// How many tasks may wait before callers do.
const QUEUE: usize = 1024;
/// How many tasks share a commit at most, so that the first of them doesn't wait for ever.
const GROUP: usize = 256;

/// Whether a task shares its transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Size {
    /// Short: commits together with its neighbours.
    Small,
    /// Long: has a transaction to itself, so that neighbours don't wait for it or fail with it.
    Large,
}

enum Message {
    Work(Size, Box<dyn Task>),
    Truncate(oneshot::Sender<Result<(), StoreError>>),
    Close(oneshot::Sender<()>),
}

/// The way to the writer's thread. The thread ends when this is dropped or closed.
pub(crate) struct Writer {
    queue: mpsc::Sender<Message>,
}

impl Writer {
    /// Starts the thread.
    pub(crate) fn start(connection: Connection) -> Result<Self, StoreError> {
        let (queue, messages) = mpsc::channel(QUEUE);
        thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || Loop { connection, messages, next: None }.run())
            .map_err(|error| StoreError::Unavailable(format!("no thread for the writer: {error}")))?;
        Ok(Self { queue })
    }

    /// Runs `work` in a transaction and answers once it is committed.
    pub(crate) async fn call<T, F>(&self, size: Size, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        let (task, answer) = Call::task(work);
        self.queue.send(Message::Work(size, task)).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }

    /// Moves the whole log into the file and cuts it, so that nothing is left there of what was deleted before.
    pub(crate) async fn truncate_log(&self) -> Result<(), StoreError> {
        let (done, answer) = oneshot::channel();
        self.queue.send(Message::Truncate(done)).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }

    /// Finishes what waits, folds the log back into the database and closes the connection.
    pub(crate) async fn close(&self) {
        let (done, answer) = oneshot::channel();
        if self.queue.send(Message::Close(done)).await.is_ok() {
            // An error means that the thread is gone: closed it is.
            drop(answer.await);
        }
    }
}

struct Loop {
    connection: Connection,
    messages: mpsc::Receiver<Message>,
    /// A message that was taken while a group was gathered, and doesn't belong to it.
    next: Option<Message>,
}

impl Loop {
    fn run(mut self) {
        let mut closing = None;
        while let Some(message) = self.next.take().or_else(|| self.messages.blocking_recv()) {
            match message {
                Message::Work(Size::Large, task) => self.commit(vec![task]),
                Message::Work(Size::Small, task) => {
                    let group = self.gather(task);
                    self.commit(group);
                }
                Message::Truncate(done) => {
                    done.send(truncate(&self.connection)).ok();
                }
                Message::Close(done) => {
                    self.messages.close();
                    closing = Some(done);
                }
            }
        }
        if let Err((_, error)) = self.connection.close() {
            tracing::warn!(%error, "closing the store's connection failed");
        }
        if let Some(done) = closing {
            done.send(()).ok();
        }
    }

    /// All the small tasks that wait behind `first`.
    fn gather(&mut self, first: Box<dyn Task>) -> Vec<Box<dyn Task>> {
        let mut group = vec![first];
        while group.len() < GROUP {
            match self.messages.try_recv() {
                Ok(Message::Work(Size::Small, task)) => group.push(task),
                Ok(other) => {
                    self.next = Some(other);
                    break;
                }
                Err(_) => break,
            }
        }
        group
    }

    fn commit(&self, mut group: Vec<Box<dyn Task>>) {
        let end = self.transact(&mut group);
        if let Err(error) = &end {
            tracing::warn!(%error, tasks = group.len(), "a transaction of the store failed");
            self.roll_back();
        }
        for task in group {
            task.answer(end.as_ref().copied());
        }
    }

    /// Runs the group between BEGIN and COMMIT. On an error nothing of the group is kept.
    fn transact(&self, group: &mut [Box<dyn Task>]) -> Result<(), StoreError> {
        self.execute("BEGIN IMMEDIATE")?;
        let alone = group.len() == 1;
        let mut kept = 0_usize;
        for task in group {
            kept += usize::from(self.run_in_savepoint(task.as_mut(), alone)?);
            // Some errors, a full disk among them, make SQLite roll the whole transaction back by itself.
            if self.connection.is_autocommit() {
                return Err(StoreError::Unavailable("the transaction was rolled back".to_owned()));
            }
        }
        self.execute(if kept == 0 { "ROLLBACK" } else { "COMMIT" })
    }

    /// A task that fails takes back its own writes only. A task that is alone needs no savepoint for that.
    fn run_in_savepoint(&self, task: &mut dyn Task, alone: bool) -> Result<bool, StoreError> {
        if alone {
            return Ok(task.run(&self.connection));
        }
        self.execute("SAVEPOINT task")?;
        let keep = task.run(&self.connection);
        if self.connection.is_autocommit() {
            return Ok(false);
        }
        if !keep {
            self.execute("ROLLBACK TO task")?;
        }
        self.execute("RELEASE task")?;
        Ok(keep)
    }

    fn execute(&self, sql: &str) -> Result<(), StoreError> {
        let run = || self.connection.prepare_cached(sql)?.execute([]);
        run().map(drop).map_err(|error| store_error(&error))
    }

    fn roll_back(&self) {
        if self.connection.is_autocommit() {
            return;
        }
        if let Err(error) = self.execute("ROLLBACK") {
            tracing::error!(%error, "rolling back failed");
        }
    }
}

/// How long those are waited for who read an older state. Whoever writes waits, too.
const TRUNCATION: i64 = 250;

fn truncate(connection: &Connection) -> Result<(), StoreError> {
    let patience = connection.pragma_query_value(None, "busy_timeout", |row| row.get::<_, i64>(0));
    let patience = patience.map_err(|error| store_error(&error))?;
    set_patience(connection, TRUNCATION)?;
    let busy = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0));
    set_patience(connection, patience)?;
    match busy.map_err(|error| store_error(&error))? {
        false => Ok(()),
        true => Err(StoreError::Unavailable("somebody still reads what the log holds".to_owned())),
    }
}

fn set_patience(connection: &Connection, milliseconds: i64) -> Result<(), StoreError> {
    connection.pragma_update(None, "busy_timeout", milliseconds).map_err(|error| store_error(&error))
}
