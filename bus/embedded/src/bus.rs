//! The bus itself: the contract over the queue, the writer and the groups.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use async_trait::async_trait;
use ecs_bus::{
    Backlog, Bus, BusError, Capabilities, Event, Frontier, Group, LogPage, Position, PublishError, Subject,
    SubscribeOptions, Subscription,
};
use ecs_domain::Timestamp;
use tokio::sync::oneshot;

use crate::queue::{Command, Phase, locked};
use crate::schema::{self, classify};
use crate::shared::Shared;
use crate::subscription::EmbeddedSubscription;
use crate::writer::Writer;
use crate::{Options, prune, raw};

/// A bus in a file of its own, for one process. [`Bus::close`] ends it in good order. Dropping it finishes what was
/// published, but leaves the acknowledgements of the last moment unwritten, as a crash would.
pub struct EmbeddedBus {
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl EmbeddedBus {
    /// Opens the file, or makes it; its folder has to be there. [`BusError::Corrupt`] for a file that is damaged, newer
    /// than this version, or something else's.
    pub fn open(path: impl AsRef<Path>, options: Options) -> Result<Self, BusError> {
        let path: PathBuf = path.as_ref().to_owned();
        let connection = schema::open_writer(&path, &options)?;
        let shared = Arc::new(Shared::load(path, options, &connection)?);
        let writer = Writer::new(Arc::clone(&shared), connection);
        let thread = std::thread::Builder::new()
            .name("bus-writer".to_owned())
            .spawn(move || writer.run())
            .map_err(|error| BusError::Unavailable(format!("no thread for the writer: {error}")))?;
        Ok(Self { shared, writer: Mutex::new(Some(thread)) })
    }

    fn check_open(&self) -> Result<(), BusError> {
        match self.shared.queue.phase() {
            Phase::Open => Ok(()),
            Phase::Draining | Phase::Abandoned => Err(BusError::Closed),
        }
    }
}

#[async_trait]
impl Bus for EmbeddedBus {
    async fn publish(&self, batch: Vec<Event>) -> Vec<Result<(), PublishError>> {
        let count = batch.len();
        let submitted = self.shared.queue.submit(batch);
        let outcome = match submitted.reply {
            // The writer answers everything it took; it can only be gone when it died.
            Some(reply) => {
                reply.await.unwrap_or(Err(PublishError::Unavailable("the writer is gone".to_owned())))
            }
            None => Ok(()),
        };
        let mut results = vec![outcome; count];
        for (index, error) in submitted.refused {
            if let Some(result) = results.get_mut(index) {
                *result = Err(error);
            }
        }
        results
    }

    async fn subscribe(
        &self,
        subject: Subject,
        group: Group,
        options: SubscribeOptions,
    ) -> Result<Box<dyn Subscription>, BusError> {
        self.check_open()?;
        Ok(Box::new(EmbeddedSubscription::join(Arc::clone(&self.shared), subject, group.0, options)))
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            transport: "embedded",
            stored_once_per_id: false,
            ordered_per_key: true,
            keeps_log: true,
            shared: false,
        }
    }

    async fn backlog(&self, subject: Subject, group: Group) -> Result<Backlog, BusError> {
        self.check_open()?;
        let topic = self.shared.topic(subject);
        let (settled_through, pending, oldest) = topic.group(group.0).with(|group| {
            let head = topic.head();
            let waiting = (group.next() <= head).then(|| group.next());
            let oldest = group.oldest_open().into_iter().chain(waiting).min();
            (group.settled_through(), group.pending(head), oldest)
        });
        let oldest = match oldest {
            Some(position) => {
                self.shared.read(move |connection| raw::read_one(connection, subject, position)).await?
            }
            None => None,
        };
        Ok(Backlog {
            settled_through: Position::single(settled_through).into(),
            pending,
            oldest: oldest.map(|record| record.published_at),
        })
    }

    async fn log(&self, subject: Subject, after: &Frontier, limit: usize) -> Result<LogPage, BusError> {
        self.check_open()?;
        let first = after.next(0).min(i64::MAX as u64);
        // A commit is in the file a moment before the groups know of it: whoever sees an event here finds it in their backlog.
        let head = self.shared.topic(subject).head();
        self.shared
            .read(move |connection| {
                // Read in this order: events that are forgotten in between are missing from the page and named by
                // pruned_at, never missing without a word.
                let mut records = raw::read_from(connection, subject, first, limit)?;
                records.retain(|record| record.position.offset <= head);
                let pruned_at = prune::pruned_at(connection, subject).map_err(|error| classify(&error))?;
                Ok(LogPage { records, pruned_at })
            })
            .await
    }

    async fn prune(&self, subject: Subject, before: Timestamp) -> Result<u64, BusError> {
        let (reply, receiver) = oneshot::channel();
        self.shared.queue.command(Command::Prune { subject, before, reply })?;
        receiver.await.unwrap_or(Err(BusError::Closed))
    }

    async fn ping(&self) -> Result<(), BusError> {
        let (reply, receiver) = oneshot::channel();
        self.shared.queue.command(Command::Ping(reply))?;
        receiver.await.unwrap_or(Err(BusError::Closed))?;
        // Handing out needs reading, so that is tried as well.
        self.shared
            .read(|connection| prune::pruned_at(connection, Subject::Emotions).map_err(|e| classify(&e)))
            .await?;
        Ok(())
    }

    async fn close(&self) -> Result<(), BusError> {
        self.shared.queue.end(Phase::Draining);
        self.shared.wake_all();
        let Some(thread) = locked(&self.writer).take() else { return Ok(()) };
        let joined = tokio::task::spawn_blocking(move || thread.join()).await;
        match joined {
            Ok(Ok(())) => Ok(()),
            _ => Err(BusError::Unavailable("the writer did not end well".to_owned())),
        }
    }
}

impl Drop for EmbeddedBus {
    fn drop(&mut self) {
        self.shared.queue.end(Phase::Abandoned);
        self.shared.wake_all();
        if let Some(thread) = locked(&self.writer).take() {
            // The file is free for the next one to open when this returns. It takes as long as one commit.
            let _ = thread.join();
        }
    }
}
