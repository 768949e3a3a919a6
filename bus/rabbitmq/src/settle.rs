//! Telling the server what became of deliveries.
//!
//! The server knows "done" and "back into the queue", and neither counts an attempt. So an event that failed is published anew, with
//! what it has been through, to a queue in which it waits, and only when that is confirmed its delivery is done.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ecs_bus::BusError;
use ecs_domain::Timestamp;
use lapin::Channel;
use lapin::options::{BasicAckOptions, BasicNackOptions};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::bus::Core;
use crate::courier::{Fate, Parcel};
use crate::link::away;
use crate::member::{Held, Member, Place};
use crate::{message, names, topology};

/// How long a failed event waits that can't be published anew, before it goes back as it is.
const EXCUSE: Duration = Duration::from_secs(1);
/// How long the server may take to hear what became of deliveries.
const HEARD_WITHIN: Duration = Duration::from_secs(2);

/// How long events can wait, in milliseconds: a retry waits for the shortest of these that is long enough.
const DELAYS: [u64; 16] = [
    100, 250, 500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000, 120_000, 300_000, 900_000, 3_600_000,
    14_400_000, 43_200_000, 86_400_000,
];

/// A delivery that failed.
pub(crate) struct Failed {
    pub(crate) held: Held,
    /// How long to wait at least.
    pub(crate) after: Duration,
    pub(crate) reason: String,
}

/// The voice of a member.
pub(crate) struct Voice {
    core: Arc<Core>,
    queue: String,
    member: Arc<Member>,
    /// The member's channels. Whoever speaks holds the lock: "everything up to here is done" must not overtake "this one is not".
    channels: Mutex<BTreeMap<u64, Channel>>,
}

impl Voice {
    pub(crate) fn new(core: Arc<Core>, queue: String, member: Arc<Member>) -> Self {
        Self { core, queue, member, channels: Mutex::default() }
    }

    /// The member has one more channel.
    pub(crate) async fn add(&self, id: u64, channel: Channel) {
        self.channels.lock().await.insert(id, channel);
    }

    /// The member has lost a channel, or needs it no more. What it had from it is void.
    pub(crate) async fn remove(&self, id: u64) {
        let mut channels = self.channels.lock().await;
        self.member.lose(id);
        channels.remove(&id);
    }

    /// These are done. What came over a channel that is gone is the group's again, and comes once more.
    pub(crate) async fn done(&self, places: Vec<Place>) -> Result<(), BusError> {
        let channels = self.channels.lock().await;
        let mut told = Ok(());
        for (id, numbers) in by_channel(places) {
            if let Some(channel) = channels.get(&id) {
                let acknowledging = acknowledge(channel, &self.member, id, &numbers);
                let acknowledged = tokio::time::timeout(HEARD_WITHIN, acknowledging).await;
                self.member.close(id, &numbers);
                told = told.and(match acknowledged {
                    Ok(heard) => heard.map_err(|error| away(&error)),
                    Err(_) => Err(away(&"it does not hear what is done")),
                });
            }
        }
        told
    }

    /// These go back to the group at once, as if they had never been sent.
    pub(crate) async fn back(&self, places: Vec<Place>) {
        let channels = self.channels.lock().await;
        for (id, numbers) in by_channel(places) {
            let Some(channel) = channels.get(&id) else { continue };
            let returning = async {
                for number in &numbers {
                    let again = BasicNackOptions { multiple: false, requeue: true };
                    channel.basic_nack(*number, again).await?;
                }
                lapin::Result::Ok(())
            };
            // A channel that is gone has given everything back.
            let _ = tokio::time::timeout(HEARD_WITHIN, returning).await;
            self.member.close(id, &numbers);
        }
    }

    /// Everything goes back, and the channels end. When this returns the server has heard it, unless it is away.
    pub(crate) async fn leave(&self) {
        let channels = std::mem::take(&mut *self.channels.lock().await);
        for (id, channel) in channels {
            self.member.lose(id);
            let farewell = async {
                // Zero stands for everything.
                channel.basic_nack(0, BasicNackOptions { multiple: true, requeue: true }).await?;
                channel.close(200, "OK".into()).await
            };
            // A channel that is gone has given everything back.
            let _ = tokio::time::timeout(HEARD_WITHIN, farewell).await;
        }
    }

    /// Publishes failed events anew, then they are done. What can't be published goes back in a while, uncounted.
    pub(crate) async fn failed(&self, failed: Vec<Failed>) -> Result<(), BusError> {
        if failed.is_empty() {
            return Ok(());
        }
        let now = Timestamp::now();
        let mut parcels = Vec::with_capacity(failed.len());
        for Failed { held, after, reason } in &failed {
            let to = self.waiting_place(*after).await;
            let mut failures = held.carried.failures.clone();
            failures.add(now, reason);
            let properties = message::properties(&held.carried.event, held.carried.published_at, &failures);
            parcels.push(to.map(|to| Parcel::to_queue(&to, properties, held.carried.event.payload.clone())));
        }
        let (sendable, unsendable): (Vec<_>, Vec<_>) =
            parcels.into_iter().zip(failed).partition(|(parcel, _)| parcel.is_ok());
        let (parcels, sent): (Vec<_>, Vec<_>) = sendable.into_iter().unzip();
        let fates = self.core.courier.deliver(parcels.into_iter().flatten().collect()).await;
        let mut done = Vec::with_capacity(sent.len());
        let mut trouble = None;
        for (failed, fate) in sent.into_iter().zip(fates) {
            match fate {
                Fate::Kept => done.push(failed.held.place),
                Fate::Refused(reason) | Fate::Unheard(reason) => {
                    trouble = Some(away(&reason));
                    self.excuse(failed);
                }
            }
        }
        for (parcel, failed) in unsendable {
            trouble = parcel.err().or(trouble);
            self.excuse(failed);
        }
        self.done(done).await?;
        trouble.map_or(Ok(()), Err)
    }

    fn excuse(&self, failed: Failed) {
        self.member
            .excuse(failed.held, Instant::now() + failed.after.max(EXCUSE).min(self.member.options.lease));
    }

    /// The queue in which events of this group wait for so long.
    async fn waiting_place(&self, after: Duration) -> Result<String, BusError> {
        if after.is_zero() {
            return Ok(self.queue.clone());
        }
        let delay = DELAYS.into_iter().map(Duration::from_millis).find(|delay| *delay >= after);
        let delay = delay.unwrap_or(Duration::from_secs(after.as_secs() + 1));
        if !self.core.control.delays(&self.queue).contains(&delay) {
            topology::open_retry(&self.core.listen, &self.queue, delay).await?;
            topology::noted().await;
            // Written down before anything waits there, so that it is never overlooked.
            self.core.control.add_delay(&self.core.courier, &self.queue, delay).await?;
        }
        Ok(names::retry(&self.queue, delay))
    }
}

fn by_channel(places: Vec<Place>) -> BTreeMap<u64, Vec<u64>> {
    let mut by_channel = BTreeMap::<u64, Vec<u64>>::new();
    for Place { channel, number } in places {
        by_channel.entry(channel).or_default().push(number);
    }
    by_channel
}

/// Acknowledges these, most of them in one word.
async fn acknowledge(channel: &Channel, member: &Member, id: u64, numbers: &[u64]) -> lapin::Result<()> {
    let words = member.words(id, numbers.to_vec());
    if let Some(through) = words.through {
        channel.basic_ack(through, BasicAckOptions { multiple: true }).await?;
    }
    for number in words.singly {
        channel.basic_ack(number, BasicAckOptions { multiple: false }).await?;
    }
    Ok(())
}
