//! What `amqps://` and `cacertfile` promise, against a server with a certificate that no system knows.

use std::fs::write;
use std::net::SocketAddr;

use ecs_bus::{Bus, BusError};
use ecs_bus_conformance::kit::{event, ids, ids_of, publish, take, within};
use ecs_bus_rabbitmq::{Options, RabbitBus};
use ecs_servers::{Engine, RabbitMq, RabbitMqOptions, did_not_run, free_port, unavailable_privately};
use tempfile::TempDir;

use crate::support::{join, options_at};

/// A server that listens encrypted, too, and the folder with the files of its certificate, which is its own root.
async fn encrypted(name: &str) -> (RabbitMq, SocketAddr, TempDir) {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = |file: &str| folder.path().join(file).display().to_string();
    write(path("root.pem"), made.cert.pem()).unwrap();
    write(path("key.pem"), made.signing_key.serialize_pem()).unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], free_port().unwrap()));
    let settings = format!(
        "listeners.ssl.1 = {address}\nssl_options.cacertfile = {root}\nssl_options.certfile = {root}\n\
         ssl_options.keyfile = {}\nssl_options.verify = verify_none\n",
        path("key.pem"),
        root = path("root.pem")
    );
    let options = RabbitMqOptions { settings, certificate: None };
    (RabbitMq::start(options).await.unwrap(), address, folder)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_encrypted_server_is_believed_when_its_root_is_named_and_it_has_the_right_name() {
    if let Some(reason) = unavailable_privately(Engine::RabbitMq) {
        did_not_run("amqps", &reason);
        return;
    }
    let (server, address, folder) = encrypted("127.0.0.1").await;
    let at = |host: &str| {
        let plain = server.url_at(address).unwrap();
        plain.replace("amqp://", "amqps://").replace("127.0.0.1", host)
    };
    let root = |file: &str| format!("cacertfile={}", folder.path().join(file).display());
    let opened = async |url: String| within(RabbitBus::open(options_at(&url))).await;

    let bus = opened(format!("{}?{}", at("127.0.0.1"), root("root.pem"))).await.unwrap();
    publish(&bus, vec![event(0)]).await;
    let mut member = join(&bus, "worker", 10).await;
    assert_eq!(ids_of(&take(&mut member, 1).await), ids(0..1));
    within(bus.close()).await.unwrap();

    // The file that everything trusts counts, too, unless the address names another.
    let all = |file: &str, url: String| Options {
        root_certificates: Some(folder.path().join(file)),
        ..options_at(&url)
    };
    let named = format!("{}?{}", at("127.0.0.1"), root("root.pem"));
    for options in [all("root.pem", at("127.0.0.1")), all("key.pem", named)] {
        within(within(RabbitBus::open(options)).await.unwrap().close()).await.unwrap();
    }

    let refusal = async |url: String, expect: fn(&BusError) -> bool, word: &str| {
        let error = opened(url).await.err().unwrap();
        let told = error.to_string();
        assert!(expect(&error) && told.contains(word), "{told}");
        assert!(!told.contains(&server.url().split([':', '@']).nth(2).unwrap().to_owned()), "{told}");
    };
    let away = |error: &BusError| matches!(error, BusError::Unavailable(_));
    let wrong = |error: &BusError| matches!(error, BusError::Corrupt(_));
    refusal(at("127.0.0.1"), away, "certificate").await;
    refusal(format!("{}?{}", at("localhost"), root("root.pem")), away, "certificate").await;
    refusal(format!("{}?{}", at("127.0.0.1"), root("key.pem")), wrong, "cacertfile").await;
    refusal(format!("{}?{}", at("127.0.0.1"), root("none.pem")), wrong, "cacertfile").await;
}
