//! Work that travels to a connection's thread, and its answer that travels back.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use ecs_store::StoreError;
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::Fault;

/// A piece of work with somebody waiting for its answer.
pub(super) trait Task: Send {
    /// Does the work, once. Returns whether its writes are to be kept. A panic fails this task only.
    fn run(&mut self, connection: &Connection) -> bool;

    /// Sends the answer. A failed `end` (the transaction didn't commit) overrides a success.
    fn answer(self: Box<Self>, end: Result<(), &StoreError>);

    /// Whether nobody waits for the answer any more.
    fn is_abandoned(&self) -> bool;
}

/// The one implementation of [`Task`], over the work and its result.
pub(super) struct Call<T, F> {
    work: Option<F>,
    result: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Call<T, F>
where
    T: Send + 'static,
    F: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
{
    /// The task, and where its answer will arrive.
    pub(super) fn task(work: F) -> (Box<dyn Task>, oneshot::Receiver<Result<T, StoreError>>) {
        let (reply, answer) = oneshot::channel();
        (Box::new(Self { work: Some(work), result: None, reply }), answer)
    }
}

impl<T, F> Task for Call<T, F>
where
    T: Send + 'static,
    F: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
{
    fn run(&mut self, connection: &Connection) -> bool {
        let Some(work) = self.work.take() else { return false };
        let result = match catch_unwind(AssertUnwindSafe(|| work(connection))) {
            Ok(result) => result.map_err(StoreError::from),
            Err(panic) => Err(panicked(panic.as_ref())),
        };
        let keep = result.is_ok();
        self.result = Some(result);
        keep
    }

    fn answer(self: Box<Self>, end: Result<(), &StoreError>) {
        let answer = match (self.result, end) {
            (Some(Err(error)), _) => Err(error),
            (_, Err(error)) => Err(error.clone()),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (None, Ok(())) => Err(StoreError::Unavailable("the store did not get to it".to_owned())),
        };
        // Whoever asked may be gone; the write stands all the same.
        drop(self.reply.send(answer));
    }

    fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }
}

/// The error of a task that panicked. Trying again runs the same code into the same wall, so it is not retryable.
fn panicked(panic: &(dyn Any + Send)) -> StoreError {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    tracing::error!(panic = text.unwrap_or("without a message"), "a task of the store panicked");
    StoreError::Corrupt("a task of the store panicked".to_owned())
}

/// The error of a store whose thread has ended.
pub(super) fn closed() -> StoreError {
    StoreError::Unavailable("the store is closed".to_owned())
}
