//! The bus contract over the embedded transport.
#![expect(clippy::unwrap_used, reason = "a surprise ends the test that meets it")]

use std::sync::Arc;

use async_trait::async_trait;
use ecs_bus::Bus;
use ecs_bus_conformance::kit::SystemClock;
use ecs_bus_conformance::{Harness, Settings};
use ecs_bus_embedded::{EmbeddedBus, Options};
use tempfile::TempDir;

struct Embedded {
    folder: TempDir,
    settings: Settings,
    bus: Arc<EmbeddedBus>,
}

impl Embedded {
    fn open(folder: TempDir, settings: Settings) -> Self {
        let options = Options {
            window_events: settings.window_events,
            max_payload: settings.max_payload,
            ..Options::new(Arc::new(SystemClock))
        };
        let bus = Arc::new(EmbeddedBus::open(folder.path().join("bus.db"), options).unwrap());
        Self { folder, settings, bus }
    }
}

#[async_trait]
impl Harness for Embedded {
    const NAME: &'static str = "embedded";

    async fn start(settings: Settings) -> Self {
        Self::open(tempfile::tempdir().unwrap(), settings)
    }

    fn bus(&self) -> Arc<dyn Bus> {
        Arc::clone(&self.bus) as Arc<dyn Bus>
    }

    async fn restart(self) -> Self {
        self.bus.close().await.unwrap();
        let Self { folder, settings, bus } = self;
        drop(bus);
        Self::open(folder, settings)
    }

    async fn crash(self) -> Self {
        let Self { folder, settings, bus } = self;
        assert_eq!(Arc::strong_count(&bus), 1, "the test still holds the bus");
        drop(bus);
        Self::open(folder, settings)
    }
}

ecs_bus_conformance::conformance!(Embedded);
