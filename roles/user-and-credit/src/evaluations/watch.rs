//! Looks at those of whom something has changed, and asks for an evaluation where the change is material.

use std::time::Duration;

use ecs_bus::Headers;
use ecs_bus::payload::{EvaluationPayload, EvaluationRequest};
use ecs_domain::clock::later;
use ecs_domain::features::Features;
use ecs_domain::{EvaluationId, Timestamp};
use ecs_store::{LookEnd, LookedAt, StoreError};
use ecs_web::Problem;
use ecs_work::{Wake, outbox_message, rounds};
use http::StatusCode;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::EVERY;
use crate::features;
use crate::state::State;

/// How many people are looked at together.
const BATCH: usize = 50;
/// For how long. Whoever looks and dies is followed by another after this.
const LEASE: Duration = Duration::from_secs(30);
/// Whoever has not changed enough is left alone for so long: a phone that sends all day long is not looked at all day long.
const PAUSE: Duration = Duration::from_secs(60);

/// Looks at people.
pub(super) struct Watch {
    state: State,
}

impl Watch {
    pub(super) fn new(state: State) -> Self {
        Self { state }
    }

    /// Looks until `token` is cancelled.
    pub(super) async fn run(self, token: CancellationToken) {
        // Whoever changes somebody is another process, so nobody here can wake it.
        let look = || async { Ok::<_, StoreError>(self.look().await? == BATCH) };
        rounds("nobody is looked at for an evaluation", &Wake::new(), &token, look).await;
    }

    /// One round. Returns how many people were looked at.
    async fn look(&self) -> Result<usize, StoreError> {
        let now = self.state.now();
        let changed = self.state.store.claim_changed(BATCH, now, LEASE).await?;
        for looked_at in &changed {
            let end = match features::allowed(&self.state, looked_at.user, now).await {
                Ok(features) => self.end_of(looked_at, features, now),
                Err(problem) => self.troubled(looked_at, &problem, now),
            };
            if self.state.store.end_look(looked_at, end).await? {
                self.state.outbox.wake();
            }
        }
        Ok(changed.len())
    }

    fn end_of(&self, looked_at: &LookedAt, features: Features, now: Timestamp) -> LookEnd {
        let material =
            looked_at.before.as_ref().is_none_or(|before| self.state.materiality.is_met(before, &features));
        if !material {
            return LookEnd::LetBe(later(now, PAUSE));
        }
        let evaluation = EvaluationId::new(Uuid::now_v7());
        let request = EvaluationRequest { evaluation, user: looked_at.user, requested_at: now };
        tracing::info!(user_id = %looked_at.user, evaluation_id = %evaluation, "an evaluation is asked for");
        let message = outbox_message(&EvaluationPayload::event(&request, Headers::current()));
        LookEnd::Evaluate { evaluation, features, again_at: later(now, EVERY), message }
    }

    /// Whoever is gone is left alone; whoever can't be read now is looked at again.
    fn troubled(&self, looked_at: &LookedAt, problem: &Problem, now: Timestamp) -> LookEnd {
        if problem.code().status() != StatusCode::NOT_FOUND {
            tracing::warn!(user_id = %looked_at.user, status = %problem.code().status(), "features for an evaluation can't be had");
        }
        LookEnd::LetBe(later(now, PAUSE))
    }
}
