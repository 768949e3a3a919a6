//! What becomes of deliveries: failures go to the topic of retries, progress to Kafka.

use std::sync::Arc;
use std::time::Duration;

use ecs_bus::BusError;
use ecs_domain::Timestamp;
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::error::KafkaResult;
use rdkafka::{Offset, TopicPartitionList};
use tokio::time::Instant;

use crate::client::{blocking, unavailable};
use crate::engine::{Engine, GroupConsumer};
use crate::message::{self, Again};
use crate::patience::patiently;
use crate::producer::Outgoing;
use crate::state::Item;

/// How long a member waits for Kafka's word that it keeps the progress.
const LIMIT: Duration = Duration::from_secs(4);
/// How long to try while the group is being dealt out anew.
const PATIENCE: Duration = Duration::from_secs(2);
/// When the keeper of leases looks at the latest.
const GLANCE: Duration = Duration::from_secs(1);

/// A delivery that failed.
pub(crate) struct Failed {
    pub(crate) item: Item,
    pub(crate) after: Duration,
    pub(crate) reason: String,
}

impl Engine {
    /// Writes failures down and settles their events where they stood: they are in the topic of retries now. One that can't be
    /// written down stays where it is, and is delivered again from there.
    pub(crate) async fn fail(self: Arc<Self>, failed: Vec<Failed>) {
        let now = Timestamp::now();
        let mut records = Vec::with_capacity(failed.len());
        let mut items = Vec::with_capacity(failed.len());
        for Failed { mut item, after, reason } in failed {
            item.failures.add(now, &reason);
            let again = Again {
                origin: item.origin,
                published_at: item.published_at,
                not_before: now.checked_add(after).unwrap_or(Timestamp::MAX),
                failures: item.failures.clone(),
            };
            let place = item.origin.0.rem_euclid(self.retry_partitions.max(1));
            records.push(Outgoing {
                topic: Arc::clone(&self.names.retries),
                place,
                partition: Some(place),
                key: item.event.key.to_string(),
                payload: item.event.payload.clone(),
                headers: message::retry_headers(&item.event, &again),
            });
            items.push((item, after));
        }
        let fates = self.producer.send(records).await;
        let mut state = self.state();
        for ((item, after), fate) in items.into_iter().zip(fates) {
            match fate {
                Ok(()) => state.settle(&item),
                Err(reason) => {
                    tracing::warn!(group = %self.group, ?reason, "a failure is not written down");
                    if state.is_ours(&item) {
                        state.add_later(Instant::now() + after.min(Duration::from_secs(3600)), item);
                    }
                }
            }
        }
        drop(state);
        self.room.notify_all();
        self.arrived.notify_one();
    }

    /// Has Kafka keep what is settled, and waits for its word.
    pub(crate) async fn commit(self: &Arc<Self>) -> Result<(), BusError> {
        let turn = Arc::clone(&self.committing).lock_owned();
        let engine = Arc::clone(self);
        let commit = async move {
            let turn = turn.await;
            blocking(move || {
                let _turn = turn;
                let Some(consumer) = engine.consumer() else { return Ok(()) };
                engine.commit_with(&consumer).map_err(|error| unavailable(&error))
            })
            .await
        };
        tokio::time::timeout(LIMIT, commit)
            .await
            .unwrap_or_else(|_| Err(BusError::Unavailable("Kafka does not keep what was settled".to_owned())))
    }

    /// The same on this thread.
    pub(crate) fn commit_with(&self, consumer: &GroupConsumer) -> KafkaResult<()> {
        patiently(PATIENCE, || {
            // Looked at anew each time: a partition that has gone meanwhile is not ours to speak of.
            let due = self.state().due();
            if due.is_empty() {
                return Ok(());
            }
            let mut list = TopicPartitionList::with_capacity(due.len());
            for due in &due {
                let mut part = list.add_partition(self.names.of(due.part.0), due.part.1);
                part.set_offset(Offset::Offset(due.progress.next))?;
                let text = due.progress.text();
                if !text.is_empty() {
                    part.set_metadata(text);
                }
            }
            consumer.commit(&list, CommitMode::Sync)?;
            self.state().committed(&due);
            Ok(())
        })
    }

    /// Takes from the members what they don't settle in time, and commits what is left over.
    pub(crate) async fn keep_leases(self: Arc<Self>) {
        while !self.is_closing() {
            let next = self.state().next_lease();
            let glance = Instant::now() + GLANCE;
            let until = next.map_or(glance, |next| next.min(glance));
            // Elapsed or rung, the loop looks.
            let _ = tokio::time::timeout_at(until, self.leased.notified()).await;
            let expired = self.state().expired(Instant::now());
            if !expired.is_empty() {
                tracing::warn!(group = %self.group, deliveries = expired.len(), "deliveries were not settled within their lease");
                let reason = "it was not settled within its lease";
                let failed = expired.into_iter().map(|item| Failed {
                    item,
                    after: Duration::ZERO,
                    reason: reason.to_owned(),
                });
                Arc::clone(&self).fail(failed.collect()).await;
            }
            if !self.state().due().is_empty()
                && let Err(error) = self.commit().await
            {
                tracing::warn!(group = %self.group, %error, "progress is kept later");
            }
        }
    }
}
