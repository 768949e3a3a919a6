//! How the bus over RabbitMQ is opened.

use std::sync::Arc;

use ecs_bus::Bus;

use super::engines::Engines;
use crate::settings::{Address, Settings};

#[cfg(feature = "rabbitmq")]
pub(super) async fn open(
    settings: &Settings,
    engines: &Engines,
    servers: &Address,
) -> anyhow::Result<Arc<dyn Bus>> {
    // A day more than the sweep forgets: the server's own forgetting is for what nobody sweeps.
    let days = |days: u16| std::time::Duration::from_secs((u64::from(days) + 1) * 24 * 60 * 60);
    let options = ecs_bus_rabbitmq::Options {
        window_events: settings.publish_window,
        root_certificates: settings.tls.roots.clone(),
        keep_emotions: days(settings.retention.emotion_bus_days),
        keep_others: days(settings.retention.bus_days),
        metrics: engines.metrics.clone(),
        ..ecs_bus_rabbitmq::Options::new(servers.expose())
    };
    let is_retryable = |error: &ecs_bus::BusError| matches!(error, ecs_bus::BusError::Unavailable(_));
    let name = format!("{} (BUS_URL)", super::bus_name(settings));
    let bus = super::patience::open(&name, settings.start_timeout, is_retryable, async || {
        ecs_bus_rabbitmq::RabbitBus::open(options.clone()).await
    });
    Ok(Arc::new(bus.await?))
}

#[cfg(not(feature = "rabbitmq"))]
pub(super) async fn open(_: &Settings, _: &Engines, _: &Address) -> anyhow::Result<Arc<dyn Bus>> {
    anyhow::bail!("the bus over RabbitMQ is not built into this binary")
}
