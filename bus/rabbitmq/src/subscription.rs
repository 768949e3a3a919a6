//! The owner's side of a subscription.

use std::sync::Arc;

use async_trait::async_trait;
use ecs_bus::{BusError, Delivery, Settlement, Subscription, Verdict};

use crate::member::{Member, Phase};
use crate::settle::{Failed, Voice};

pub(crate) struct RabbitSubscription {
    pub(crate) member: Arc<Member>,
    pub(crate) voice: Arc<Voice>,
}

/// Says that the owner waits for as long as this lives: a dropped future waits no longer.
struct Waiting<'a>(&'a Member);

impl<'a> Waiting<'a> {
    fn begin(member: &'a Member) -> Self {
        member.set_waiting(true);
        Self(member)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.set_waiting(false);
    }
}

#[async_trait]
impl Subscription for RabbitSubscription {
    async fn next(&mut self) -> Result<Vec<Delivery>, BusError> {
        let _waiting = Waiting::begin(&self.member);
        loop {
            if self.member.phase() != Phase::Joined {
                return Err(BusError::Closed);
            }
            // No await from here to the return: what is taken is returned.
            let look_again = match self.member.take() {
                Ok(batch) => {
                    // There is room for more now.
                    self.member.moved.notify_one();
                    return Ok(batch);
                }
                Err(look_again) => look_again,
            };
            let arrived = self.member.arrived.notified();
            match look_again {
                // Elapsed or rung, the loop looks again.
                Some(at) => drop(tokio::time::timeout_at(at, arrived).await),
                None => arrived.await,
            }
        }
    }

    async fn settle(&mut self, settlements: Vec<Settlement>) -> Result<(), BusError> {
        if self.member.phase() != Phase::Joined {
            return Err(BusError::Closed);
        }
        let mut done = Vec::with_capacity(settlements.len());
        let mut failed = Vec::new();
        for (held, verdict) in self.member.settle(settlements) {
            match verdict {
                Verdict::Ack => done.push(held.place),
                Verdict::Retry { after, reason } => failed.push(Failed { held, after, reason }),
            }
        }
        let told = self.voice.done(done).await;
        let failed = self.voice.failed(failed).await;
        self.member.moved.notify_one();
        told.and(failed)
    }
}

impl Drop for RabbitSubscription {
    fn drop(&mut self) {
        self.member.end(Phase::Left);
    }
}
