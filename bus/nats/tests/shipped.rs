//! The server's settings that we ship, as the bus finds them.
#![expect(clippy::unwrap_used, reason = "a surprise ends the test that meets it")]

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use ecs_bus::Event;
use ecs_bus_conformance::kit::{event, publish, within};
use ecs_bus_nats::{NatsBus, Options};
use ecs_servers::{Engine, Nats, did_not_run, unavailable_privately};

/// Collects what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// With the options of production: the check of the flushes holds, nothing differs from what the bus would make, when it makes the
/// streams and when it finds them, and the largest event fits.
#[tokio::test]
async fn nothing_is_amiss_over_the_settings_that_we_ship() {
    if let Some(reason) = unavailable_privately(Engine::Nats) {
        return did_not_run("the settings that we ship", &reason);
    }
    let settings = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/nats/nats.conf");
    let server = Nats::start_from(&settings).await.unwrap();
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
    // The runtime of a test has one thread, so everything that the bus does is seen.
    let _guard = tracing::subscriber::set_default(subscriber);
    for _ in 0..2 {
        let monitor = Some(server.monitor_address().unwrap().to_string());
        let bus = within(NatsBus::open(Options { monitor, ..Options::new(server.url()) })).await.unwrap();
        publish(&bus, vec![Event { payload: vec![b' '; 1 << 20].into(), ..event(1) }]).await;
        within(ecs_bus::Bus::close(&bus)).await.unwrap();
    }
    let said = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(said.contains("made the stream"), "the log is heard: {said}");
    let amiss = |line: &&str| [" WARN ", " ERROR ", "is not checked"].iter().any(|it| line.contains(it));
    assert_eq!(said.lines().find(amiss), None);
}
