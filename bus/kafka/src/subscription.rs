//! The owner's side of a subscription.

use std::sync::Arc;

use async_trait::async_trait;
use ecs_bus::{BusError, Delivery, Settlement, SubscribeOptions, Subscription, Verdict};
use tokio::time::Instant;

use crate::engine::Engine;
use crate::settling::Failed;

pub(crate) struct KafkaSubscription {
    pub(crate) engine: Arc<Engine>,
    /// Its number within the engine.
    pub(crate) member: u64,
    pub(crate) options: SubscribeOptions,
}

#[async_trait]
impl Subscription for KafkaSubscription {
    async fn next(&mut self) -> Result<Vec<Delivery>, BusError> {
        let engine = &self.engine;
        loop {
            let arrived = engine.arrived.notified();
            let look_again = {
                let mut state = engine.state();
                if state.closing {
                    return Err(BusError::Closed);
                }
                // No await from here to the return: what is taken is returned.
                match state.take(self.member, self.options, Instant::now()) {
                    Ok(batch) => {
                        let is_left = state.ready() > 0;
                        drop(state);
                        engine.room.notify_all();
                        engine.leased.notify_one();
                        if is_left {
                            engine.arrived.notify_one();
                        }
                        return Ok(batch);
                    }
                    Err(look_again) => look_again,
                }
            };
            match look_again {
                // Elapsed or rung, the loop looks again.
                Some(at) => drop(tokio::time::timeout_at(at, arrived).await),
                None => arrived.await,
            }
        }
    }

    async fn settle(&mut self, settlements: Vec<Settlement>) -> Result<(), BusError> {
        let now = Instant::now();
        let mut failed = Vec::new();
        {
            let mut state = self.engine.state();
            if state.closing {
                return Err(BusError::Closed);
            }
            for Settlement { tag, verdict } in settlements {
                let Some(item) = state.take_back(tag, self.member, now) else { continue };
                match verdict {
                    Verdict::Ack => state.settle(&item),
                    Verdict::Retry { after, reason } => failed.push(Failed { item, after, reason }),
                }
            }
        }
        self.engine.room.notify_all();
        if !failed.is_empty() {
            // A task of its own: it is done although the caller goes away in the middle of it.
            let failing = tokio::spawn(Arc::clone(&self.engine).fail(failed));
            if failing.await.is_err() {
                return Err(BusError::Unavailable("failures of events are not written down".to_owned()));
            }
        }
        self.engine.commit().await
    }
}

impl Drop for KafkaSubscription {
    fn drop(&mut self) {
        self.engine.leave(self.member, self.options);
    }
}
