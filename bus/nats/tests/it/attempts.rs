//! Failures of events are counted whatever becomes of the stream that they are counted in.

use std::time::Duration;

use ecs_bus::{BusError, Delivery, Settlement, Subscription, Verdict};
use ecs_bus_conformance::kit::{event, publish, within};
use ecs_bus_nats::NatsBus;
use ecs_servers::NatsOptions;
use serde_json::{Value, json};

use crate::support::{api, client, join, open, options, server};

async fn retry(member: &mut Box<dyn Subscription>, batch: &[Delivery], after: Duration) {
    let verdict = Verdict::Retry { after, reason: "not today".to_owned() };
    let settled = batch.iter().map(|delivery| Settlement { tag: delivery.tag, verdict: verdict.clone() });
    within(member.settle(settled.collect())).await.unwrap();
}

/// An event whose failures can't be looked up comes when they can be, rather than as if nothing had ever happened to it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_waits_until_its_failures_can_be_read() {
    let Some(server) = server("failures that can't be read", NatsOptions::default()).await else { return };
    let bus = open(&server).await;
    let client = client(&server).await;
    let mut member = join(&bus, "worker", 10).await;
    publish(&bus, vec![event(1)]).await;
    let first = within(member.next()).await.unwrap();
    let mut config = api(&client, "STREAM.INFO.ecs-attempts", Value::Null).await["config"].clone();
    config["allow_direct"] = json!(false);
    let updated = api(&client, "STREAM.UPDATE.ecs-attempts", config.clone()).await;
    assert!(updated.get("error").is_none(), "{updated}");
    retry(&mut member, &first, Duration::from_millis(50)).await;
    // While the member waits the server delivers the event again and again; it must not get through.
    let delivered = async {
        loop {
            let info = api(&client, "CONSUMER.INFO.emotions.worker", Value::Null).await;
            if info["delivered"]["consumer_seq"].as_u64().unwrap() >= 4 {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        early = member.next() => panic!("{early:?}"),
        () = within(delivered) => {}
    }
    config["allow_direct"] = json!(true);
    api(&client, "STREAM.UPDATE.ecs-attempts", config).await;
    let second = within(member.next()).await.unwrap();
    assert_eq!((second[0].event.id, second[0].attempt), (event(1).id, 2));
    assert_eq!(second[0].history[0].reason, "not today");
}

/// Whoever deletes the stream takes the counts that were in it, and no more: counting goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counting_goes_on_after_the_records_were_deleted() {
    let Some(server) = server("records that were deleted", NatsOptions::default()).await else { return };
    let bus = open(&server).await;
    let mut member = join(&bus, "worker", 10).await;
    publish(&bus, vec![event(1)]).await;
    let first = within(member.next()).await.unwrap();
    let deleted = api(&client(&server).await, "STREAM.DELETE.ecs-attempts", Value::Null).await;
    assert_eq!(deleted["success"], json!(true), "{deleted}");
    retry(&mut member, &first, Duration::ZERO).await;
    let second = within(member.next()).await.unwrap();
    assert_eq!((second[0].event.id, second[0].attempt), (event(1).id, 2));
}

/// A stream of that name that can't be read, or forgets, would let events fail for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_can_not_count_is_refused_by_the_name_of_the_setting() {
    let Some(server) = server("a stream that can't count", NatsOptions::default()).await else { return };
    let config = json!({
        "name": "ecs-attempts", "subjects": ["ecs.attempts.>"], "storage": "memory", "retention": "limits",
        "allow_direct": false, "num_replicas": 1,
    });
    api(&client(&server).await, "STREAM.CREATE.ecs-attempts", config).await;
    let Err(BusError::Corrupt(reason)) = within(NatsBus::open(options(&server))).await else {
        panic!("it was taken")
    };
    for named in ["the stream ecs-attempts can't be used", "storage is \"memory\"", "allow_direct is false"] {
        assert!(reason.contains(named), "{reason}");
    }
}
