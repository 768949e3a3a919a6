//! The bus contract over NATS: one server per test, or the one that `ECS_TEST_NATS_URL` names, one test after the other.
#![expect(clippy::unwrap_used, reason = "a surprise ends the test that meets it")]

use std::sync::Arc;

use async_trait::async_trait;
use ecs_bus::Bus;
use ecs_bus_conformance::{Harness, Settings};
use ecs_bus_nats::{NatsBus, Options};
use ecs_servers::{Engine, Nats, unavailable};

struct OverNats {
    server: Nats,
    settings: Settings,
    bus: Arc<NatsBus>,
}

impl OverNats {
    async fn open(server: Nats, settings: Settings) -> Self {
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
        Self::open(Nats::reserve().await.unwrap(), settings).await
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
