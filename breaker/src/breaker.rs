//! The gate as many callers share it: a lock around the rules, and none on the way of a healthy call.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ecs_metrics::Metrics;
use tokio::time::Instant;

use crate::gate::{Admitted, Gate};
use crate::{Open, Options, State};

/// A circuit breaker around one dependency. A clone is the same breaker.
#[derive(Clone)]
pub struct Breaker {
    shared: Arc<Shared>,
}

struct Shared {
    name: &'static str,
    metrics: Metrics,
    /// The gate's term and whether it is closed, in one word: `term << 1 | closed`. Calls through a closed breaker look at
    /// nothing else.
    closed_in: AtomicU64,
    /// Whether calls have failed since the last success. Only then does a success concern the gate.
    troubled: AtomicBool,
    gate: Mutex<Gate>,
}

/// Leave to make one call. Say what came of it; a permit that is dropped counts nothing, and a probe's place is free
/// again.
#[must_use = "a permit that is dropped counts nothing"]
pub struct Permit {
    shared: Arc<Shared>,
    call: Admitted,
    settled: bool,
}

/// Why [`Breaker::call`] has no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused<E> {
    /// The call was not made.
    Open(Open),
    /// The call was made, and this is its error.
    Failed(E),
}

impl Breaker {
    /// A closed breaker. `name` is its label in metrics.
    #[must_use]
    pub fn new(name: &'static str, options: Options, metrics: &Metrics) -> Self {
        metrics.breaker_state(name, State::Closed as u8);
        let gate = Gate::new(options);
        Self {
            shared: Arc::new(Shared {
                name,
                metrics: metrics.clone(),
                closed_in: AtomicU64::new(1),
                troubled: AtomicBool::new(false),
                gate: Mutex::new(gate),
            }),
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.shared.name
    }

    /// Leave to make a call, or how long to wait with the next.
    pub fn admit(&self) -> Result<Permit, Open> {
        let word = self.shared.closed_in.load(Ordering::Acquire);
        let call = if word & 1 == 1 {
            Admitted { term: word >> 1, probe: false }
        } else {
            self.shared.change(|gate, now| gate.admit(now))?
        };
        Ok(Permit { shared: Arc::clone(&self.shared), call, settled: false })
    }

    /// Where it stands now.
    #[must_use]
    pub fn state(&self) -> State {
        self.shared.lock().state(Instant::now())
    }

    /// Does the work where the breaker lets it. Errors for which `is_failure` is false say that the dependency
    /// answered: they count as success.
    ///
    /// A deadline belongs into `work`: when the whole call is dropped, it counts nothing.
    pub async fn call<T, E>(
        &self,
        work: impl Future<Output = Result<T, E>>,
        is_failure: impl FnOnce(&E) -> bool,
    ) -> Result<T, Refused<E>> {
        let permit = self.admit().map_err(Refused::Open)?;
        let result = work.await;
        match &result {
            Err(error) if is_failure(error) => permit.failed(),
            Ok(_) | Err(_) => permit.succeeded(),
        }
        result.map_err(Refused::Failed)
    }
}

impl std::fmt::Debug for Breaker {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Breaker").field("name", &self.name()).field("state", &self.state()).finish()
    }
}

impl Permit {
    /// The dependency answered.
    pub fn succeeded(mut self) {
        self.settled = true;
        if !self.call.probe && !self.shared.troubled.load(Ordering::Acquire) {
            return;
        }
        let call = self.call;
        self.shared.change(|gate, _| gate.succeeded(call));
    }

    /// The dependency did not answer, or not as it should.
    pub fn failed(mut self) {
        self.settled = true;
        let (call, name) = (self.call, self.shared.name);
        let opened = self.shared.change(|gate, now| gate.failed(call, now));
        if opened {
            self.shared.metrics.breaker_opened(name);
            tracing::warn!(breaker = name, "the breaker has opened");
        }
    }

    /// Whether the breaker is half open and this call finds out if it may close.
    #[must_use]
    pub fn is_probe(&self) -> bool {
        self.call.probe
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.call.probe && !self.settled {
            let call = self.call;
            self.shared.change(|gate, _| gate.given_up(call));
        }
    }
}

impl std::fmt::Debug for Permit {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Permit")
            .field("breaker", &self.shared.name)
            .field("probe", &self.call.probe)
            .finish()
    }
}

impl Shared {
    /// Nothing under the lock can panic halfway, so a poisoned one holds a whole gate.
    fn lock(&self) -> MutexGuard<'_, Gate> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the gate and, before anybody else can, what is seen of it without the lock, and its metric.
    fn change<T>(&self, change: impl FnOnce(&mut Gate, Instant) -> T) -> T {
        let now = Instant::now();
        let mut gate = self.lock();
        let before = gate.term();
        let result = change(&mut gate, now);
        self.troubled.store(gate.failures() > 0, Ordering::Release);
        if gate.term() != before {
            let state = gate.state(now);
            self.closed_in.store(gate.term() << 1 | u64::from(state == State::Closed), Ordering::Release);
            self.metrics.breaker_state(self.name, state as u8);
        }
        result
    }
}
