//! Three servers, each with a copy of every stream, and one of them dies. By itself, because three servers that flush leave little
//! of a small machine to other tests.
#![expect(clippy::unwrap_used, reason = "a surprise ends the test that meets it")]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use async_nats::{Client, ConnectOptions};
use ecs_bus::{Bus, Group};
use ecs_bus_conformance::kit::{SUBJECT, batches_of, events, within};
use ecs_bus_nats::{NatsBus, Options};
use ecs_servers::{Engine, Nats, NatsOptions, did_not_run, unavailable_privately};
use serde_json::{Value, json};

/// How many events are published at once.
const BATCH: u128 = 50;
/// How many batches are acknowledged in full before the leader dies, and again after it.
const ROUNDS: usize = 10;
const SOON: Duration = Duration::from_secs(60);

/// Three servers that know each other.
async fn cluster() -> Vec<Nats> {
    let ports: Vec<u16> = (0..3).map(|_| ecs_servers::free_port().unwrap()).collect();
    let routes: Vec<String> = ports.iter().map(|port| format!("nats://127.0.0.1:{port}")).collect();
    let routes = routes.join(", ");
    let start = |number: usize| {
        let listen = format!("listen: \"127.0.0.1:{}\"", ports[number]);
        let cluster = format!("cluster {{ name: \"c\", {listen}, routes: [{routes}] }}");
        let settings = format!("server_name: \"n{number}\"\n{cluster}");
        Nats::start(NatsOptions { settings, ..NatsOptions::default() })
    };
    let (one, two, three) = tokio::join!(start(0), start(1), start(2));
    vec![one.unwrap(), two.unwrap(), three.unwrap()]
}

async fn client(server: &Nats) -> Client {
    let (_, rest) = server.url().split_once("nats://ecs:").unwrap();
    let (password, address) = rest.split_once('@').unwrap();
    let options = ConnectOptions::with_user_and_password("ecs".to_owned(), password.to_owned());
    options.connect(address.to_owned()).await.unwrap()
}

/// Asks JetStream for something. While nobody leads nobody answers.
async fn ask(client: &Client, what: &str, body: Value) -> Option<Value> {
    let asked = client.request(format!("$JS.API.{what}"), body.to_string().into());
    let answer = tokio::time::timeout(Duration::from_millis(500), asked).await.ok()?.ok()?;
    serde_json::from_slice(&answer.payload).ok()
}

/// Makes a server the one that leads the stream.
async fn lead(client: &Client, server: &str) {
    at_last(async || {
        let info = ask(client, "STREAM.INFO.emotions", json!({})).await.unwrap_or_default();
        if info["cluster"]["leader"] == server {
            return Ok(());
        }
        let wish = json!({ "placement": { "preferred": server } });
        ask(client, "STREAM.LEADER.STEPDOWN.emotions", wish).await;
        Err(())
    })
    .await;
}

/// Tries until it works: what manages the servers chooses a leader, too, and refuses until then.
async fn at_last<T, E>(attempt: impl AsyncFn() -> Result<T, E>) -> T {
    let deadline = Instant::now() + SOON;
    loop {
        match attempt().await {
            Ok(done) => return done,
            Err(_) => assert!(Instant::now() < deadline, "it never works"),
        }
    }
}

/// The server that leads the stream dies while events are published. Another one leads, and nothing that was acknowledged is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_two_of_three_servers_have_survives_the_leader() {
    if let Some(reason) = unavailable_privately(Engine::Nats) {
        return did_not_run("three servers", &reason);
    }
    let servers = cluster().await;
    // Our connection is to the first server; the second one leads the stream and dies.
    let bus = at_last(async || {
        NatsBus::open(Options {
            replicas: 3,
            breaker: ecs_breaker::Options { open_for: Duration::from_millis(300), ..Default::default() },
            ..Options::new(servers[0].url())
        })
        .await
    })
    .await;
    lead(&client(&servers[0]).await, "n1").await;
    let mut durable = BTreeSet::new();
    let mut first = 0;
    for leader_dies in [false, true] {
        if leader_dies {
            servers[1].kill().await.unwrap();
        }
        let mut rounds = 0;
        while rounds < ROUNDS {
            let batch = events(first..first + BATCH);
            first += BATCH;
            let results = within(bus.publish(batch.clone())).await;
            rounds += usize::from(results.iter().all(Result::is_ok));
            let acknowledged = batch.into_iter().zip(results).filter(|(_, result)| result.is_ok());
            durable.extend(acknowledged.map(|(event, _)| event.id));
            tokio::task::yield_now().await;
        }
    }
    let mut member = at_last(async || bus.subscribe(SUBJECT, Group("worker"), batches_of(500)).await).await;
    while !durable.is_empty() {
        for delivery in within(member.next()).await.unwrap() {
            durable.remove(&delivery.event.id);
        }
    }
}
