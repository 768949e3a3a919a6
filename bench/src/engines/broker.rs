//! The transports side by side: how each is started, and how the platform and the limits get to it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use ecs_bus::Bus;
use ecs_bus_embedded::EmbeddedBus;
use ecs_bus_kafka::KafkaBus;
use ecs_bus_nats::NatsBus;
use ecs_bus_rabbitmq::RabbitBus;
use ecs_servers::{Kafka, KafkaOptions, Nats, RabbitMq, RabbitMqOptions};

use crate::data::DataFolder;
use crate::limits::{RawBus, bus, kafka, nats, rabbitmq};
use crate::platform::SystemClock;

/// What carries the events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Embedded,
    Nats,
    RabbitMq,
    Kafka,
}

/// A transport of one's own, gone when this is dropped.
pub(crate) enum Broker {
    Embedded(DataFolder),
    Nats(Nats),
    RabbitMq(RabbitMq),
    Kafka(Kafka),
}

impl Transport {
    /// All of them, in the order of the report.
    pub(crate) const ALL: [Self; 4] = [Self::Embedded, Self::Nats, Self::RabbitMq, Self::Kafka];

    /// What names of measures begin with.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Nats => "nats",
            Self::RabbitMq => "rabbitmq",
            Self::Kafka => "kafka",
        }
    }

    /// The same for people.
    pub(crate) fn called(self) -> &'static str {
        match self {
            Self::Embedded => "the embedded bus",
            Self::Nats => "NATS",
            Self::RabbitMq => "RabbitMQ",
            Self::Kafka => "Kafka",
        }
    }
}

impl Broker {
    /// NATS has the settings that we ship: it flushes before it acknowledges. The others need none for that.
    pub(super) async fn start(
        transport: Transport,
        nats_settings: &Path,
        folder: PathBuf,
    ) -> anyhow::Result<Self> {
        let missing = || format!("no {}: run scripts/provision.sh", transport.called());
        Ok(match transport {
            Transport::Embedded => Self::Embedded(DataFolder::new(folder, None)?),
            Transport::Nats => Self::Nats(Nats::start_from(nats_settings).await.with_context(missing)?),
            Transport::RabbitMq => {
                Self::RabbitMq(RabbitMq::start(RabbitMqOptions::default()).await.with_context(missing)?)
            }
            Transport::Kafka => {
                Self::Kafka(Kafka::start(KafkaOptions::default()).await.with_context(missing)?)
            }
        })
    }

    /// What tells the platform of it.
    pub(super) fn setting(&self) -> (&'static str, String) {
        match self {
            Self::Embedded(folder) => ("ECS_DATA_DIR", folder.path().display().to_string()),
            Self::Nats(server) => ("BUS_URL", server.url().to_owned()),
            Self::RabbitMq(server) => ("BUS_URL", server.url().to_owned()),
            Self::Kafka(server) => ("BUS_URL", server.url().to_owned()),
        }
    }

    /// The bus over it, with the settings of production.
    pub(crate) async fn bus(&self) -> anyhow::Result<Arc<dyn Bus>> {
        Ok(match self {
            Self::Embedded(folder) => Arc::new(EmbeddedBus::open(
                folder.bus(),
                ecs_bus_embedded::Options::new(Arc::new(SystemClock)),
            )?),
            Self::Nats(server) => Arc::new(NatsBus::open(ecs_bus_nats::Options::new(server.url())).await?),
            Self::RabbitMq(server) => {
                Arc::new(RabbitBus::open(ecs_bus_rabbitmq::Options::new(server.url())).await?)
            }
            Self::Kafka(server) => Arc::new(KafkaBus::open(ecs_bus_kafka::Options::new(server.url())).await?),
        })
    }

    /// Its plain client library. What the platform would make there is made by the bus, which is then closed.
    pub(crate) async fn raw(&self) -> anyhow::Result<Box<dyn RawBus>> {
        self.bus().await?.close().await?;
        Ok(match self {
            Self::Embedded(folder) => Box::new(bus::Raw::new(folder.bus())),
            Self::Nats(server) => Box::new(nats::Raw::connect(server.url()).await?),
            Self::RabbitMq(server) => Box::new(rabbitmq::Raw::connect(server.url()).await?),
            Self::Kafka(server) => Box::new(kafka::Raw::connect(server.url())?),
        })
    }
}
