//! What the tests of the whole platform share: a platform in a folder of its own, people to act as, and patience.

pub(crate) mod deployment;
pub(crate) mod edge;
pub(crate) mod encryption;
pub(crate) mod http;
pub(crate) mod keys;
pub(crate) mod process;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ecs::platform::{Platform, SystemClock};
use ecs::settings::{Flags, Settings, merge};
use ecs_bus::Subject;
use ecs_domain::{Clock, Timestamp, UserId};
use serde_json::{Value, json};

pub(crate) use self::edge::{Edge, Person};

/// Without a space or comma, so that it can be listed among the keys that are accepted.
pub(crate) const SECRET: &str = "a-secret-of-the-tests-32-bytes-and-more";
pub(crate) const INTERNAL_KEY: &str = "the internal key of the tests";
pub(crate) const MASTER_KEY: &str = "a master key of the tests, 32 bytes and more";
/// The secrets that no mode but the embedded makes for itself.
pub(crate) const KEYS: [(&str, &str); 3] =
    [("SECRET_KEY", SECRET), ("INTERNAL_SERVICE_API_KEY", INTERNAL_KEY), ("ECS_MASTER_KEY", MASTER_KEY)];
pub(crate) const PASSWORD: &str = "correct horse battery";

/// How long anything may take before a test gives up on it.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// A clock that tests can move ahead; it goes on by itself like the system's.
#[derive(Clone, Default)]
pub(crate) struct MovableClock(Arc<Mutex<Duration>>);

impl MovableClock {
    pub(crate) fn advance(&self, by: Duration) {
        *self.0.lock().unwrap() += by;
    }
}

impl Clock for MovableClock {
    fn now(&self) -> Timestamp {
        SystemClock.now() + *self.0.lock().unwrap()
    }
}

/// A platform in this process. It can be used like its edge.
pub(crate) struct TestApp {
    pub(crate) platform: Platform,
    pub(crate) edge: Edge,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) settings: Settings,
}

impl std::ops::Deref for TestApp {
    type Target = Edge;

    fn deref(&self) -> &Edge {
        &self.edge
    }
}

impl TestApp {
    pub(crate) async fn start() -> Self {
        Self::with(&[]).await
    }

    /// Starts with settings beside those that every test has.
    pub(crate) async fn with(set: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let environment: BTreeMap<String, String> = [
            ("ECS_MODE", "testing"),
            ("ECS_LISTEN", "127.0.0.1:0"),
            ("ECS_BCRYPT_COST", "4"),
            // Tests send in a second what nobody does in an hour; those of limits set their own.
            ("ECS_RATE_LIMITS", "off"),
            ("SECRET_KEY", SECRET),
            ("INTERNAL_SERVICE_API_KEY", INTERNAL_KEY),
            ("ECS_MASTER_KEY", MASTER_KEY),
            ("ECS_DATA_DIR", folder.path().to_str().unwrap()),
        ]
        .into_iter()
        .chain(set.iter().copied())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
        let settings = Settings::from_raw(&merge(&environment, &Flags::default()).unwrap()).unwrap();
        let clock = MovableClock::default();
        Self::over(folder, clock, settings).await
    }

    async fn over(folder: tempfile::TempDir, clock: MovableClock, settings: Settings) -> Self {
        let platform = Platform::start(&settings, Arc::new(clock.clone())).await.unwrap();
        let edge = Edge::new(platform.address(), clock);
        Self { platform, edge, folder, settings }
    }

    /// Stops in order and starts again over the same folder.
    pub(crate) async fn restart(self) -> Self {
        let Self { platform, edge, folder, settings } = self;
        platform.stop().await.unwrap();
        Self::over(folder, edge.clock, settings).await
    }

    /// Stops in order, and leaves the folder.
    pub(crate) async fn end(self) -> tempfile::TempDir {
        self.platform.stop().await.unwrap();
        self.folder
    }

    /// Stops in order, does something to what was kept, and starts again over it.
    pub(crate) async fn restart_after(self, change: impl AsyncFnOnce(&Path)) -> Self {
        let Self { platform, edge, folder, settings } = self;
        Box::pin(platform.stop()).await.unwrap();
        change(folder.path()).await;
        Box::pin(Self::over(folder, edge.clock, settings)).await
    }

    /// Starts again over the same folder after something broke: what the stop then complains of is of no interest.
    pub(crate) async fn restart_after_crash(self) -> Self {
        let Self { platform, edge, folder, settings } = self;
        let _ = platform.stop().await;
        Self::over(folder, edge.clock, settings).await
    }

    /// Stops in order; a test that ends without is a test of nothing less.
    pub(crate) async fn stop(self) {
        self.platform.stop().await.unwrap();
    }

    /// Waits until nothing is pending: every accepted event has its place in the books.
    pub(crate) async fn settled(&self) {
        let storage = self.platform.storage();
        eventually("every event is settled", async || {
            for subject in Subject::ALL {
                let backlog = storage.bus().unwrap().backlog(subject, subject.group()).await.unwrap();
                if backlog.pending > 0 {
                    return None;
                }
            }
            (storage.store().unwrap().outbox_depth().await.unwrap() == 0).then_some(())
        })
        .await;
    }

    /// Reads the store's file as others would.
    pub(crate) fn query<T: rusqlite::types::FromSql>(&self, sql: &str) -> Vec<T> {
        let path = self.folder.path().join("store.sqlite");
        let store =
            rusqlite::Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        let mut statement = store.prepare(sql).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    }
}

/// An emotion event's body, valid as it stands.
pub(crate) fn emotion(user: UserId, at: Timestamp, client_id: &str, metrics: (f64, f64, f64)) -> Value {
    let (positivity, intensity, stress_level) = metrics;
    json!({
        "userId": user,
        "timestamp": at,
        "emotionEvent": {
            "type": "calm",
            "metrics": {"positivity": positivity, "intensity": intensity, "stress_level": stress_level}
        },
        "eventId": client_id,
    })
}

/// Asks until there is an answer, and fails with what it waited for when none came in time.
pub(crate) async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = tokio::time::Instant::now() + DEADLINE;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(tokio::time::Instant::now() < deadline, "gave up waiting until {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
