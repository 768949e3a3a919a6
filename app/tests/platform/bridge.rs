//! `ecs bridge` with the real binary: a platform that moves to another bus under load, and what the command refuses.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ecs::platform::{Storage, SystemClock};
use ecs::role::Role;
use ecs::settings::{Flags, Settings, merge};
use ecs_bus::{Event, Frontier, Headers, Subject};
use ecs_domain::{EventId, UserId};
use ecs_servers::{
    Engine, Kafka, Nats, NatsOptions, RabbitMq, RabbitMqOptions, did_not_run, unavailable,
    unavailable_privately,
};
use serde_json::Value;
use tokio::process::{Child, Command};
use uuid::Uuid;

use crate::support::deployment::{Process, free_address, owned};
use crate::support::process::{Server, command, ecs, run, text};
use crate::support::{DEADLINE, INTERNAL_KEY, KEYS, MASTER_KEY, SECRET, eventually};

/// What a bridge prints; it must end with this code.
async fn bridge(code: i32, arguments: &[&str]) -> String {
    bridge_with(&[], code, arguments).await
}

/// The same with settings in its environment.
async fn bridge_with(environment: &[(&str, &str)], code: i32, arguments: &[&str]) -> String {
    let mut command = command(&[&["bridge"], arguments].concat());
    command.envs(environment.iter().copied());
    let output = run(command).await;
    let text = text(&output);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
    for address in arguments.iter().filter(|argument| argument.starts_with("nats://")) {
        assert!(!text.contains(address), "an address is told: {text}");
    }
    text
}

/// What opens the vault of a folder that [`opened`] has made.
const MASTER: (&str, &str) = ("ECS_MASTER_KEY", MASTER_KEY);

/// A bus, opened in this process.
async fn opened(address: &str, data: &Path) -> Storage {
    opened_with(address, data, &[]).await
}

/// The same with more settings.
async fn opened_with(address: &str, data: &Path, more: &[(&str, &str)]) -> Storage {
    let environment = owned(&[
        ("ECS_MODE", "testing"),
        ("SECRET_KEY", SECRET),
        ("INTERNAL_SERVICE_API_KEY", INTERNAL_KEY),
        ("ECS_MASTER_KEY", MASTER_KEY),
        ("BUS_URL", address),
        ("ECS_DATA_DIR", data.to_str().unwrap()),
    ]);
    let environment = [environment, owned(more)].concat();
    let raw = merge(&environment.into_iter().collect(), &Flags::default()).unwrap();
    Storage::open(&Settings::from_raw(&raw).unwrap(), Arc::new(SystemClock)).await.unwrap()
}

async fn events(storage: &Storage, subject: Subject) -> Vec<Event> {
    let page = storage.bus().unwrap().log(subject, &Frontier::default(), 100_000).await.unwrap();
    page.records.into_iter().map(|record| record.event).collect()
}

