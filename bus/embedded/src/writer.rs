//! The one thread that writes. It takes everything that waits, writes it in one transaction with one flush to disk,
//! and then answers everybody who waited for it: group commit.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ecs_bus::{BusError, Event, PublishError, Subject};
use ecs_domain::Timestamp;
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::progress::{self, Changes};
use crate::queue::{Command, Phase, Request, Work};
use crate::schema::{self, classify};
use crate::shared::{Members, Shared, extent};
use crate::tail::Block;
use crate::{prune, raw};

/// The writer's side of the bus.
pub(crate) struct Writer {
    shared: Arc<Shared>,
    /// `None` after a failure: the file is opened anew for the next piece of work, so that the bus recovers when the
    /// disk does, and knows again what is in the file.
    connection: Option<Connection>,
    /// How many requests the last commit answered.
    answered: usize,
    /// How long the last commit took.
    last_commit: Duration,
    progress_written: Instant,
    /// The last write failed. Until one succeeds, `ping` makes one of its own to find out.
    failed: bool,
}

type GroupChanges = Vec<(Subject, Arc<Members>, Changes)>;
type FlushReply = oneshot::Sender<Result<(), BusError>>;

impl Writer {
    pub(crate) fn new(shared: Arc<Shared>, connection: Connection) -> Self {
        Self {
            shared,
            connection: Some(connection),
            answered: 0,
            last_commit: Duration::ZERO,
            progress_written: Instant::now(),
            failed: false,
        }
    }

    /// Works until the bus ends. What was taken before the end is written.
    pub(crate) fn run(mut self) {
        let _last_words = LastWords(Arc::clone(&self.shared));
        loop {
            let expected = self.answered - self.answered / 4;
            // A wait is worth a part of what it may save, which is a commit of its own for those who come late.
            let gather = self.shared.options.gather.min(self.last_commit / 4);
            let work = self.shared.queue.take(self.patience(), expected, gather);
            let idle = work.requests.is_empty() && work.commands.is_empty();
            let phase = work.phase;
            self.serve(work);
            if idle && phase != Phase::Open {
                return self.finish(phase);
            }
        }
    }

    /// How long to sleep at most: until progress has to be written down.
    fn patience(&self) -> Option<Duration> {
        let interval = self.shared.options.progress_interval;
        self.shared.is_dirty().then(|| interval.saturating_sub(self.progress_written.elapsed()))
    }

    fn serve(&mut self, work: Work) {
        let mut flushes = Vec::new();
        let mut pings = Vec::new();
        let mut prunes = Vec::new();
        for command in work.commands {
            match command {
                Command::Flush(reply) => flushes.push(reply),
                Command::Ping(reply) => pings.push(reply),
                Command::Prune { subject, before, reply } => prunes.push((subject, before, reply)),
            }
        }
        self.commit(work.requests, flushes);
        for reply in pings {
            let _ = reply.send(self.ping());
        }
        for (subject, before, reply) in prunes {
            let result = self.prune(subject, before);
            // A caller that went away doesn't need the number.
            let _ = reply.send(result);
        }
    }

    /// Makes everything durable at once and tells everybody.
    fn commit(&mut self, requests: Vec<Request>, flushes: Vec<FlushReply>) {
        let now = kept_digits(self.shared.options.clock.now());
        let Batch { blocks, replies, events, bytes } = sort(requests);
        let changes = self.changes(!flushes.is_empty());
        if events == 0 && changes.is_empty() {
            return answer_flushes(flushes, &Ok(()));
        }
        self.answered = replies.len();
        let started = Instant::now();
        let written = self.write(now, &blocks, &changes);
        self.last_commit = started.elapsed();
        match written {
            Ok(firsts) => {
                self.failed = false;
                self.publish_blocks(now, blocks, firsts);
                for (_, members, changes) in changes {
                    members.with(|group| group.written(&changes));
                }
                self.shared.queue.release(events, bytes);
                replies.into_iter().for_each(|reply| drop(reply.send(Ok(()))));
                answer_flushes(flushes, &Ok(()));
            }
            Err(error) => {
                self.fail(changes);
                self.shared.queue.release(events, bytes);
                let refusal = PublishError::Unavailable(error.to_string());
                replies.into_iter().for_each(|reply| drop(reply.send(Err(refusal.clone()))));
                answer_flushes(flushes, &Err(error.to_string()));
            }
        }
    }

    /// The groups' progress, when it is time to write it down.
    fn changes(&mut self, now: bool) -> GroupChanges {
        let due = self.progress_written.elapsed() >= self.shared.options.progress_interval;
        if !self.shared.is_dirty() || !(now || due) {
            return Vec::new();
        }
        self.progress_written = Instant::now();
        // Cleaned first: what changes from here on soils it again and is written the next time.
        self.shared.clean();
        let mut all = Vec::new();
        for topic in self.shared.topics() {
            for members in topic.groups() {
                if let Some(changes) = members.with(crate::group::Group::changes) {
                    all.push((topic.subject, members, changes));
                }
            }
        }
        all
    }

