//! Work that is seen through although whoever waits for it goes away.

use std::convert::Infallible;
use std::future::pending;
use std::panic::resume_unwind;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use crate::{OnFailure, OnStop, Supervisor};

/// How much may be under way at once. Clients that come and hang up again would otherwise pile up work in front of a store that
/// is slow: more than a pool has connections gains nothing.
const AT_ONCE: usize = 256;

/// Sees work through. A client that hangs up, or a timeout, drops the request's handler at its next await: a write might be
/// committed and what must follow it (caches, wakes, counts) never done. A clone counts the same work.
#[derive(Debug, Clone)]
pub struct Finisher {
    tasks: TaskTracker,
    room: Arc<Semaphore>,
}

impl Default for Finisher {
    /// One that nobody waits for at the end, for tests.
    fn default() -> Self {
        Self { tasks: TaskTracker::new(), room: Arc::new(Semaphore::new(AT_ONCE)) }
    }
}

impl Finisher {
    /// One whose work the supervisor waits for when it drains. Whoever hands work in must have ended by then.
    #[must_use]
    pub fn start(supervisor: &Supervisor) -> Self {
        let finisher = Self::default();
        let (stop, under_way) = (supervisor.token(), finisher.tasks.clone());
        supervisor.spawn("finisher", OnFailure::Log, OnStop::Wait, async move {
            stop.cancelled().await;
            under_way.close();
            under_way.wait().await;
            Ok::<(), Infallible>(())
        });
        finisher
    }

    /// Does the work in a task of its own, within the span of whoever asks, and returns what it came to. It goes on when
    /// this is dropped, unless there was no room for it yet. A panic in it is a panic of whoever waits.
    pub async fn finish<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> T {
        // Nobody closes the room, so there is always a place in the end.
        let place = Arc::clone(&self.room).acquire_owned().await;
        let work = async move {
            let done = work.await;
            drop(place);
            done
        };
        match self.tasks.spawn(work.in_current_span()).await {
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
    use std::sync::atomic::{AtomicUsize, Ordering};
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

    #[tokio::test(start_paused = true)]
    async fn clients_that_hang_up_pile_up_nothing() {
        let finisher = Finisher::default();
        let begun = Arc::new(AtomicUsize::new(0));
        for _ in 0..AT_ONCE * 2 {
            let begun = Arc::clone(&begun);
            let work = finisher.finish(async move {
                begun.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(LONG).await;
            });
            assert!(tokio::time::timeout(Duration::from_millis(1), work).await.is_err());
        }
        assert_eq!(begun.load(Ordering::SeqCst), AT_ONCE);
        assert_eq!(finisher.finish(async { 7 }).await, 7, "there is room again");
    }

    #[tokio::test]
    async fn a_panic_reaches_whoever_waits() {
        let finisher = Finisher::default();
        let work = finisher.finish(async { std::panic::panic_any(7) });
        let panic = AssertUnwindSafe(work).catch_unwind().await.unwrap_err();
        assert_eq!(panic.downcast_ref(), Some(&7));
    }
}