fn event(number: u128, bytes: usize) -> Event {
    Event {
        id: EventId::new(Uuid::from_u128(number)),
        subject: Subject::Transactions,
        key: UserId::new(Uuid::from_u128(number % 7)),
        payload: Bytes::from(vec![b'x'; bytes]),
        headers: Headers::of_request(&format!("r{number}"), "00-1-2-01"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_go_from_a_folder_to_nats_and_back_as_they_are() {
    if let Some(reason) = unavailable_privately(Engine::Nats) {
        return did_not_run("a bridge to NATS and back", &reason);
    }
    let nats = Nats::start(NatsOptions { max_payload: 16 << 10, ..NatsOptions::default() }).await.unwrap();
    let (old, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sent: Vec<Event> = (0..3_000).map(|number| event(number, 100)).collect();
    let storage = opened("embedded:", old.path()).await;
    let mut all = sent.clone();
    all.insert(1_500, event(9_999, 20_000));
    assert!(storage.bus().unwrap().publish(all).await.iter().all(Result::is_ok));
    storage.close().await.unwrap();

    let from = format!("embedded:{}", old.path().display());
    let said = bridge_with(&[MASTER], 1, &[&from, nats.url()]).await;
    let refused = format!("event {}: the event has 20000 bytes, the bus takes", Uuid::from_u128(9_999));
    assert!(said.contains("transactions.topic       3000 copied") && said.contains(&refused), "{said}");

    let address = new.path().join("address");
    std::fs::write(&address, format!("embedded:{}\n", new.path().join("bus").display())).unwrap();
    let to = format!("@{}", address.display());
    let said: Value = serde_json::from_str(
        &bridge_with(
            &[MASTER],
            0,
            &[nats.url(), &to, "--subject", "transactions.topic", "--json", "--quiet"],
        )
        .await,
    )
    .unwrap();
    assert_eq!((&said[0]["copied"], &said[0]["left"]), (&3_000.into(), &0.into()), "{said}");
    assert_eq!(said.as_array().unwrap().len(), 1);
    let storage = opened("embedded:", &new.path().join("bus")).await;
    let mut came = events(&storage, Subject::Transactions).await;
    came.sort_by_key(|event| event.id);
    assert_eq!(came, sent);
    storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn events_go_from_a_folder_to_rabbitmq_and_back_as_they_are() {
    if let Some(reason) = unavailable_privately(Engine::RabbitMq) {
        return did_not_run("a bridge to RabbitMQ and back", &reason);
    }
    let rabbit = RabbitMq::start(RabbitMqOptions::default()).await.unwrap();
    let (old, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sent: Vec<Event> = (0..1_500).map(|number| event(number, 100)).collect();
    let storage = opened("embedded:", old.path()).await;
    assert!(storage.bus().unwrap().publish(sent.clone()).await.iter().all(Result::is_ok));
    storage.close().await.unwrap();
    let [from, to] = [&old, &new].map(|folder| format!("embedded:{}", folder.path().display()));
    assert!(
        bridge_with(&[MASTER], 0, &[&from, rabbit.url(), "--quiet"])
            .await
            .contains("transactions.topic       1500 copied")
    );
    bridge_with(&[MASTER], 0, &[rabbit.url(), &to, "--quiet"]).await;
    let storage = opened("embedded:", new.path()).await;
    let mut came = events(&storage, Subject::Transactions).await;
    came.sort_by_key(|event| event.id);
    assert_eq!(came, sent);
    storage.close().await.unwrap();
}

/// Kafka as the long archive beside another bus, and what it holds brought back.
#[tokio::test(flavor = "multi_thread")]
async fn an_archive_in_kafka_holds_everything_but_emotions() {
    if let Some(reason) = unavailable(Engine::Kafka) {
        return did_not_run("an archive in Kafka", &reason);
    }
    let kafka = Kafka::shared().await.unwrap();
    let prefix = format!("archive-{}.", Uuid::new_v4());
    let own = format!("ECS_KAFKA_PREFIX={prefix}");
    let (old, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sent: Vec<Event> = (0..2_000).map(|number| event(number, 100)).collect();
    let felt = sent.iter().take(10).map(|event| Event { subject: Subject::Emotions, ..event.clone() });
    let storage = opened("embedded:", old.path()).await;
    let all = [felt.collect(), sent.clone()].concat();
    assert!(storage.bus().unwrap().publish(all).await.iter().all(Result::is_ok));
    storage.close().await.unwrap();

    let from = format!("embedded:{}", old.path().display());
    let archive = [&from, kafka.url(), "--archive", "--keep-days", "365", "--to-set", &own, "--quiet"];
    assert!(bridge_with(&[MASTER], 0, &archive).await.contains("transactions.topic       2000 copied"));
    let scratch = tempfile::tempdir().unwrap();
    let storage = opened_with(kafka.url(), scratch.path(), &[("ECS_KAFKA_PREFIX", &prefix)]).await;
    assert_eq!(events(&storage, Subject::Emotions).await, []);
    let kept = events(&storage, Subject::Transactions).await;
    assert!(
        kept.len() == 2_000 && kept.iter().all(|event| event.payload.starts_with(b"~1.")),
        "it stands sealed"
    );
    storage.close().await.unwrap();

    let vault = format!("sqlite:{}", old.path().join("vault.sqlite").display());
    let to = format!("embedded:{}", new.path().display());
    let back = [kafka.url(), &to, "--from-set", &own, "--quiet"];
    bridge_with(&[MASTER, ("ECS_VAULT_URL", &vault)], 0, &back).await;
    let storage = opened("embedded:", new.path()).await;
    let mut came = events(&storage, Subject::Transactions).await;
    came.sort_by_key(|event| event.id);
    assert_eq!(came, sent);
    storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_bridged_is_refused_without_an_address() {
    let folder = tempfile::tempdir().unwrap();
    let (data, other) = (folder.path().join("data"), folder.path().join("other"));
    let (data, other) = (data.to_str().unwrap(), other.to_str().unwrap());
    std::fs::create_dir_all(data).unwrap();
    let (here, there) = (format!("embedded:{data}"), format!("embedded:{other}"));
    let check = async |code, arguments: &[&str], expect: &str| {
        let said = bridge(code, arguments).await;
        assert!(said.contains(expect) && !said.contains("hunter2"), "{said}");
    };
    check(1, &[&here, &there], "FROM (embedded in ").await;
    check(1, &[&here, &there], "there is no bus in").await;
    check(1, &[&here, &here], "FROM and TO are the same bus").await;
    check(1, &["pigeons://a:hunter2@b", &there], "FROM names the engine \"pigeons\"").await;
    check(1, &[&here, "hunter2"], "TO must be an address").await;
    check(2, &[&here, &there, "--archive"], "--keep-days").await;
    check(1, &[&here, &there, "--to-set", "ECS_PIGEONS=3"], "ECS_PIGEONS is not a setting").await;
    check(1, &[&here, &there, "--to-set", "ECS_BUS_REPLICAS=9"], "ECS_BUS_REPLICAS must be a whole number")
        .await;
    check(2, &[&here, &there, "--subject", "letters"], "must be one of user.emotions.topic").await;
    let server = Server::start(Path::new(data)).await;
    check(1, &[&here, &there], "is in use by another process").await;
    check(1, &[&there, &here], "there is no bus in").await;
    server.kill().await;
    let archive = [&here, &there, "--archive", "--keep-days", "365"];
    check(0, &archive, "transactions.topic       0 copied").await;
    check(1, &[&archive[..], &["--subject", "user.emotions.topic"]].concat(), "does not go into an archive")
        .await;
    assert!(!bridge(0, &archive).await.contains("user.emotions.topic"));
}

/// A platform over this bus, with its store in the folder.
async fn platform(bus: &str, data: &Path) -> Process {
    let settings = owned(&[
        ("ECS_MODE", "testing"),
        ("ECS_BCRYPT_COST", "4"),
        ("SECRET_KEY", SECRET),
        ("INTERNAL_SERVICE_API_KEY", INTERNAL_KEY),
        ("ECS_MASTER_KEY", MASTER_KEY),
        ("BUS_URL", bus),
        ("ECS_DATA_DIR", data.to_str().unwrap()),
    ]);
    let process = Process::start(Role::ALL.to_vec(), free_address(), &settings);
    process.is_ready().await;
    process
}

/// A command of an operator of that platform.
fn operator(bus: &str, data: &Path, platform: &Process, arguments: &[&str]) -> Command {
    let mut command = ecs(data, arguments);
    command.envs(KEYS).env("ECS_MODE", "testing").env("BUS_URL", bus).env("ECS_URL", &platform.edge.url);
    command
}

fn simulate(bus: &str, data: &Path, platform: &Process, journal: &Path, seconds: &str) -> Child {
    let line = ["simulate", "--users", "20", "--rate", "400", "--journeys-every", "0.5", "--quiet"];
    let line = [&line[..], &["--seconds", seconds, "--journal", journal.to_str().unwrap()]].concat();
    operator(bus, data, platform, &line).stdout(std::process::Stdio::null()).spawn().unwrap()
}

async fn copied_some(nats: &Nats, data: &Path) {
    let storage = opened(nats.url(), data).await;
    eventually("the bridge has copied something", async || {
        (!events(&storage, Subject::Transactions).await.is_empty()).then_some(())
    })
    .await;
    storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_platform_moves_to_another_bus_under_load_while_bridges_are_killed() {
    if let Some(reason) = unavailable_privately(Engine::Nats) {
        return did_not_run("a move to another bus", &reason);
    }
    let old = Nats::start(NatsOptions::default()).await.unwrap();
    let new = Nats::start(NatsOptions::default()).await.unwrap();
    let (folder, scratch) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let data = folder.path();
    let journal = |name: &str| scratch.path().join(name);
    let before = platform(old.url(), data).await;
    let mut load = simulate(old.url(), data, &before, &journal("before"), "4");
    let follow = || command(&["bridge", old.url(), new.url(), "--follow", "--quiet"]).spawn().unwrap();
    let mut bridge_one = follow();
    copied_some(&new, scratch.path()).await;
    bridge_one.kill().await.unwrap();
    let mut bridge_two = follow();
    assert!(tokio::time::timeout(DEADLINE, load.wait()).await.unwrap().unwrap().success());
    before.stop().await;
    let pid = bridge_two.id().unwrap().to_string();
    assert!(std::process::Command::new("kill").args(["-s", "TERM", &pid]).status().unwrap().success());
    let ended = tokio::time::timeout(Duration::from_secs(20), bridge_two.wait()).await.unwrap().unwrap();
    assert!(ended.code().is_some(), "it ended by itself: {ended}");
    bridge(0, &[old.url(), new.url()]).await;

    let after = platform(new.url(), data).await;
    let mut load = simulate(new.url(), data, &after, &journal("after"), "2");
    assert!(tokio::time::timeout(DEADLINE, load.wait()).await.unwrap().unwrap().success());
    let sent = ["before", "after"].map(|name| std::fs::read(journal(name)).unwrap());
    std::fs::write(journal("both"), sent.concat()).unwrap();
    let path = journal("both");
    let verify = ["verify", "--wait", "30", "--journal", path.to_str().unwrap()];
    let verified = run(operator(new.url(), data, &after, &verify)).await;
    assert!(verified.status.success(), "{}", text(&verified));
    after.stop().await;
}
