//! A running platform: storage, roles, tasks and the listener of one process, started and stopped in order.

mod compose;
mod needs;
mod storage;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use ecs_domain::{Clock, Timestamp};
use ecs_web::{Auth, Limits, layers, server};
use ecs_work::{Drained, OnFailure, OnStop, Supervisor, TaskFailure};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::data_dir::DataDir;
use crate::settings::Settings;
use crate::{open_files, operator};
pub use storage::{Engines, Storage};

/// The system's clock, to the microsecond: what the tables keep.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let now = Timestamp::now();
        Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
    }
}

/// A platform that serves. Dropping it without [`Platform::stop`] is a crash, and as harmless as one.
pub struct Platform {
    address: SocketAddr,
    supervisor: Supervisor,
    intake: Supervisor,
    storage: Storage,
    drain_timeout: Duration,
}

impl Platform {
    /// Starts what the settings name. The port is bound first, so that a taken one ends the start before any work begins.
    pub async fn start(settings: &Settings, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        let engines = Engines::new(settings, Arc::clone(&clock));
        Self::start_with(settings, clock, engines).await
    }

    /// The same with other engines.
    pub async fn start_with(
        settings: &Settings,
        clock: Arc<dyn Clock>,
        engines: Engines,
    ) -> anyhow::Result<Self> {
        open_files::allow(settings.http.max_connections);
        let listener = TcpListener::bind(settings.listen)
            .await
            .with_context(|| format!("{} can't be listened on (ECS_LISTEN, --listen)", settings.listen))?;
        let address = listener.local_addr().context("the listener has no address")?;
        let data = DataDir::new(&settings.data_dir);
        let storage = Storage::open_with(settings, &data, engines)?;
        needs::check(&settings.roles, &storage.bus.capabilities())?;
        let auth = Arc::new(operator::auth(settings, &data, Arc::clone(&clock))?);
        let platform = Self {
            address,
            supervisor: Supervisor::new(),
            intake: Supervisor::new(),
            storage,
            drain_timeout: settings.drain_timeout,
        };
        platform.serve(settings, &clock, auth, listener)?;
        data.announce(&format!("http://{}", reachable(address)))?;
        tracing::info!(%address, roles = %names(settings), "serving");
        Ok(platform)
    }

    fn serve(
        &self,
        settings: &Settings,
        clock: &Arc<dyn Clock>,
        auth: Arc<Auth>,
        listener: TcpListener,
    ) -> anyhow::Result<()> {
        let stop = self.intake.token();
        let routes = compose::roles(settings, &self.storage, clock, auth, &self.supervisor, stop.clone())?;
        let limits = Limits {
            request_timeout: settings.http.request_timeout,
            max_connections: settings.http.max_connections,
            drain_timeout: settings.drain_timeout,
            ..Limits::default()
        };
        let routes = routes.merge(self.storage.health(stop.clone()).routes());
        let router = layers::standard(routes, process_role(settings), limits);
        let serving = server::serve(listener, router, limits, stop);
        self.intake.spawn("http", OnFailure::StopProcess, OnStop::Wait, serving);
        Ok(())
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What is kept; for tests and commands of the same process.
    #[must_use]
    pub fn storage(&self) -> &Storage {
        &self.storage
    }

    /// Waits until a part fails that the process can't do without.
    pub async fn failed(&self) -> TaskFailure {
        tokio::select! {
            failure = self.supervisor.failed() => failure,
            failure = self.intake.failed() => failure,
        }
    }

    /// Stops from the edge inwards: no new requests, those in flight finish, workers settle what they hold, then bus and
    /// store write what is left and close.
    pub async fn stop(self) -> anyhow::Result<()> {
        tracing::info!("stopping");
        // The server keeps to the deadline itself and tells of requests that it cut off; this one only guards it.
        let intake = self.intake.drain(self.drain_timeout + Duration::from_secs(1)).await;
        let workers = self.supervisor.drain(self.drain_timeout).await;
        let closed = self.storage.close().await;
        let overdue: Vec<String> =
            [intake, workers].into_iter().flat_map(|Drained { overdue }| overdue).collect();
        anyhow::ensure!(overdue.is_empty(), "not everything ended in time: {}", overdue.join(", "));
        closed?;
        tracing::info!("stopped");
        Ok(())
    }

    /// Is cancelled when the intake ends.
    #[must_use]
    pub fn stopping(&self) -> CancellationToken {
        self.intake.token()
    }
}

fn names(settings: &Settings) -> String {
    settings.roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(",")
}

/// What log lines of this process call it until a request has reached its role.
fn process_role(settings: &Settings) -> &'static str {
    settings.roles.iter().next().map_or("ecs", |role| role.as_str())
}

/// An address that a client on this machine can use: "any" is no address to connect to.
fn reachable(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => ([127, 0, 0, 1], v4.port()).into(),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => (std::net::Ipv6Addr::LOCALHOST, v6.port()).into(),
        address => address,
    }
}
