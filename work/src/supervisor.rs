//! Every long-running task of the process, by name, with what its failure means and how it stops.

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::join_all;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// What a task's failure means for the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// The process can't do its work without it: [`Supervisor::failed`] returns, and the application drains and exits.
    StopProcess,
    /// It is logged, and the process goes on without the task.
    Log,
}

/// What the end of the process means for a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnStop {
    /// The task watches [`Supervisor::token`] and ends in its own time, within the drain's deadline.
    Wait,
    /// The task holds nothing that would be lost; it is cut off at its next await.
    Abort,
}

/// Owns tasks. Cheap to clone; every clone owns the same tasks.
#[derive(Clone)]
pub struct Supervisor {
    token: CancellationToken,
    tasks: Arc<Mutex<Vec<Task>>>,
    failure: watch::Sender<Option<TaskFailure>>,
}

struct Task {
    name: Cow<'static, str>,
    on_stop: OnStop,
    handle: JoinHandle<()>,
}

/// A task that ended as it should not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the task {task} {reason}")]
pub struct TaskFailure {
    /// The task's name.
    pub task: String,
    /// What happened: `failed: …` or `panicked: …`.
    pub reason: String,
}

/// How a drain went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drained {
    /// Tasks that had not ended by the deadline and were cut off. Empty after a clean drain.
    pub overdue: Vec<String>,
}

impl Drained {
    /// Whether every task that was to be waited for ended in time.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.overdue.is_empty()
    }
}

impl Default for Supervisor {
    fn default() -> Self {
        Self::new()
    }
}

impl Supervisor {
    /// A supervisor without tasks.
    #[must_use]
    pub fn new() -> Self {
        Self { token: CancellationToken::new(), tasks: Arc::default(), failure: watch::Sender::new(None) }
    }

    /// Is cancelled when the process begins to stop. Tasks with [`OnStop::Wait`] MUST watch it.
    #[must_use]
    pub fn token(&self) -> CancellationToken {
        self.token.clone()
    }

    /// Starts a task on the current runtime. Ending with `Ok` is no failure; an error and a panic are.
    pub fn spawn<E: fmt::Display>(
        &self,
        name: impl Into<Cow<'static, str>>,
        on_failure: OnFailure,
        on_stop: OnStop,
        future: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        let name = name.into();
        let reported = name.clone();
        let failure = self.failure.clone();
        let guarded =
            AssertUnwindSafe(future.map(|ended| ended.map_err(|error| error.to_string()))).catch_unwind();
        let handle = tokio::spawn(async move {
            let reason = match guarded.await {
                Ok(Ok(())) => return tracing::debug!(task = %reported, "a task ended"),
                Ok(Err(error)) => format!("failed: {error}"),
                Err(panic) => format!("panicked: {}", panic_text(panic.as_ref())),
            };
            report(&failure, on_failure, TaskFailure { task: reported.into_owned(), reason });
        });
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.retain(|task| !task.handle.is_finished());
        tasks.push(Task { name, on_stop, handle });
    }

