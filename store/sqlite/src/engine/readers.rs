//! A few threads that read, each over a connection of its own. A read sees one snapshot and never waits for a write.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use ecs_store::StoreError;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::task::{Call, Task, closed};
use super::{Fault, store_error};

/// How many reads may wait before callers do.
const QUEUE: usize = 1024;

enum Message {
    Work(Box<dyn Task>),
    Close(oneshot::Sender<()>),
}

/// The way to the readers' threads. The threads end when this is dropped or closed.
pub(crate) struct Readers {
    queue: mpsc::Sender<Message>,
    count: usize,
}

impl Readers {
    /// Starts one thread per connection.
    pub(crate) fn start(connections: Vec<Connection>) -> Result<Self, StoreError> {
        let (queue, messages) = mpsc::channel(QUEUE);
        let messages = Arc::new(Mutex::new(messages));
        let count = connections.len();
        for connection in connections {
            let messages = Arc::clone(&messages);
            thread::Builder::new()
                .name("store-reader".to_owned())
                .spawn(move || read(connection, &messages))
                .map_err(|error| StoreError::Unavailable(format!("no thread for a reader: {error}")))?;
        }
        Ok(Self { queue, count })
    }

    /// Runs `work`, all of it over one snapshot.
    pub(crate) async fn call<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        let (task, answer) = Call::task(work);
        self.queue.send(Message::Work(task)).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }

    /// Finishes what waits and closes the connections.
    pub(crate) async fn close(&self) {
        for _ in 0..self.count {
            let (done, answer) = oneshot::channel();
            if self.queue.send(Message::Close(done)).await.is_err() {
                return;
            }
            // An error means that the threads are gone: closed they are.
            drop(answer.await);
        }
    }
}

fn read(connection: Connection, messages: &Mutex<mpsc::Receiver<Message>>) {
    loop {
        // The lock is held while waiting: the threads queue for it, and each message goes to exactly one of them.
        let message = messages.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
        match message {
            Some(Message::Work(task)) => run(&connection, task),
            Some(Message::Close(done)) => {
                if let Err((_, error)) = connection.close() {
                    tracing::warn!(%error, "closing a reader's connection failed");
                }
                done.send(()).ok();
                return;
            }
            None => return,
        }
    }
}

fn run(connection: &Connection, mut task: Box<dyn Task>) {
    if task.is_abandoned() {
        return;
    }
    let end = in_snapshot(connection, task.as_mut());
    task.answer(end.as_ref().copied());
}

fn in_snapshot(connection: &Connection, task: &mut dyn Task) -> Result<(), StoreError> {
    let execute = |sql: &str| {
        let run = || connection.prepare_cached(sql)?.execute([]);
        run().map(drop).map_err(|error| store_error(&error))
    };
    execute("BEGIN")?;
    task.run(connection);
    if connection.is_autocommit() {
        return Ok(());
    }
    execute("ROLLBACK")
}
