//! The bus contract over one Kafka broker, with topics of its own for each test.
#![expect(clippy::unwrap_used, reason = "a surprise ends the test that meets it")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use ecs_bus::Bus;
use ecs_bus_conformance::{Harness, Settings};
use ecs_bus_kafka::{KafkaBus, Options};
use ecs_servers::{Engine, Kafka, unavailable};

struct OverKafka {
    options: Options,
    bus: Arc<KafkaBus>,
}

impl OverKafka {
    async fn open(options: Options) -> Self {
        let bus = Arc::new(KafkaBus::open(options.clone()).await.unwrap());
        Self { options, bus }
    }
}

#[async_trait]
impl Harness for OverKafka {
    const NAME: &'static str = "kafka";

    fn unavailable() -> Option<String> {
        unavailable(Engine::Kafka)
    }

    async fn start(settings: Settings) -> Self {
        static TESTS: AtomicU32 = AtomicU32::new(0);
        let server = Kafka::shared().await.unwrap();
        let (process, test) = (std::process::id(), TESTS.fetch_add(1, Ordering::Relaxed));
        let options = Options {
            prefix: format!("test-{process}-{test}."),
            partitions: Some(3),
            window_events: settings.window_events,
            max_payload: settings.max_payload,
            ..Options::new(server.url())
        };
        Self::open(options).await
    }

    fn bus(&self) -> Arc<dyn Bus> {
        Arc::clone(&self.bus) as Arc<dyn Bus>
    }

    async fn restart(self) -> Self {
        self.bus.close().await.unwrap();
        let Self { options, bus } = self;
        drop(bus);
        Self::open(options).await
    }

    async fn crash(self) -> Self {
        let Self { options, bus } = self;
        assert_eq!(Arc::strong_count(&bus), 1, "the test still holds the bus");
        drop(bus);
        Self::open(options).await
    }
}

ecs_bus_conformance::conformance!(OverKafka);
