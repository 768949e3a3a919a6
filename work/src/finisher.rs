//! Work that is seen through although whoever waits for it goes away.

use std::convert::Infallible;
use std::future::pending;
use std::panic::resume_unwind;

use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use crate::{OnFailure, OnStop, Supervisor};

/// Sees work through. A client that hangs up, or a timeout, drops the request's handler at its next await: a write might be
/// committed and what must follow it (caches, wakes, counts) never done. A clone counts the same work.
#[derive(Debug, Clone, Default)]
pub struct Finisher(TaskTracker);

impl Finisher {
    /// One whose work the supervisor waits for when it drains. Whoever hands work in must have ended by then.
    #[must_use]
    pub fn start(supervisor: &Supervisor) -> Self {
        let tasks = TaskTracker::new();
        let (stop, under_way) = (supervisor.token(), tasks.clone());
        supervisor.spawn("finisher", OnFailure::Log, OnStop::Wait, async move {
            stop.cancelled().await;
            under_way.close();
            under_way.wait().await;
            Ok::<(), Infallible>(())
        });
        Self(tasks)
    }

    /// Does the work in a task of its own, within the span of whoever asks, and returns what it came to. It goes on when
    /// this is dropped. A panic in it is a panic of whoever waits.
    pub async fn finish<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> T {
        match self.0.spawn(work.in_current_span()).await {
            Ok(done) => done,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                // The runtime is going down, and whoever waits with it.
                Err(_) => pending().await,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::AssertUnwindSafe;
    use std::time::Duration;

    use futures::FutureExt as _;
    use tokio::sync::oneshot;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn a_stop_waits_for_work_that_nobody_waits_for_any_more() {
        let supervisor = Supervisor::new();
        let finisher = Finisher::start(&supervisor);
        let (done, mut is_done) = oneshot::channel();
        let work = finisher.finish(async {
            tokio::time::sleep(LONG / 2).await;
            done.send(()).unwrap();
        });
        assert!(tokio::time::timeout(Duration::from_secs(1), work).await.is_err(), "its client hangs up");
        assert!(is_done.try_recv().is_err());
        assert!(supervisor.drain(LONG).await.is_clean());
        assert_eq!(is_done.try_recv(), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_does_not_wait_when_there_is_nothing_to_finish() {
        let supervisor = Supervisor::new();
        let finisher = Finisher::start(&supervisor);
        assert_eq!(finisher.finish(async { 7 }).await, 7);
        let before = tokio::time::Instant::now();
        assert!(supervisor.drain(LONG).await.is_clean());
        assert_eq!(before.elapsed(), Duration::ZERO);
    }

    #[tokio::test]
    async fn a_panic_reaches_whoever_waits() {
        let finisher = Finisher::default();
        let work = finisher.finish(async { std::panic::panic_any(7) });
        let panic = AssertUnwindSafe(work).catch_unwind().await.unwrap_err();
        assert_eq!(panic.downcast_ref(), Some(&7));
    }
}
