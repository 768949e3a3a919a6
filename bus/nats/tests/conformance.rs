//! The bus contract over NATS: one server per test, or the one that `ECS_TEST_NATS_URL` names, one test after the other.
#![expect(clippy::unwrap_used, reason = "a surprise ends the test that meets it")]

use std::sync::Arc;

use async_nats::{ConnectOptions, ServerAddr};
use async_trait::async_trait;
use ecs_bus::Bus;
use ecs_bus_conformance::{Harness, Settings};
use ecs_bus_nats::{NatsBus, Options};
use ecs_servers::{Engine, Nats, NatsOptions, unavailable};
use tokio::sync::{Mutex, MutexGuard};

/// Whose turn it is on the server that all tests share.
static TURN: Mutex<()> = Mutex::const_new(());

/// A server without streams, for one test.
enum Server {
    Own(Nats),
    Shared { url: String, _turn: MutexGuard<'static, ()> },
}

impl Server {
    async fn vacant() -> Self {
        let Some(url) = Engine::Nats.given() else {
            return Self::Own(Nats::start(NatsOptions::default()).await.unwrap());
        };
        let turn = TURN.lock().await;
        clear(&url).await;
        Self::Shared { url, _turn: turn }
    }

    fn url(&self) -> &str {
        match self {
            Self::Own(server) => server.url(),
            Self::Shared { url, .. } => url,
        }
    }
}

/// Deletes the platform's streams, and what they hold. The server is for tests.
async fn clear(url: &str) {
    let address: ServerAddr = url.parse().unwrap();
    let options = match (address.username(), address.password()) {
        (Some(user), Some(password)) => {
            ConnectOptions::with_user_and_password(user.to_owned(), password.to_owned())
        }
        (Some(token), None) => ConnectOptions::with_token(token.to_owned()),
        (None, _) => ConnectOptions::new(),
    };
    let client = options.connect(address).await.unwrap();
    for stream in ["emotions", "transactions", "credits", "notifications", "ecs-attempts"] {
        client.request(format!("$JS.API.STREAM.DELETE.{stream}"), "".into()).await.unwrap();
    }
}

struct OverNats {
    server: Server,
    settings: Settings,
    bus: Arc<NatsBus>,
}

impl OverNats {
    async fn open(server: Server, settings: Settings) -> Self {
        let options = Options {
            window_events: settings.window_events,
            max_payload: settings.max_payload,
            ..Options::new(server.url())
        };
        let bus = Arc::new(NatsBus::open(options).await.unwrap());
        Self { server, settings, bus }
    }
}

#[async_trait]
impl Harness for OverNats {
    const NAME: &'static str = "nats";

    fn unavailable() -> Option<String> {
        unavailable(Engine::Nats)
    }

    async fn start(settings: Settings) -> Self {
        Self::open(Server::vacant().await, settings).await
    }

    fn bus(&self) -> Arc<dyn Bus> {
        Arc::clone(&self.bus) as Arc<dyn Bus>
    }

    async fn restart(self) -> Self {
        self.bus.close().await.unwrap();
        let Self { server, settings, bus } = self;
        drop(bus);
        Self::open(server, settings).await
    }

    async fn crash(self) -> Self {
        let Self { server, settings, bus } = self;
        assert_eq!(Arc::strong_count(&bus), 1, "the test still holds the bus");
        drop(bus);
        Self::open(server, settings).await
    }
}

ecs_bus_conformance::conformance!(OverNats);
