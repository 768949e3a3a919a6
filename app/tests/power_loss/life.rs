//! One life of the platform: from when the power comes on until it goes.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ecs::platform::{Engines, Platform, SystemClock};
use ecs::settings::{Flags, Settings, merge};
use ecs_client::{Client, Credentials, Retries};
use ecs_domain::permission::Permission;
use ecs_domain::{Clock as _, UserId};
use ecs_powerloss::{Disk, Mount, VFS};
use ecs_web::auth::{SecretKey, Tokens};
use ecs_web::{Identity, Secret};
use ecs_work::{books, retention};
use rusqlite::{Connection, OpenFlags};
use tokio::runtime::Runtime;
use tokio::time::Instant;

const SECRET: &str = "a secret of the tests, 32 bytes and more";
const INTERNAL_KEY: &str = "the internal key of the tests";
const MASTER_KEY: &str = "a master key of the tests, 32 bytes and more";

/// How long a platform may take to start, or to work off what was left.
const DEADLINE: Duration = Duration::from_secs(30);
const ASK_AGAIN: Duration = Duration::from_millis(2);

/// How far commits go before they count.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Durability {
    pub(crate) store: ecs_store_sqlite::Synchronous,
    pub(crate) bus: ecs_bus_embedded::Synchronous,
}

/// How a platform is started.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Conditions {
    pub(crate) durability: Durability,
    /// How large the write-ahead logs grow; small ones make checkpoints frequent.
    pub(crate) checkpoint_pages: u32,
}

/// A platform over a disk, with a runtime of its own that dies with it.
pub(crate) struct Life {
    pub(crate) disk: Arc<Disk>,
    runtime: Runtime,
    platform: Platform,
    mount: Mount,
    folder: tempfile::TempDir,
}

impl Life {
    /// Starts all roles over the disk.
    pub(crate) fn start(disk: Arc<Disk>, conditions: Conditions) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let mount = disk.mount(folder.path()).unwrap();
        let settings = settings(folder.path());
        let clock = Arc::new(SystemClock);
        let mut engines = Engines::new(&settings, clock.clone());
        engines.store.vfs = Some(VFS.to_owned());
        engines.store.synchronous = conditions.durability.store;
        engines.store.checkpoint_pages = conditions.checkpoint_pages;
        engines.bus.vfs = Some(VFS.to_owned());
        engines.bus.synchronous = conditions.durability.bus;
        engines.bus.checkpoint_pages = conditions.checkpoint_pages;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let platform = runtime.block_on(async {
            tokio::time::timeout(DEADLINE, Platform::start_with(&settings, clock, engines)).await
        })??;
        Ok(Self { disk, runtime, platform, mount, folder })
    }

    /// A client that may do everything, and tries everything once.
    pub(crate) fn operator(&self) -> Client {
        let tokens = Tokens::new(&SecretKey::new(Secret::new(SECRET)).unwrap());
        let identity = Identity::with(UserId::new(uuid::Uuid::nil()), Permission::ALL.iter().copied());
        let token = tokens.issue(&identity, SystemClock.now(), Duration::from_secs(3600)).unwrap();
        let credentials = Credentials { internal_key: Some(INTERNAL_KEY.to_owned()), token: Some(token) };
        let client = Client::new(&format!("http://{}", self.platform.address()), &credentials).unwrap();
        client.with_retries(Retries::NONE).with_deadline(DEADLINE)
    }

    /// Waits until everything that was accepted has come to its end, and returns what the books complain of then. An error
    /// when it doesn't come to its end in time, or when the power goes.
    pub(crate) fn settle(&self) -> anyhow::Result<Vec<String>> {
        let (bus, store) = (self.platform.storage().bus()?, self.platform.storage().store()?);
        let floor = retention::raw_floor(SystemClock.now(), 30);
        self.runtime.block_on(async {
            let deadline = Instant::now() + DEADLINE;
            loop {
                let report = books::balance(bus.as_ref(), store.as_ref(), SystemClock.now(), floor).await?;
                let open = report.emotions.pending
                    + report.transactions.pending
                    + report.offers.pending
                    + report.offers.outbox
                    + report.offers.active.abs_diff(report.offers.notified);
                if open == 0 {
                    return Ok(report.complaints());
                }
                anyhow::ensure!(Instant::now() < deadline, "{open} things are still under way: {report:?}");
                tokio::time::sleep(ASK_AGAIN).await;
            }
        })
    }

    /// What SQLite finds wrong with the files.
    pub(crate) fn faults(&self) -> anyhow::Result<Vec<String>> {
        let mut faults = Vec::new();
        for name in ["store.sqlite", "bus.sqlite"] {
            let path = self.folder.path().join(name);
            let connection =
                Connection::open_with_flags_and_vfs(path, OpenFlags::SQLITE_OPEN_READ_WRITE, VFS)?;
            let found: String = connection.query_row("PRAGMA integrity_check(3)", [], |row| row.get(0))?;
            if found != "ok" {
                faults.push(format!("{name}: {found}"));
            }
        }
        Ok(faults)
    }

    /// Stops the platform in good order; then the power goes, if it didn't before.
    pub(crate) fn stop(self) -> anyhow::Result<()> {
        let Self { disk, runtime, platform, mount, folder } = self;
        let stopped = runtime.block_on(platform.stop());
        runtime.shutdown_timeout(Duration::from_secs(5));
        let in_time = disk.cut().is_none();
        disk.cut_now();
        drop((mount, folder));
        if in_time { stopped } else { Ok(()) }
    }

    /// Lets go of the platform as a power cut does: nothing is finished, closed or written.
    pub(crate) fn end(self) {
        let Self { disk, runtime, platform, mount, folder } = self;
        disk.cut_now();
        drop(platform);
        runtime.shutdown_timeout(Duration::from_secs(5));
        drop((mount, folder));
    }
}

fn settings(data: &Path) -> Settings {
    let environment: BTreeMap<String, String> = [
        ("ECS_MODE", "testing"),
        ("ECS_LISTEN", "127.0.0.1:0"),
        ("ECS_BCRYPT_COST", "4"),
        ("SECRET_KEY", SECRET),
        ("INTERNAL_SERVICE_API_KEY", INTERNAL_KEY),
        ("ECS_MASTER_KEY", MASTER_KEY),
        ("ECS_DRAIN_TIMEOUT_S", "2"),
        ("ECS_DATA_DIR", data.to_str().unwrap()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect();
    Settings::from_raw(&merge(&environment, &Flags::default()).unwrap()).unwrap()
}