    /// Waits until a task fails whose failure stops the process, and returns the first one that did. Cancel safe.
    pub async fn failed(&self) -> TaskFailure {
        let mut failure = self.failure.subscribe();
        loop {
            if let Some(failure) = failure.borrow_and_update().clone() {
                return failure;
            }
            if failure.changed().await.is_err() {
                // Can't be: `self` holds the sender.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Stops all tasks: cancels [`Supervisor::token`], cuts off those with [`OnStop::Abort`], waits for those with
    /// [`OnStop::Wait`], and cuts off what has not ended by the deadline. Returns at the deadline at the latest, and
    /// may be called again. Tasks of a drained supervisor have nothing of the bus or the store in hand any more, so the
    /// caller closes those next.
    pub async fn drain(&self, deadline: Duration) -> Drained {
        self.token.cancel();
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        for task in tasks.iter().filter(|task| task.on_stop == OnStop::Abort) {
            task.handle.abort();
        }
        let (names, handles): (Vec<_>, Vec<_>) =
            tasks.into_iter().map(|task| (task.name, task.handle)).unzip();
        let aborts: Vec<_> = handles.iter().map(JoinHandle::abort_handle).collect();
        if tokio::time::timeout(deadline, join_all(handles)).await.is_ok() {
            return Drained { overdue: Vec::new() };
        }
        let overdue = names.into_iter().zip(aborts).filter(|(_, abort)| !abort.is_finished());
        let overdue: Vec<String> = overdue.map(|(name, abort)| cut_off(name.into_owned(), &abort)).collect();
        Drained { overdue }
    }
}

fn cut_off(name: String, abort: &tokio::task::AbortHandle) -> String {
    tracing::warn!(task = %name, "a task had not ended by the deadline and is cut off");
    abort.abort();
    name
}

fn report(failures: &watch::Sender<Option<TaskFailure>>, on_failure: OnFailure, failure: TaskFailure) {
    match on_failure {
        OnFailure::Log => tracing::error!(task = %failure.task, reason = %failure.reason, "a task is lost"),
        OnFailure::StopProcess => {
            tracing::error!(task = %failure.task, reason = %failure.reason, "a task is lost; the process must stop");
            failures.send_if_modified(|first| {
                let is_first = first.is_none();
                first.get_or_insert(failure);
                is_first
            });
        }
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&'static str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a word")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    const SOON: Duration = Duration::from_secs(5);

    async fn pending() -> Result<(), &'static str> {
        std::future::pending().await
    }

    #[tokio::test(start_paused = true)]
    async fn a_panicking_task_is_reported_by_name() {
        let supervisor = Supervisor::new();
        supervisor.spawn("steady", OnFailure::StopProcess, OnStop::Abort, pending());
        supervisor.spawn("shaky", OnFailure::StopProcess, OnStop::Wait, async {
            let luck: Result<(), &'static str> = Err("of the draw");
            luck.inspect_err(|text| panic!("the luck {text}"))
        });
        let failure = tokio::time::timeout(SOON, supervisor.failed()).await.unwrap();
        assert_eq!(failure.to_string(), "the task shaky panicked: the luck of the draw");
        assert_eq!(tokio::time::timeout(SOON, supervisor.failed()).await.unwrap(), failure, "it stays known");
    }

    #[tokio::test(start_paused = true)]
    async fn only_failures_that_are_declared_so_stop_the_process() {
        let supervisor = Supervisor::new();
        supervisor.spawn("minor", OnFailure::Log, OnStop::Wait, async { Err("minor trouble") });
        supervisor.spawn("done", OnFailure::StopProcess, OnStop::Wait, async { Ok::<(), &str>(()) });
        assert!(tokio::time::timeout(SOON, supervisor.failed()).await.is_err());
        supervisor.spawn("major", OnFailure::StopProcess, OnStop::Wait, async { Err("major trouble") });
        let failure = tokio::time::timeout(SOON, supervisor.failed()).await.unwrap();
        assert_eq!(failure.to_string(), "the task major failed: major trouble");
    }

    #[tokio::test(start_paused = true)]
    async fn a_drain_waits_for_those_that_finish_and_cuts_off_the_others() {
        let supervisor = Supervisor::new();
        let finished = Arc::new(AtomicBool::new(false));
        let (token, flag) = (supervisor.token(), Arc::clone(&finished));
        supervisor.spawn("careful", OnFailure::StopProcess, OnStop::Wait, async move {
            token.cancelled().await;
            tokio::time::sleep(Duration::from_secs(1)).await;
            flag.store(true, Ordering::SeqCst);
            Ok::<(), &str>(())
        });
        supervisor.spawn("careless", OnFailure::StopProcess, OnStop::Abort, pending());
        let before = tokio::time::Instant::now();
        assert!(supervisor.drain(Duration::from_secs(60)).await.is_clean());
        assert!(finished.load(Ordering::SeqCst));
        assert_eq!(before.elapsed(), Duration::from_secs(1), "nobody waited for the careless one");
    }

    #[tokio::test(start_paused = true)]
    async fn a_drain_never_takes_longer_than_its_deadline() {
        for deadline in [Duration::ZERO, Duration::from_millis(10), Duration::from_secs(7)] {
            let supervisor = Supervisor::new();
            supervisor.spawn("deaf", OnFailure::Log, OnStop::Wait, pending());
            supervisor.spawn("careless", OnFailure::Log, OnStop::Abort, pending());
            let before = tokio::time::Instant::now();
            let drained = supervisor.drain(deadline).await;
            assert!(before.elapsed() <= deadline + Duration::from_millis(1));
            assert!(drained.overdue.contains(&"deaf".to_owned()), "{drained:?}");
            assert!(supervisor.drain(deadline).await.is_clean(), "a second drain finds nothing left");
        }
    }
}
