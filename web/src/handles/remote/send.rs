//! A call with its second attempt.

use std::time::Duration;

use ecs_breaker::Open;
use tokio::time::Instant;

use super::Remote;
use super::attempt::{Answered, Call, Lost};

/// With less than this, a call is not worth making.
const LEAST: Duration = Duration::from_millis(1);

impl Remote {
    /// The head of the answer; its body comes as it is read.
    pub(in crate::handles) async fn send(&self, call: &Call) -> Result<Answered, Lost> {
        let started = Instant::now();
        let left = || call.time.saturating_sub(started.elapsed());
        if left() < LEAST {
            return Err(Lost::Late);
        }
        let _place = self.0.places.take().ok_or(Lost::Full)?;
        self.0.budget.called();
        let chosen = self.0.replicas.choose(None).map_err(Lost::from)?;
        let first = chosen.index;
        let lost = match self.attempt(call, chosen, self.first_time(call)).await {
            Ok(answered) => return Ok(answered),
            Err(lost) => lost,
        };
        if !may_repeat(call, lost) || left() < LEAST || !self.0.budget.take() {
            return Err(lost);
        }
        // Where nobody else may be called, what happened says more than that.
        let chosen = self.0.replicas.choose(Some(first)).map_err(|_| lost)?;
        tracing::debug!(role = self.role(), "a call is made once more");
        self.attempt(call, chosen, left()).await
    }

    /// A replica that hangs may cost a call that can be repeated elsewhere half its time, not all of it.
    fn first_time(&self, call: &Call) -> Duration {
        if call.repeatable && self.0.replicas.several() { call.time / 2 } else { call.time }
    }
}

/// Whether another attempt can't do what must not be done twice.
fn may_repeat(call: &Call, lost: Lost) -> bool {
    let harmless = match lost {
        Lost::Unreachable => true,
        Lost::Broken | Lost::Late => call.repeatable,
        Lost::Open { .. } | Lost::Sender | Lost::Full => false,
    };
    harmless && call.payload.body().is_some()
}

impl From<Open> for Lost {
    fn from(open: Open) -> Self {
        Self::Open { retry_after: open.retry_after }
    }
}
