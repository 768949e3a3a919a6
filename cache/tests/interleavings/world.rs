//! What the interleaved tasks share: the cache over a backend of single steps, and the truth that the cache is a copy of.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use ecs_cache::{Backend, BackendError, Cache, Found, Key, Scope};
use ecs_domain::UserId;
use uuid::Uuid;

use crate::explorer::{Task, turn};

/// What is planted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// The first load panics, which a cache has to bear.
    FirstLoadPanics,
    /// The first load fails, likewise.
    FirstLoadFails,
    /// Generations are a counter that begins anew when it is removed.
    GenerationsAreCounted,
    /// A removal returns before it happened.
    RemovesLate,
    /// Looking and putting are not one.
    BeginsInTwoSteps,
    /// Nothing is ever found but generations.
    NeverFinds,
    /// The backend is away, which a cache has to bear.
    Away,
    /// The first look fails, likewise.
    AwayAtFirst,
}

/// What a run leaves behind. Clones share everything.
#[derive(Clone)]
pub(crate) struct World(Arc<Inner>);

struct Inner {
    cache: Cache,
    backend: Arc<Steps>,
    fault: Fault,
    /// The truth: a number that every change makes larger.
    truth: AtomicU32,
    /// What the truth was at least when the last invalidation that has returned began.
    floor: AtomicU32,
    loads: AtomicU32,
    loading: AtomicU32,
    most_loading: AtomicU32,
    /// For each answer, the floor when its read began, and the answer.
    answers: Mutex<Vec<(u32, u32)>>,
}

fn key() -> Key {
    Key { scope: Scope::User(UserId::new(Uuid::from_u128(1))), name: "one" }
}

impl World {
    pub(crate) fn new(fault: Fault) -> Self {
        let backend = Arc::new(Steps::new(fault));
        Self(Arc::new(Inner {
            cache: Cache::over(Arc::clone(&backend) as Arc<dyn Backend>),
            backend,
            fault,
            truth: AtomicU32::new(1),
            floor: AtomicU32::new(0),
            loads: AtomicU32::new(0),
            loading: AtomicU32::new(0),
            most_loading: AtomicU32::new(0),
            answers: Mutex::default(),
        }))
    }

    /// The world and `count` tasks in it.
    pub(crate) fn with(self, count: usize, task: impl Fn(&Self, usize) -> Task) -> (Self, Vec<Task>) {
        let tasks = (0..count).map(|number| task(&self, number)).collect();
        (self, tasks)
    }

    /// Reads once.
    pub(crate) fn reader(&self) -> Task {
        let world = self.clone();
        Task::new(async move { world.read().await })
    }

    /// Changes the truth, and then invalidates.
    pub(crate) fn writer(&self) -> Task {
        let world = self.clone();
        Task::new(async move { world.write().await })
    }

    /// Changes the truth, invalidates, and reads.
    pub(crate) fn writer_who_reads(&self) -> Task {
        let world = self.clone();
        Task::new(async move {
            world.write().await;
            world.read().await;
        })
    }

    /// Forgets the generation and then the entry, as a full backend may at any time.
    pub(crate) fn evictor(&self) -> Task {
        let world = self.clone();
        Task::new(async move {
            for key in [key().scope.generation_key(), key().to_string()] {
                world.0.backend.evict(&key).await;
            }
        })
    }

    async fn write(&self) {
        let truth = self.0.truth.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.cache.invalidate([key().scope]).await;
        self.0.floor.fetch_max(truth, Ordering::SeqCst);
    }

    async fn read(&self) {
        let floor = self.0.floor.load(Ordering::SeqCst);
        let result = self.0.cache.get_or_load(key(), Duration::from_secs(60), || self.load()).await;
        if let Ok(answer) = result {
            self.0.answers.lock().unwrap().push((floor, answer));
        }
    }

    async fn load(&self) -> Result<u32, ()> {
        let first = self.0.loads.fetch_add(1, Ordering::SeqCst) == 0;
        let _loading = Loading::begin(&self.0);
        turn().await;
        let value = self.0.truth.load(Ordering::SeqCst);
        turn().await;
        match self.0.fault {
            // Without the hook that would print it.
            Fault::FirstLoadPanics if first => std::panic::resume_unwind(Box::new("a test's panic")),
            Fault::FirstLoadFails if first => Err(()),
            _ => Ok(value),
        }
    }

