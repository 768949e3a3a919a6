//! What the bus, its writer and its subscriptions share.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use ecs_bus::{BusError, Subject};
use rusqlite::Connection;
use tokio::sync::Notify;

use crate::group::Group;
use crate::queue::{Queue, locked};
use crate::schema;
use crate::tail::{Block, Tail};
use crate::{Options, progress};

/// How many idle connections are kept for the next readers.
const IDLE_READERS: usize = 4;

/// The heart of an open bus.
pub(crate) struct Shared {
    pub(crate) path: PathBuf,
    pub(crate) options: Options,
    pub(crate) queue: Queue,
    topics: [Topic; 6],
    readers: Mutex<Vec<Connection>>,
    /// Some group has progress that isn't written down.
    dirty: AtomicBool,
}

/// One subject while the bus is open.
pub(crate) struct Topic {
    pub(crate) subject: Subject,
    /// The position of the newest durable event.
    head: AtomicU64,
    /// Everything at or below was forgotten.
    floor: AtomicU64,
    tail: Mutex<Tail>,
    groups: Mutex<BTreeMap<String, Arc<Members>>>,
}

/// A group and those who wait in it.
pub(crate) struct Members {
    pub(crate) name: String,
    group: Mutex<Group>,
    /// Rings when the log reached `wanted`, when something came back, and when the bus ends.
    pub(crate) changed: Notify,
    /// The lowest position that somebody waits for, so that a commit which helps nobody wakes nobody.
    wanted: AtomicU64,
}

/// What a file holds when it is opened.
pub(crate) struct Extent {
    pub(crate) head: u64,
    pub(crate) floor: u64,
}

impl Shared {
    /// Reads where the file stands.
    pub(crate) fn load(path: PathBuf, options: Options, connection: &Connection) -> Result<Self, BusError> {
        let [emotions, transactions, offers, notifications, evaluations, alerts] = Subject::ALL;
        let topic = |subject| Topic::load(subject, connection, options.tail_bytes);
        let topics = [
            topic(emotions)?,
            topic(transactions)?,
            topic(offers)?,
            topic(notifications)?,
            topic(evaluations)?,
            topic(alerts)?,
        ];
        let queue = Queue::new(&options);
        Ok(Self { path, options, queue, topics, readers: Mutex::default(), dirty: AtomicBool::new(false) })
    }

    pub(crate) fn topic(&self, subject: Subject) -> &Topic {
        // `index` stays below the number of subjects, for which there is one topic each.
        &self.topics[schema::index(subject)]
    }

    pub(crate) fn topics(&self) -> &[Topic] {
        &self.topics
    }

    /// Notes that a group has progress to write down.
    pub(crate) fn soil(&self) {
        if !self.dirty.swap(true, Ordering::SeqCst) {
            self.queue.nudge();
        }
    }

    pub(crate) fn is_dirty(&self) -> bool {
        self.dirty.load(Ordering::SeqCst)
    }

    pub(crate) fn clean(&self) {
        self.dirty.store(false, Ordering::SeqCst);
    }

    /// Reads from the file on a connection of its own, off the async threads.
    pub(crate) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Connection) -> Result<T, BusError> + Send + 'static,
    ) -> Result<T, BusError> {
        let shared = Arc::clone(self);
        let task = tokio::task::spawn_blocking(move || shared.read_blocking(work));
        task.await.map_err(|error| BusError::Unavailable(format!("a read did not end well: {error}")))?
    }

    /// Reads from the file on this thread.
    pub(crate) fn read_blocking<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, BusError>,
    ) -> Result<T, BusError> {
        let idle = locked(&self.readers).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => schema::open_reader(&self.path, &self.options)?,
        };
        // A connection that failed is not used again: what it failed over may stick to it.
        let result = work(&connection)?;
        let mut readers = locked(&self.readers);
        if readers.len() < IDLE_READERS {
            readers.push(connection);
        }
        Ok(result)
    }

    /// Wakes everybody who waits, so that they see that the bus ends.
    pub(crate) fn wake_all(&self) {
        for topic in &self.topics {
            for members in locked(&topic.groups).values() {
                members.changed.notify_waiters();
            }
        }
    }

    /// Closes the idle connections.
    pub(crate) fn close_readers(&self) {
        locked(&self.readers).clear();
    }
}

