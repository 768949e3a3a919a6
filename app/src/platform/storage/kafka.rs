//! How the bus over Kafka is opened.

use std::sync::Arc;

use ecs_bus::Bus;

use super::engines::Engines;
#[cfg(feature = "kafka")]
use crate::settings::BusAt;
use crate::settings::Settings;

#[cfg(feature = "kafka")]
pub(super) async fn open(settings: &Settings, engines: &Engines) -> anyhow::Result<Arc<dyn Bus>> {
    let BusAt::Kafka { servers, replicas, partitions, prefix } = &settings.bus else {
        anyhow::bail!("BUS_URL names no Kafka");
    };
    let options = ecs_bus_kafka::Options {
        window_events: settings.publish_window,
        replicas: i32::try_from(*replicas)?,
        partitions: partitions.map(i32::try_from).transpose()?,
        prefix: prefix.clone(),
        root_certificates: settings.tls.roots.clone(),
        metrics: engines.metrics.clone(),
        ..ecs_bus_kafka::Options::new(servers.expose())
    };
    let is_retryable = |error: &ecs_bus::BusError| matches!(error, ecs_bus::BusError::Unavailable(_));
    let name = format!("{} (BUS_URL)", super::bus_name(settings));
    let bus = super::patience::open(&name, settings.start_timeout, is_retryable, async || {
        ecs_bus_kafka::KafkaBus::open(options.clone()).await
    });
    Ok(Arc::new(bus.await?))
}

#[cfg(not(feature = "kafka"))]
pub(super) async fn open(_: &Settings, _: &Engines) -> anyhow::Result<Arc<dyn Bus>> {
    anyhow::bail!("the bus over Kafka is not built into this binary")
}
