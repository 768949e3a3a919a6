//! Forgetting what is old, and nothing else.

use std::collections::BTreeSet;

use ecs_bus::{Bus, Frontier, Group};
use ecs_bus_conformance::kit::{SUBJECT, event, events, publish, within};
use ecs_domain::Timestamp;
use ecs_servers::NatsOptions;
use serde_json::json;

use crate::support::{ack, api, client, delivered, ids, join, open, server, work_off};

/// An operator may have deleted single messages. Where one is missing, nothing says that its neighbours are old.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gap_in_the_stream_is_no_reason_to_forget_what_is_new() {
    let Some(server) = server("pruning over a gap", NatsOptions::default()).await else { return };
    let bus = open(&server).await;
    publish(&bus, vec![event(1)]).await;
    let log = within(bus.log(SUBJECT, &Frontier::default(), 10)).await.unwrap();
    let old = log.records[0].published_at;
    // The next millisecond: the clock of the server is ours.
    within(async {
        while Timestamp::now().as_millisecond() <= old.as_millisecond() {
            tokio::task::yield_now().await
        }
    })
    .await;
    let before = Timestamp::now();
    publish(&bus, events(2..10)).await;
    let client = client(&server).await;
    for sequence in 4..=6 {
        let deleted = api(&client, "STREAM.MSG.DELETE.emotions", json!({ "seq": sequence })).await;
        assert_eq!(deleted["success"], json!(true), "{deleted}");
    }
    assert_eq!(within(bus.prune(SUBJECT, before)).await.unwrap(), 1);
    let stays: BTreeSet<_> = ids(&[events(2..4), events(7..10)].concat());
    assert_eq!(delivered(&work_off(&bus, "worker").await), stays);
}

/// The age of what waits is told when the message right behind the last settled one is gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_age_of_what_waits_is_told_across_a_gap() {
    let Some(server) = server("a backlog behind a gap", NatsOptions::default()).await else { return };
    let bus = open(&server).await;
    publish(&bus, events(1..6)).await;
    let mut member = join(&bus, "worker", 1).await;
    let first = within(member.next()).await.unwrap();
    ack(&mut member, &first).await;
    drop(member);
    let deleted = api(&client(&server).await, "STREAM.MSG.DELETE.emotions", json!({ "seq": 2 })).await;
    assert_eq!(deleted["success"], json!(true), "{deleted}");
    let backlog = within(bus.backlog(SUBJECT, Group("worker"))).await.unwrap();
    assert!(backlog.pending >= 3 && backlog.oldest.is_some(), "{backlog:?}");
}
