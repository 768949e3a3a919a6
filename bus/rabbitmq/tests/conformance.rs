//! The bus contract over a RabbitMQ server: one server for all tests, with names of its own for each.
#![expect(clippy::unwrap_used, reason = "a surprise ends the test that meets it")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ecs_bus::Bus;
use ecs_bus_conformance::{Harness, Settings};
use ecs_bus_rabbitmq::{Options, RabbitBus};
use ecs_servers::{Engine, RabbitMq, unavailable};
use uuid::Uuid;

struct OverRabbitMq {
    options: Options,
    bus: Arc<RabbitBus>,
}

impl OverRabbitMq {
    async fn open(options: Options) -> Self {
        let bus = Arc::new(RabbitBus::open(options.clone()).await.unwrap());
        Self { options, bus }
    }
}

#[async_trait]
impl Harness for OverRabbitMq {
    const NAME: &'static str = "rabbitmq";

    fn unavailable() -> Option<String> {
        unavailable(Engine::RabbitMq)
    }

    async fn start(settings: Settings) -> Self {
        Self::open(Options {
            prefix: format!("{}.", Uuid::new_v4()),
            window_events: settings.window_events,
            max_payload: settings.max_payload,
            // It is busy with many tests, and opening a channel takes its time.
            patience: Duration::from_secs(10),
            ..Options::new(RabbitMq::shared().await.unwrap().url())
        })
        .await
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

ecs_bus_conformance::conformance!(OverRabbitMq);
