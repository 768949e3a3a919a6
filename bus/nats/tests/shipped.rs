//! The server's settings that we ship, as the bus finds them.

use std::fs;
use std::path::Path;

use ecs_bus::Event;
use ecs_bus_conformance::kit::{event, publish, within};
use ecs_bus_nats::{NatsBus, Options};
use ecs_servers::{Engine, Nats, did_not_run, unavailable_privately};
use tempfile::NamedTempFile;

/// With the options of production: the check of the flushes holds, nothing differs from what the bus would make, when it makes the
/// streams and when it finds them, and the largest event fits.
#[tokio::test]
async fn nothing_is_amiss_over_the_settings_that_we_ship() {
    if let Some(reason) = unavailable_privately(Engine::Nats) {
        return did_not_run("the settings that we ship", &reason);
    }
    let settings = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/nats/nats.conf");
    let server = Nats::start_from(&settings).await.unwrap();
    let log = NamedTempFile::new().unwrap();
    let subscriber = tracing_subscriber::fmt().with_writer(log.reopen().unwrap()).finish();
    // The runtime of a test has one thread, so everything that the bus does is seen.
    let _guard = tracing::subscriber::set_default(subscriber);
    for _ in 0..2 {
        let monitor = Some(server.monitor_address().unwrap().to_string());
        let bus = within(NatsBus::open(Options { monitor, ..Options::new(server.url()) })).await.unwrap();
        publish(&bus, vec![Event { payload: vec![b' '; 1 << 20].into(), ..event(1) }]).await;
        within(ecs_bus::Bus::close(&bus)).await.unwrap();
    }
    let said = fs::read_to_string(log.path()).unwrap();
    assert!(said.contains("made the stream"), "the log is heard: {said}");
    let amiss = |line: &&str| [" WARN ", " ERROR ", "is not checked"].iter().any(|it| line.contains(it));
    assert_eq!(said.lines().find(amiss), None);
}
