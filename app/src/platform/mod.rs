//! A running platform: storage, roles, tasks and the listener of one process, started and stopped in order.

pub(crate) mod built;
mod changes;
mod compose;
mod counting;
mod limiting;
mod needs;
mod remotes;
mod storage;
mod tls;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use ecs_domain::consent::ConsentRule;
use ecs_domain::{Clock, Timestamp};
use ecs_metrics::Metrics;
use ecs_web::exposition::Exposition;
use ecs_web::{Auth, Limits, layers, server};
use ecs_work::{Drained, OnFailure, OnStop, Supervisor, TaskFailure};
use tokio::net::TcpSocket;
use tokio_util::sync::CancellationToken;

use self::needs::Uses;
use crate::data_dir::DataDir;
use crate::role::Role;
use crate::settings::{Mode, Settings};
use crate::{open_files, operator};
pub use storage::{Engines, Storage};
pub(crate) use storage::{bus_name, existing_keyring, migrate};

/// How many connections may wait to be accepted.
const BACKLOG: u32 = 1_024;

/// How long a start waits for the list of changed rights, so that the first token is answered by it. It may be elsewhere, and not there
/// yet.
const FIRST_NEWS: Duration = Duration::from_millis(500);

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
    /// Is cancelled when the process is told to stop, before the intake ends.
    draining: CancellationToken,
    storage: Storage,
    metrics: Metrics,
    shutdown_grace: Duration,
    drain_timeout: Duration,
}

impl Platform {
    /// Starts what the settings name. The port is taken first, so that one that isn't free ends the start before any work
    /// begins.
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
        open_files::allow(open_files::needed(settings));
        let tls = tls::ready(&settings.tls)?;
        let cannot = || format!("{} can't be listened on (ECS_LISTEN, --listen)", settings.listen);
        let socket = take(settings.listen).with_context(cannot)?;
        let address = socket.local_addr().context("the listener has no address")?;
        let metrics = engines.metrics.clone();
        let storage = Storage::open_with(settings, engines, Uses::of(&settings.roles), clock.now()).await?;
        if let Ok(bus) = storage.bus() {
            needs::check(&settings.roles, &bus.capabilities())?;
        }
        let data = DataDir::new(&settings.data_dir);
        let auth = Arc::new(operator::auth(settings, &data, Arc::clone(&clock))?);
        let platform = Self {
            address,
            supervisor: Supervisor::new(),
            intake: Supervisor::new(),
            draining: CancellationToken::new(),
            storage,
            metrics,
            shutdown_grace: settings.shutdown_grace,
            drain_timeout: settings.drain_timeout,
        };
        let routes = platform.roles(settings, &clock, Arc::clone(&auth))?;
        if settings.roles.iter().any(Role::reads_tokens) {
            auth.changes.heard(FIRST_NEWS).await;
        }
        let listener = tls.listener(socket.listen(BACKLOG).with_context(cannot)?, &platform.supervisor);
        platform.serve(settings, routes, listener);
        if settings.uses_data_folder() {
            data.announce(&format!("{}://{}", settings.tls.scheme(), reachable(address)))?;
        }
        Ok(platform)
    }

    /// Starts the roles, and returns what they answer.
    fn roles(&self, settings: &Settings, clock: &Arc<dyn Clock>, auth: Arc<Auth>) -> anyhow::Result<Router> {
        let process = compose::Process {
            settings,
            storage: &self.storage,
            metrics: &self.metrics,
            clock,
            auth,
            supervisor: &self.supervisor,
            stopping: self.intake.token(),
        };
        compose::roles(process)
    }

    fn serve(&self, settings: &Settings, routes: Router, listener: server::Listener) {
        let stop = self.intake.token();
        let shutdown = server::Shutdown { announced: self.draining.clone(), begun: stop };
        let limits = Limits {
            request_timeout: settings.http.request_timeout,
            max_connections: settings.http.max_connections,
            max_in_flight: settings.http.max_in_flight,
            max_streams: compose::max_streams(settings),
            drain_timeout: settings.drain_timeout,
            ..Limits::default()
        };
        let routes = routes.merge(self.storage.health(self.draining.clone()).routes());
        let routes = routes.merge(Exposition::new(&self.metrics).routes());
        let meter = counting::meter(settings, &self.metrics);
        let router = layers::metered(routes, process_role(settings), limits, meter);
        // Before anybody can find out that it serves: whoever has found out may look here.
        tell(settings, self.address);
        let serving = server::serve(listener, router, limits, shutdown);
        self.intake.spawn("http", OnFailure::StopProcess, OnStop::Wait, serving);
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

    /// Stops from the edge inwards: not ready any more, and after a grace no new requests, those in flight finish, workers settle what they hold, then bus and
    /// store write what is left and close.
    pub async fn stop(self) -> anyhow::Result<()> {
        tracing::info!("stopping");
        self.draining.cancel();
        tokio::time::sleep(self.shutdown_grace).await;
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

/// Takes an address without listening there yet. Whoever connects meanwhile is refused, and so can go to another replica
/// at once; a connection that the kernel accepted would wait for as long as the engines are away.
fn take(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // Else the connections of an earlier process would keep the port for a minute.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

/// Says what runs here and over what: names and hosts, never a password.
fn tell(settings: &Settings, address: SocketAddr) {
    if settings.mode == Mode::Production && settings.consent == ConsentRule::Required {
        tracing::warn!(
            "emotion events of users who have not given consent will be discarded (EMOTION_CONSENT is required in \
             production)"
        );
    }
    let Uses { store, bus, cache } = Uses::of(&settings.roles);
    let unused = |used: bool, name: String| if used { name } else { "not used".to_owned() };
    tracing::info!(
        %address,
        scheme = settings.tls.scheme(),
        roles = %names(settings),
        store = unused(store, storage::store_name(settings)),
        bus = unused(bus, storage::bus_name(settings)),
        cache = unused(cache, storage::cache_name(settings)),
        "serving"
    );
}

fn names(settings: &Settings) -> String {
    settings.roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(",")
}

/// What log lines of this process call it until a request has reached its role.
fn process_role(settings: &Settings) -> &'static str {
    settings.roles.iter().next().map_or("ecs", |role| role.as_str())
}

/// An address that a client on this machine can use: "any" is no address to connect to.
pub(crate) fn reachable(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => ([127, 0, 0, 1], v4.port()).into(),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => (std::net::Ipv6Addr::LOCALHOST, v6.port()).into(),
        address => address,
    }
}