    /// One transaction. Returns the position of the first event of each block.
    fn write(
        &mut self,
        now: Timestamp,
        blocks: &Blocks,
        changes: &GroupChanges,
    ) -> Result<[u64; 6], BusError> {
        self.reconnect()?;
        let firsts = Subject::ALL.map(|subject| self.shared.topic(subject).head() + 1);
        let Some(connection) = &self.connection else { return Err(not_open()) };
        let work = || -> rusqlite::Result<()> {
            let transaction = connection.unchecked_transaction()?;
            for ((subject, first), events) in Subject::ALL.into_iter().zip(firsts).zip(blocks) {
                raw::insert(&transaction, subject, first, now, events)?;
            }
            for (subject, members, changes) in changes {
                progress::write(&transaction, *subject, &members.name, changes)?;
            }
            transaction.commit()
        };
        work().map_err(|error| classify(&error))?;
        Ok(firsts)
    }

    fn publish_blocks(&self, published_at: Timestamp, blocks: Blocks, firsts: [u64; 6]) {
        for ((subject, first), events) in Subject::ALL.into_iter().zip(firsts).zip(blocks) {
            if !events.is_empty() {
                self.shared.options.metrics.bus_batch("published", subject.as_str(), events.len());
                self.shared.topic(subject).advance(Block { first, published_at, events });
            }
        }
    }

    fn fail(&mut self, changes: GroupChanges) {
        self.give_up();
        if changes.is_empty() {
            return;
        }
        for (_, members, changes) in changes {
            members.with(|group| group.unwritten(changes));
        }
        self.shared.soil();
    }

    fn give_up(&mut self) {
        self.connection = None;
        self.failed = true;
    }

    /// Whether writing works, found out by a write when the last one failed.
    fn ping(&mut self) -> Result<(), BusError> {
        if !self.failed {
            return Ok(());
        }
        self.reconnect()?;
        let Some(connection) = &self.connection else { return Err(not_open()) };
        let result = schema::touch(connection).map_err(|error| classify(&error));
        match result {
            Ok(()) => self.failed = false,
            Err(_) => self.give_up(),
        }
        result
    }

    fn reconnect(&mut self) -> Result<(), BusError> {
        if self.connection.is_some() {
            return Ok(());
        }
        let connection = schema::open_writer(&self.shared.path, &self.shared.options)?;
        for topic in self.shared.topics() {
            topic.rewind(extent(&connection, topic.subject)?.head);
        }
        tracing::info!("the bus file was opened anew after a failure");
        self.connection = Some(connection);
        Ok(())
    }

    fn prune(&mut self, subject: Subject, before: Timestamp) -> Result<u64, BusError> {
        self.reconnect()?;
        let Some(connection) = &self.connection else { return Err(not_open()) };
        match prune::forget(connection, subject, before) {
            Ok(Some(forgotten)) => {
                self.shared.topic(subject).forget_through(forgotten.through);
                self.shared.soil();
                if forgotten.events < u64::from(prune::CHUNK) {
                    prune::cut_log(connection);
                }
                Ok(forgotten.events)
            }
            Ok(None) => Ok(0),
            Err(error) => {
                self.give_up();
                Err(classify(&error))
            }
        }
    }

    /// The last things before the file is closed.
    fn finish(mut self, phase: Phase) {
        if phase == Phase::Draining {
            let (sender, _receiver) = oneshot::channel();
            self.commit(Vec::new(), vec![sender]);
        }
        self.shared.close_readers();
        if let Some(connection) = self.connection.take()
            && let Err((_, error)) = connection.close()
        {
            tracing::warn!(%error, "the bus file could not be closed");
        }
    }
}

/// Runs when the writer ends, however it ends: nobody is left waiting for an answer.
struct LastWords(Arc<Shared>);

impl Drop for LastWords {
    fn drop(&mut self) {
        self.0.queue.end(Phase::Abandoned);
        drop(self.0.queue.take(None, 0, Duration::ZERO));
        self.0.wake_all();
    }
}

fn not_open() -> BusError {
    BusError::Unavailable("the file is not open".to_owned())
}

/// The file keeps microseconds, so what is delivered from memory shows no more than that.
fn kept_digits(now: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
}

/// Events by subject.
type Blocks = [Vec<Event>; 6];

/// What becomes durable together.
#[derive(Default)]
struct Batch {
    blocks: Blocks,
    replies: Vec<oneshot::Sender<Result<(), PublishError>>>,
    events: usize,
    bytes: usize,
}

/// Sorts what was asked for by subject, keeping its order.
fn sort(requests: Vec<Request>) -> Batch {
    let mut batch = Batch { replies: Vec::with_capacity(requests.len()), ..Batch::default() };
    for Request { events, reply } in requests {
        batch.events += events.len();
        for event in events {
            batch.bytes += event.payload.len();
            batch.blocks[schema::index(event.subject)].push(event);
        }
        batch.replies.push(reply);
    }
    batch
}

fn answer_flushes(flushes: Vec<FlushReply>, result: &Result<(), String>) {
    for reply in flushes {
        let _ = reply.send(result.clone().map_err(BusError::Unavailable));
    }
}
