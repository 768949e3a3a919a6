//! A platform whose processes speak TLS with each other and with everybody else: who doesn't gets nothing, and a new
//! certificate is nobody's loss. The ways through such a platform are among those of every topology.

use std::net::SocketAddr;

use ecs::role::Role;
use ecs_client::{Client, Credentials, Retries};
use ecs_servers::Authority;
use ecs_tls::Roots;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::support::deployment::{Deployment, Process, Topology, free_address, owned};
use crate::support::process::{Server, command, ecs, run, text};
use crate::support::{DEADLINE, eventually};

/// What somebody gets who asks without TLS, until the connection ends.
async fn asked_plainly(address: SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut told = Vec::new();
    // A reset is as good an end as any.
    let _ = timeout(DEADLINE, stream.read_to_end(&mut told)).await.expect("the connection ends");
    String::from_utf8_lossy(&told).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_encrypted_or_not_believed_gets_nothing() {
    gets_nothing(Topology::Encrypted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_encrypted_or_not_believed_gets_nothing_over_rabbitmq() {
    gets_nothing(Topology::EncryptedOverRabbitMq).await;
}

/// Kafka's client encrypts where it was built with OpenSSL.
#[cfg(feature = "kafka-tls")]
mod over_kafka_tls {
    use super::{Topology, gets_nothing};

    #[tokio::test(flavor = "multi_thread")]
    async fn who_is_not_encrypted_or_not_believed_gets_nothing() {
        gets_nothing(Topology::EncryptedOverKafka).await;
    }
}

async fn gets_nothing(topology: Topology) {
    let Some(platform) = Deployment::start(topology).await else { return };
    let ana = platform.person("ana").await;
    platform.live_well(&ana).await;
    platform.settled_books().await;
    for process in platform.processes() {
        let told = asked_plainly(process.address).await;
        assert!(!told.contains("HTTP/") && !told.contains("ok"), "{:?}: {told}", process.roles);
        let stranger = Client::new(&process.edge.url, &Credentials::default()).unwrap();
        assert!(stranger.health().await.is_err(), "{:?} is believed by a stranger", process.roles);
        process.edge.client(&Credentials::default()).health().await.unwrap();
    }
    let encryption = platform.encryption.as_ref().unwrap();
    encryption.is_all_of_it_encrypted().await;
    if let Some(plain) = encryption.plain_bus() {
        is_refused(&platform, &plain).await;
    }
    platform.stop().await;
}

/// A process that comes to the bus without encryption, though with the right password, never gets as far as serving.
async fn is_refused(platform: &Deployment, plain: &str) {
    let plain = owned(&[("BUS_URL", plain), ("ECS_START_TIMEOUT_S", "1")]);
    let settings = [platform.settings(), &plain].concat();
    let process = Process::start(vec![Role::EmotionProcessing], free_address(), &settings);
    eventually("it gives up", async || (!process.is_alive()).then_some(())).await;
    let log = process.log();
    assert!(log.contains("ecs: ") && log.contains("waited 1 s") && !log.contains("\"serving\""), "{log}");
}

/// A client that trusts nobody but who has the certificate of this file.
fn pinned(url: &str, certificate: &std::path::Path) -> Client {
    Client::trusting(url, &Credentials::default(), || Ok(Roots::load(None)?.or_oneself(certificate)?))
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_replaced_while_requests_run() {
    let Some(platform) = Deployment::start(Topology::Encrypted).await else { return };
    let encryption = platform.encryption.as_ref().unwrap();
    let (ana, done) = (platform.person("ana").await, CancellationToken::new());
    let pounding: Vec<_> = (0..4)
        .map(|_| {
            // A client of its own for each request, so that each has a handshake with the gateway.
            let (url, token, user) = (platform.url.clone(), ana.token.clone(), ana.id);
            let (roots, done) = (encryption.folder.path().join("roots.pem"), done.clone());
            tokio::spawn(async move {
                let credentials = Credentials { internal_key: None, token: Some(token) };
                let mut answered = 0;
                while !done.is_cancelled() {
                    let roots = || Ok(Roots::load(Some(&roots))?);
                    let client = Client::trusting(&url, &credentials, roots).unwrap();
                    let client = client.with_retries(Retries::NONE);
                    client.notifications(user, 1, 10).await.unwrap();
                    client.offers(user, 1, 10).await.unwrap();
                    answered += 1;
                }
                answered
            })
        })
        .collect();
    let (file, old) = (encryption.folder.path().join("ecs.pem"), encryption.folder.path().join("old.pem"));
    for _ in 0..2 {
        std::fs::copy(&file, &old).unwrap();
        encryption.renew();
        for process in platform.processes() {
            let url = &process.edge.url;
            let shown = async || pinned(url, &file).health().await.ok();
            eventually(&format!("{:?} shows the new certificate", process.roles), shown).await;
            assert!(pinned(url, &old).health().await.is_err(), "{:?} still shows the old one", process.roles);
        }
    }
    done.cancel();
    for task in pounding {
        assert!(timeout(DEADLINE, task).await.unwrap().unwrap() > 0);
    }
    platform.stop().await;
}

#[tokio::test]
async fn a_start_with_half_of_it_or_with_broken_files_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new().unwrap();
    let good = authority.issue(&["localhost"]).unwrap().write(folder.path(), "good").unwrap();
    let other = authority.issue(&["localhost"]).unwrap().write(folder.path(), "other").unwrap();
    let broken = folder.path().join("broken.pem");
    std::fs::write(&broken, "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n").unwrap();
    let check = async |set: &[(&str, &std::path::Path)], expect: &[&str]| {
        let mut command = ecs(&folder.path().join("data"), &["serve", "--listen", "127.0.0.1:0"]);
        command.envs(set.iter().copied());
        let output = run(command).await;
        let told = text(&output);
        assert!(!output.status.success() && expect.iter().all(|part| told.contains(part)), "{told}");
        assert!(!told.contains("hunter2") && !told.contains("PRIVATE KEY"), "{told}");
    };
    const CERTIFICATE: &str = "ECS_TLS_CERTIFICATE";
    const KEY: &str = "ECS_TLS_KEY";
    check(&[(CERTIFICATE, &good.certificate)], &["ECS_TLS_KEY must name"]).await;
    check(&[(KEY, &good.key)], &["ECS_TLS_CERTIFICATE must name"]).await;
    check(&[(CERTIFICATE, &good.certificate), (KEY, &broken)], &["broken.pem", KEY]).await;
    check(&[(CERTIFICATE, &broken), (KEY, &good.key)], &["broken.pem", "certificate"]).await;
    check(&[(CERTIFICATE, &good.certificate), (KEY, &other.key)], &["other-key.pem", "is not that of"]).await;
    check(&[("ECS_TLS_ROOTS", &broken)], &["broken.pem", "ECS_TLS_ROOTS"]).await;
}

#[tokio::test]
async fn commands_find_a_listener_with_tls_and_believe_it() {
    let folder = tempfile::tempdir().unwrap();
    // Made out to a name by which nobody here calls.
    let issued = Authority::new().unwrap().issue(&["ecs.internal"]).unwrap();
    let files = issued.write(folder.path(), "ecs").unwrap();
    let with_tls = |mut command: Command| {
        command.env("ECS_TLS_CERTIFICATE", &files.certificate).env("ECS_TLS_KEY", &files.key);
        command
    };
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let server = Server::start_encrypted(&data, with_tls, &files.certificate).await;
    assert!(server.url.starts_with("https://"), "{}", server.url);
    let says = async |command: Command, expect: &str| {
        let told = text(&run(command).await);
        assert!(told.contains(expect), "{told}");
    };
    says(with_tls(ecs(&data, &["healthcheck"])), "ready").await;
    says(with_tls(ecs(&data, &["verify"])), "the books balance").await;
    says(ecs(&data, &["healthcheck"]), "not ready").await;
    let mut elsewhere = command(&["healthcheck"]);
    elsewhere.env("ECS_URL", server.url.replace("https:", "http:"));
    says(elsewhere, "not ready").await;
    server.kill().await;
    let demo = with_tls(ecs(&data, &["demo", "--listen", "127.0.0.1:0", "--seconds", "1"]));
    says(demo, "The platform answers at https://127.0.0.1:").await;
}