impl Topic {
    fn load(subject: Subject, connection: &Connection, tail_bytes: usize) -> Result<Self, BusError> {
        let Extent { head, floor } = extent(connection, subject)?;
        let groups = progress::read(connection, subject, floor)?;
        let groups =
            groups.into_iter().map(|(name, group)| (name.clone(), Members::new(name, group))).collect();
        Ok(Self {
            subject,
            head: AtomicU64::new(head),
            floor: AtomicU64::new(floor),
            tail: Mutex::new(Tail::new(tail_bytes)),
            groups: Mutex::new(groups),
        })
    }

    pub(crate) fn head(&self) -> u64 {
        self.head.load(Ordering::SeqCst)
    }

    pub(crate) fn floor(&self) -> u64 {
        self.floor.load(Ordering::SeqCst)
    }

    /// The group, made when it is new: it starts at the oldest event that is still there.
    pub(crate) fn group(&self, name: &str) -> Arc<Members> {
        let mut groups = locked(&self.groups);
        if let Some(members) = groups.get(name) {
            return Arc::clone(members);
        }
        let members = Members::new(name.to_owned(), Group::resume(self.floor(), Vec::new()));
        groups.insert(name.to_owned(), Arc::clone(&members));
        members
    }

    pub(crate) fn groups(&self) -> Vec<Arc<Members>> {
        locked(&self.groups).values().cloned().collect()
    }

    /// Shows events to the groups. They MUST be durable.
    pub(crate) fn advance(&self, block: Block) {
        let head = block.first + block.events.len() as u64 - 1;
        let groups = locked(&self.groups);
        if !groups.is_empty() {
            locked(&self.tail).push(block);
        }
        self.head.store(head, Ordering::SeqCst);
        for members in groups.values() {
            members.reached(head);
        }
    }

    /// Takes the head from the file, after a commit of which nobody knows whether it counted.
    pub(crate) fn rewind(&self, head: u64) {
        locked(&self.tail).clear();
        self.head.store(head, Ordering::SeqCst);
        for members in locked(&self.groups).values() {
            members.reached(head);
        }
    }

    /// The blocks in memory that hold every position of `from..to`, if they do.
    pub(crate) fn in_memory(&self, from: u64, to: u64) -> Option<Vec<Arc<Block>>> {
        locked(&self.tail).covering(from, to)
    }

    /// Notes that everything at or below `floor` was forgotten.
    pub(crate) fn forget_through(&self, floor: u64) {
        self.floor.store(floor, Ordering::SeqCst);
        locked(&self.tail).clear();
        for members in locked(&self.groups).values() {
            members.with(|group| group.forget_through(floor));
        }
    }
}

impl Members {
    fn new(name: String, group: Group) -> Arc<Self> {
        Arc::new(Self {
            name,
            group: Mutex::new(group),
            changed: Notify::new(),
            wanted: AtomicU64::new(u64::MAX),
        })
    }

    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut Group) -> T) -> T {
        work(&mut locked(&self.group))
    }

    /// Asks to be woken when the log reaches `position`. The caller listens to `changed` already, and looks at the
    /// head once more after this call.
    pub(crate) fn want(&self, position: u64) {
        self.wanted.fetch_min(position, Ordering::SeqCst);
    }

    fn reached(&self, head: u64) {
        if head >= self.wanted.load(Ordering::SeqCst) {
            self.wanted.store(u64::MAX, Ordering::SeqCst);
            self.changed.notify_waiters();
        }
    }
}

/// Where a subject's log begins and ends.
pub(crate) fn extent(connection: &Connection, subject: Subject) -> Result<Extent, BusError> {
    let work = || -> rusqlite::Result<Extent> {
        let head: Option<u64> = connection.query_row(crate::raw::head_sql(subject), [], |row| row.get(0))?;
        let floor: Option<u64> = connection.query_row(
            "SELECT max(pruned_through) FROM pruned WHERE subject = ?1",
            [subject.as_str()],
            |row| row.get(0),
        )?;
        let floor = floor.unwrap_or(0);
        Ok(Extent { head: head.unwrap_or(0).max(floor), floor })
    };
    work().map_err(|error| schema::classify(&error))
}
