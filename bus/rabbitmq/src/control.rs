//! What all processes know: how much was forgotten, how far groups have come, which of them are complete, and which retry queues there
//! are.
//!
//! It stands in a stream of its own that every process follows. Each record tells all that its writer knew, and what is known only
//! grows, so records may come in any order and old ones may go.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ecs_bus::{BusError, Subject};
use ecs_domain::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::{oneshot, watch};
use uuid::Uuid;

use crate::courier::{Courier, Parcel};
use crate::link::{Link, away};
use crate::log::{Reader, Start};
use crate::message;

/// How long to listen before looking whether the connection is still there.
const LISTEN: Duration = Duration::from_secs(60);
/// How long to wait before the stream is read anew after a failure.
const PAUSE: Duration = Duration::from_millis(100);
/// How long the first reading may take.
const READ_WITHIN: Duration = Duration::from_secs(20);

/// From where on a subject's events are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Floor {
    /// The first place of the log that is kept.
    pub(crate) offset: u64,
    /// What was published before is forgotten, wherever it waits.
    pub(crate) before: Option<Timestamp>,
}

/// What is known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Known {
    /// By the subject's name.
    floors: BTreeMap<String, Floor>,
    /// The queues of groups that have everything that was published before they were made.
    groups: BTreeSet<String>,
    /// The retry queues, as the queue of their group and their delay in milliseconds.
    retries: BTreeSet<(String, u64)>,
    /// How far a group had come in its log when somebody saw it idle, by its queue.
    #[serde(default)]
    settled: BTreeMap<String, u64>,
    /// Names the record to its writer.
    #[serde(default)]
    note: Option<Uuid>,
}

impl Known {
    fn learn(&mut self, other: Self) {
        for (subject, theirs) in other.floors {
            let ours = self.floors.entry(subject).or_default();
            ours.offset = ours.offset.max(theirs.offset);
            ours.before = ours.before.max(theirs.before);
        }
        self.groups.extend(other.groups);
        self.retries.extend(other.retries);
        for (queue, theirs) in other.settled {
            let ours = self.settled.entry(queue).or_default();
            *ours = theirs.max(*ours);
        }
    }
}

/// What is known, kept up to date.
pub(crate) struct Control {
    known: watch::Sender<Known>,
    stream: String,
}

impl Control {
    /// Reads everything, and follows from then on until the bus closes.
    pub(crate) async fn open(
        listen: &Link,
        courier: &Courier,
        stream: String,
        closing: watch::Receiver<bool>,
    ) -> Result<Self, BusError> {
        let known = watch::Sender::new(Known::default());
        let control = Self { known: known.clone(), stream: stream.clone() };
        // When our own note comes back, all that was there before it has.
        let (note, (read, all_read)) = (Uuid::new_v4(), oneshot::channel());
        tokio::spawn(follow(listen.clone(), stream, known, Some((note, read)), closing));
        control.write(courier, Known { note: Some(note), ..Known::default() }).await?;
        match tokio::time::timeout(READ_WITHIN, all_read).await {
            Ok(Ok(())) => Ok(control),
            Ok(Err(_)) | Err(_) => Err(away(&"it does not tell what is known")),
        }
    }

    /// Writes everything that we know and `news`.
    async fn write(&self, courier: &Courier, news: Known) -> Result<(), BusError> {
        let note = news.note;
        let mut record = self.known.borrow().clone();
        record.learn(news);
        record.note = note;
        let payload = serde_json::to_vec(&record).map_err(|error| BusError::Corrupt(error.to_string()))?;
        let properties = message::mark("known", Timestamp::now());
        courier.deliver_one(Parcel::to_queue(&self.stream, properties, payload.into())).await?;
        self.known.send_modify(|known| known.learn(record));
        Ok(())
    }

    pub(crate) fn floor(&self, subject: Subject) -> Floor {
        self.known.borrow().floors.get(subject.as_str()).copied().unwrap_or_default()
    }

    /// Tells when something new is known.
    pub(crate) fn watch(&self) -> watch::Receiver<Known> {
        self.known.subscribe()
    }