    /// No answer is older than the last invalidation that had returned when its read began.
    pub(crate) fn fresh(&self) -> Result<(), String> {
        let answers = self.0.answers.lock().unwrap();
        match answers.iter().find(|(floor, answer)| answer < floor) {
            Some((floor, answer)) => {
                Err(format!("a read began when {floor} was the least to expect, and gave {answer}"))
            }
            None => Ok(()),
        }
    }

    /// No more than so many loads ran at the same time: one for each generation.
    pub(crate) fn at_most_at_once(&self, most: u32) -> Result<(), String> {
        let loading = self.0.most_loading.load(Ordering::SeqCst);
        if loading > most { Err(format!("{loading} loads ran at once")) } else { Ok(()) }
    }

    /// There were exactly so many loads.
    pub(crate) fn loaded(&self, expect: u32) -> Result<(), String> {
        let loads = self.0.loads.load(Ordering::SeqCst);
        if loads == expect { Ok(()) } else { Err(format!("there were {loads} loads, not {expect}")) }
    }

    /// How many reads were answered.
    pub(crate) fn answers(&self) -> usize {
        self.0.answers.lock().unwrap().len()
    }

    /// Exactly so many reads were answered.
    pub(crate) fn answered(&self, expect: usize) -> Result<(), String> {
        let answers = self.answers();
        if answers == expect { Ok(()) } else { Err(format!("{answers} reads were answered, not {expect}")) }
    }
}

/// Counts a load for as long as it isn't over, dropped or panicked.
struct Loading<'a>(&'a Inner);

impl<'a> Loading<'a> {
    fn begin(inner: &'a Inner) -> Self {
        let loading = inner.loading.fetch_add(1, Ordering::SeqCst) + 1;
        inner.most_loading.fetch_max(loading, Ordering::SeqCst);
        Self(inner)
    }
}

impl Drop for Loading<'_> {
    fn drop(&mut self) {
        self.0.loading.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A backend whose every call waits for a turn and then happens at once; the answer to a look waits for another.
struct Steps {
    entries: Mutex<HashMap<String, Bytes>>,
    /// Removals that are late.
    removed: Mutex<Vec<String>>,
    /// Whether somebody has looked.
    found: AtomicBool,
    fault: Fault,
}

impl Steps {
    fn new(fault: Fault) -> Self {
        Self { entries: Mutex::default(), removed: Mutex::default(), found: AtomicBool::new(false), fault }
    }

    async fn evict(&self, key: &str) {
        turn().await;
        self.entries.lock().unwrap().remove(key);
    }
}

#[async_trait]
impl Backend for Steps {
    async fn find(&self, generation_key: &str, key: &str) -> Result<Found, BackendError> {
        turn().await;
        let away = match self.fault {
            Fault::Away => true,
            Fault::AwayAtFirst => !self.found.swap(true, Ordering::SeqCst),
            _ => false,
        };
        if away {
            return Err(BackendError("away".to_owned()));
        }
        let generation = self.entries.lock().unwrap().get(generation_key).cloned();
        turn().await;
        let hidden = self.fault == Fault::NeverFinds;
        let entry = self.entries.lock().unwrap().get(key).cloned().filter(|_| !hidden);
        // The answer takes its time, too: what was found may be overtaken before its reader goes on.
        turn().await;
        Ok(Found { generation, entry })
    }

    async fn put(&self, key: &str, value: Bytes, _: Duration) -> Result<(), BackendError> {
        turn().await;
        self.entries.lock().unwrap().insert(key.to_owned(), value);
        for key in self.removed.lock().unwrap().drain(..) {
            self.entries.lock().unwrap().remove(&key);
        }
        Ok(())
    }

    async fn begin_generation(&self, key: &str, value: Bytes, _: Duration) -> Result<Bytes, BackendError> {
        turn().await;
        let value = match self.fault {
            Fault::GenerationsAreCounted => Bytes::from_static(b"0000000000000001"),
            _ => value,
        };
        if self.fault == Fault::BeginsInTwoSteps {
            let found = self.entries.lock().unwrap().get(key).cloned();
            turn().await;
            let value = found.unwrap_or(value);
            self.entries.lock().unwrap().insert(key.to_owned(), value.clone());
            return Ok(value);
        }
        Ok(self.entries.lock().unwrap().entry(key.to_owned()).or_insert(value).clone())
    }

    async fn end_generations(&self, keys: &[String]) -> Result<(), BackendError> {
        turn().await;
        if self.fault == Fault::RemovesLate {
            self.removed.lock().unwrap().extend_from_slice(keys);
            return Ok(());
        }
        for key in keys {
            self.entries.lock().unwrap().remove(key);
        }
        Ok(())
    }
}
