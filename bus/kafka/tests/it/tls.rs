//! What `kafkas://` and `?mechanism=` promise, against a broker with a certificate that no system knows.

use std::fs::write;
use std::path::PathBuf;

use ecs_bus::{Bus, BusError};
use ecs_bus_conformance::kit::events;
use ecs_bus_kafka::{KafkaBus, Options};
use ecs_servers::{Engine, Kafka, KafkaOptions, did_not_run, unavailable_privately};
use tempfile::TempDir;
use tokio::sync::OnceCell;

use crate::support::{delivered, ids, open, options, publish, within, work_off};

/// A broker that listens encrypted, too, and the folder with the roots by which it may be believed or not.
struct Encrypted {
    server: Kafka,
    folder: TempDir,
}

impl Encrypted {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let made = ["root.pem", "foreign.pem"].map(|file| {
            let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
            write(folder.path().join(file), made.cert.pem()).unwrap();
            // The certificate is its own root.
            made.signing_key.serialize_pem() + &made.cert.pem()
        });
        let certificate = made.into_iter().next();
        let options = KafkaOptions { certificate, ..KafkaOptions::default() };
        Self { server: Kafka::start(options).await.unwrap(), folder }
    }

    fn root(&self, file: &str) -> Option<PathBuf> {
        Some(self.folder.path().join(file))
    }

    /// Topics of the test's own, at an address, trusting that root only.
    fn options(&self, url: String, root: &str) -> Options {
        Options { url, root_certificates: self.root(root), ..options(&self.server) }
    }

    fn url(&self, mechanism: &str) -> String {
        self.server.encrypted_url(mechanism).unwrap()
    }
}

/// The one that these tests share; `None`, and said loudly, where there is no Kafka.
async fn encrypted(test: &str) -> Option<&'static Encrypted> {
    static SHARED: OnceCell<Encrypted> = OnceCell::const_new();
    if let Some(reason) = unavailable_privately(Engine::Kafka) {
        did_not_run(test, &reason);
        return None;
    }
    Some(SHARED.get_or_init(Encrypted::start).await)
}

/// Through all that connects: topics, producers, readers and members.
async fn is_usable(options: &Options) {
    let bus = open(options).await;
    let sent = events(0..50);
    publish(&bus, sent.clone()).await;
    assert_eq!(delivered(&work_off(&bus, "worker").await), ids(&sent));
    within(bus.close()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_go_over_tls_after_a_login_by_plain() {
    let Some(broker) = encrypted("kafkas with PLAIN").await else { return };
    let named = broker.url("PLAIN");
    is_usable(&broker.options(named.clone(), "root.pem")).await;
    let (unnamed, _) = named.split_once('?').unwrap();
    is_usable(&broker.options(unnamed.to_owned(), "root.pem")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_go_over_tls_after_a_login_by_scram() {
    let Some(broker) = encrypted("kafkas with SCRAM").await else { return };
    for mechanism in ["SCRAM-SHA-512", "SCRAM-SHA-256"] {
        is_usable(&broker.options(broker.url(mechanism), "root.pem")).await;
    }
}

/// Each differs in one thing from an address above that works.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_not_believed_is_refused_without_the_password() {
    let Some(broker) = encrypted("kafkas and foreign certificates").await else { return };
    let (plain, scram) = (broker.url("PLAIN"), broker.url("SCRAM-SHA-512"));
    let refused = async |url: String, root: &str, word: &str| {
        let error = within(KafkaBus::open(broker.options(url.clone(), root))).await.err().unwrap();
        let (password, told) = (url.split([':', '@']).nth(2).unwrap(), error.to_string());
        assert!(matches!(error, BusError::Unavailable(_)) && told.contains(word), "{told}");
        assert!(!told.contains(password), "{told}");
    };
    // Side by side: each is patient with brokers that are away.
    tokio::join!(
        refused(plain.clone(), "foreign.pem", "certificate"),
        refused(scram.clone(), "foreign.pem", "certificate"),
        refused(scram.replace("127.0.0.1", "localhost"), "root.pem", "certificate"),
        refused(scram.replace("SCRAM-SHA-512", "PLAIN"), "root.pem", "login"),
        refused(plain, "none.pem", "ssl.ca.location"),
    );
}