    pub(crate) async fn raise_floor(
        &self,
        courier: &Courier,
        subject: Subject,
        floor: Floor,
    ) -> Result<(), BusError> {
        let floors = [(subject.as_str().to_owned(), floor)].into();
        self.write(courier, Known { floors, ..Known::default() }).await
    }

    /// Whether a group has everything that was published before it was made.
    pub(crate) fn is_complete(&self, queue: &str) -> bool {
        self.known.borrow().groups.contains(queue)
    }

    pub(crate) async fn set_complete(&self, courier: &Courier, queue: &str) -> Result<(), BusError> {
        self.write(courier, Known { groups: [queue.to_owned()].into(), ..Known::default() }).await
    }

    /// Up to where everything in the log was settled when a process last saw this group idle and said so.
    pub(crate) fn settled(&self, queue: &str) -> Option<u64> {
        self.known.borrow().settled.get(queue).copied()
    }

    pub(crate) async fn set_settled(
        &self,
        courier: &Courier,
        queue: &str,
        through: u64,
    ) -> Result<(), BusError> {
        let settled = [(queue.to_owned(), through)].into();
        self.write(courier, Known { settled, ..Known::default() }).await
    }

    /// The queues of all groups whose names begin like this.
    pub(crate) fn groups(&self, prefix: &str) -> Vec<String> {
        self.known.borrow().groups.iter().filter(|queue| queue.starts_with(prefix)).cloned().collect()
    }

    /// The delays for which a group has a queue.
    pub(crate) fn delays(&self, queue: &str) -> Vec<Duration> {
        let known = self.known.borrow();
        let own = known.retries.iter().filter(|(group, _)| group == queue);
        own.map(|(_, millis)| Duration::from_millis(*millis)).collect()
    }

    pub(crate) async fn add_delay(
        &self,
        courier: &Courier,
        queue: &str,
        delay: Duration,
    ) -> Result<(), BusError> {
        let millis = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        let retries = [(queue.to_owned(), millis)].into();
        self.write(courier, Known { retries, ..Known::default() }).await
    }
}

/// Reads the stream as long as the bus is open.
async fn follow(
    listen: Link,
    stream: String,
    known: watch::Sender<Known>,
    mut awaited: Option<(Uuid, oneshot::Sender<()>)>,
    mut closing: watch::Receiver<bool>,
) {
    let mut next = 0;
    loop {
        let ended = tokio::select! {
            _ = closing.wait_for(|closing| *closing) => return,
            ended = read(&listen, &stream, &known, &mut awaited, &mut next) => ended,
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "what other processes know is read anew");
        }
        tokio::select! {
            _ = closing.wait_for(|closing| *closing) => return,
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

async fn read(
    listen: &Link,
    stream: &str,
    known: &watch::Sender<Known>,
    awaited: &mut Option<(Uuid, oneshot::Sender<()>)>,
    next: &mut u64,
) -> Result<(), BusError> {
    let mut reader = Reader::open(listen, stream, Start::At(*next)).await?;
    loop {
        let Some(entry) = reader.next(LISTEN).await? else { continue };
        *next = entry.offset + 1;
        match serde_json::from_slice::<Known>(&entry.payload) {
            Ok(record) => {
                let note = record.note;
                known.send_modify(|known| known.learn(record));
                if let Some((_, read)) = awaited.take_if(|(awaited, _)| Some(*awaited) == note) {
                    // Who waited may have given up.
                    let _ = read.send(());
                }
            }
            Err(error) => tracing::warn!(%error, "a record of what is known can't be understood"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_only_grows() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let floor = |offset, second| Known {
            floors: [("s".to_owned(), Floor { offset, before: Some(at(second)) })].into(),
            ..Known::default()
        };
        let mut known = Known::default();
        known.learn(floor(10, 5));
        known.learn(floor(7, 9));
        known.learn(Known { groups: ["g".to_owned()].into(), ..Known::default() });
        known.learn(Known { retries: [("g".to_owned(), 100)].into(), ..Known::default() });
        for through in [4, 3] {
            known.learn(Known { settled: [("g".to_owned(), through)].into(), ..Known::default() });
        }
        assert_eq!(known.settled, [("g".to_owned(), 4)].into());
        assert_eq!(known.floors, floor(10, 9).floors);
        assert_eq!((known.groups.len(), known.retries.len()), (1, 1));
    }
}
