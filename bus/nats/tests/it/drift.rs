//! Streams and consumers that somebody else made.

use ecs_bus::{Bus, BusError};
use ecs_bus_conformance::kit::{GROUP, SUBJECT, event, events, publish, within};
use ecs_bus_nats::{NatsBus, Options};
use ecs_servers::NatsOptions;
use serde_json::{Value, json};

use crate::support::{api, batches_of, client, open, options, server, work_off};

fn stream() -> Value {
    json!({
        "name": "emotions", "subjects": ["user.emotions.topic"], "storage": "file", "retention": "limits",
        "discard": "new", "allow_direct": true, "allow_atomic": true, "num_replicas": 1,
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_in_memory_is_refused_by_the_name_of_the_setting() {
    let Some(server) = server("a stream in memory", NatsOptions::default()).await else { return };
    let client = client(&server).await;
    let mut config = stream();
    config["storage"] = json!("memory");
    config["max_age"] = json!(60_000_000_000_u64);
    assert!(api(&client, "STREAM.CREATE.emotions", config).await.get("error").is_none());
    let Err(BusError::Corrupt(reason)) = within(NatsBus::open(options(&server))).await else {
        panic!("it was taken")
    };
    assert!(reason.contains("the stream emotions can't be used"), "{reason}");
    assert!(reason.contains("storage is \"memory\" and must be file"), "{reason}");
    assert!(reason.contains("max_age is 60000000000 and must be 0"), "{reason}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_that_gives_up_is_refused() {
    let Some(server) = server("a consumer that gives up", NatsOptions::default()).await else { return };
    let bus = open(&server).await;
    let config = json!({ "stream_name": "emotions", "action": "create", "config": {
        "name": GROUP.0, "durable_name": GROUP.0, "ack_policy": "explicit", "deliver_policy": "all",
        "max_deliver": 5, "max_ack_pending": 1_000, "filter_subject": "user.emotions.topic",
    }});
    let made =
        api(&client(&server).await, "CONSUMER.CREATE.emotions.conformance.user.emotions.topic", config).await;
    assert!(made.get("error").is_none(), "{made}");
    let refusal =
        within(bus.subscribe(SUBJECT, GROUP, batches_of(5_000))).await.err().map(|error| error.to_string());
    let reason = refusal.unwrap();
    assert!(reason.contains("max_deliver is 5 and must be -1"), "{reason}");
    assert!(reason.contains("max_ack_pending is 1000"), "{reason}");
}

/// As a server before 2.12 has it: the bus works, event by event.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_atomic_batches_events_go_one_by_one() {
    let Some(server) = server("without atomic batches", NatsOptions::default()).await else { return };
    let mut config = stream();
    config["allow_atomic"] = json!(false);
    api(&client(&server).await, "STREAM.CREATE.emotions", config).await;
    let bus = open(&server).await;
    publish(&bus, events(0..2_500)).await;
    let delivered = work_off(&bus, "worker").await;
    assert_eq!(delivered.len(), 2_500);
    assert!(delivered.iter().zip(events(0..2_500)).all(|(delivery, event)| delivery.event == event));
}

/// A server whose messages are smaller than what the bus is set to: the limit is told, and it is the real one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_servers_limit_holds() {
    let small = NatsOptions { max_payload: 16 << 10, ..NatsOptions::default() };
    let Some(server) = server("the server's limit", small).await else { return };
    let bus = open(&server).await;
    let of_size = |bytes: usize| ecs_bus::Event { payload: vec![b' '; bytes].into(), ..event(1) };
    let limit = (16 << 10) - (2 << 10);
    let results = within(bus.publish(vec![of_size(limit), of_size(limit + 1)])).await;
    assert_eq!(results[0], Ok(()));
    assert_eq!(results[1], Err(ecs_bus::PublishError::TooLarge { bytes: limit + 1, limit }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_does_not_flush_is_refused_where_its_monitor_says_so() {
    for sync_always in [true, false] {
        let settings = NatsOptions { sync_always, ..NatsOptions::default() };
        let Some(server) = server("a server that does not flush", settings).await else { return };
        let monitor = Some(server.monitor_address().unwrap().to_string());
        let opened = within(NatsBus::open(Options { monitor, ..options(&server) })).await;
        match opened {
            Ok(_) => assert!(sync_always, "it was taken"),
            Err(error) => {
                assert!(!sync_always && error.to_string().contains("sync_interval: always"), "{error}")
            }
        }
    }
}

#[tokio::test]
async fn an_address_without_a_server_is_told_without_its_password() {
    let port = ecs_servers::free_port().unwrap();
    let refused = NatsBus::open(Options::new(format!("nats://ecs:sesame@127.0.0.1:{port}"))).await.err();
    let reason = refused.unwrap().to_string();
    assert!(reason.starts_with("the bus is unavailable: no connection to NATS"), "{reason}");
    assert!(!reason.contains("sesame"));
}
