//! What goes into a stream, and what doesn't.

use std::sync::Arc;

use ecs_bus::Bus;
use ecs_bus_conformance::kit::{event, events, ids, publish, within};
use ecs_servers::NatsOptions;
use futures::StreamExt;
use serde_json::{Value, json};

use crate::support::{ack, api, client, delivered, join, open, open_impatient, options, server, work_off};

async fn messages(client: &async_nats::Client) -> Value {
    api(client, "STREAM.INFO.emotions", Value::Null).await["state"]["messages"].clone()
}

/// The replay of a dead letter is the same event again, with the same id, minutes after it was consumed. It must come through.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_was_consumed_can_be_published_again() {
    let Some(server) = server("a replay", NatsOptions::default()).await else { return };
    let bus = open(&server).await;
    let mut member = join(&bus, "worker", 10).await;
    for _ in 0..2 {
        publish(&bus, vec![event(7)]).await;
        let batch = within(member.next()).await.unwrap();
        assert_eq!((batch[0].event.clone(), batch[0].attempt), (event(7), 1));
        ack(&mut member, &batch).await;
    }
}

/// One phone's repeat travels in the same group as strangers' events. It is taken out, and fails nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn repeats_within_a_group_are_taken_out() {
    let Some(server) = server("repeats", NatsOptions::default()).await else { return };
    let bus = open(&server).await;
    let mut batch = events(0..300);
    batch.extend(events(100..200));
    publish(&bus, batch).await;
    assert_eq!(messages(&client(&server).await).await, json!(300));
    assert_eq!(delivered(&work_off(&bus, "worker").await), ids(0..300));
}

/// Many publishers at once go together; each hears of its own event.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_publishers_share_batches() {
    let Some(server) = server("concurrent publishers", NatsOptions::default()).await else { return };
    let bus = Arc::new(open(&server).await);
    let mut publishers = tokio::task::JoinSet::new();
    for publisher in 0..64_u128 {
        let bus = Arc::clone(&bus);
        publishers.spawn(async move {
            for number in 0..20 {
                publish(&*bus, vec![event(publisher * 20 + number)]).await;
            }
        });
    }
    while let Some(publisher) = publishers.join_next().await {
        publisher.unwrap();
    }
    assert_eq!(delivered(&work_off(&bus, "worker").await), ids(0..1_280));
}

/// A batch that the server refuses was not kept in part. Its events go singly, and nobody notices.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_is_refused_goes_one_by_one() {
    let Some(server) = server("a refused batch", NatsOptions::default()).await else { return };
    let bus = open(&server).await;
    let client = client(&server).await;
    // Batches are switched off behind the bus's back.
    let mut config = api(&client, "STREAM.INFO.emotions", Value::Null).await["config"].clone();
    config["allow_atomic"] = json!(false);
    let updated = api(&client, "STREAM.UPDATE.emotions", config).await;
    assert!(updated.get("error").is_none(), "{updated}");
    publish(&bus, events(0..1_500)).await;
    assert_eq!(messages(&client).await, json!(1_500));
    assert_eq!(delivered(&work_off(&bus, "worker").await), ids(0..1_500));
}

/// A full stream refuses; nothing is forgotten for what is new, and the refusal says why.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_stream_refuses_what_is_new() {
    let Some(server) = server("a full stream", NatsOptions::default()).await else { return };
    let bus = open(&server).await;
    let client = client(&server).await;
    let mut config = api(&client, "STREAM.INFO.emotions", Value::Null).await["config"].clone();
    config["max_msgs"] = json!(50);
    api(&client, "STREAM.UPDATE.emotions", config).await;
    publish(&bus, events(0..50)).await;
    let results = within(bus.publish(events(50..52))).await;
    assert!(results.iter().all(|result| result.as_ref().is_err_and(ecs_bus::PublishError::is_retryable)));
    assert!(format!("{results:?}").contains("maximum messages exceeded"), "{results:?}");
    assert_eq!(delivered(&work_off(&bus, "worker").await), ids(0..50));
}

/// What another system publishes without our headers is delivered, too, and the log shows it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_message_is_delivered_as_it_is() {
    let Some(server) = server("a foreign message", NatsOptions::default()).await else { return };
    let bus = open(&server).await;
    let client = client(&server).await;
    within(client.request("user.emotions.topic", "hello".into())).await.unwrap();
    let deliveries = work_off(&bus, "worker").await;
    assert_eq!(deliveries[0].event.payload, "hello");
    let log = within(bus.log(ecs_bus::Subject::Emotions, &ecs_bus::Frontier::default(), 10)).await.unwrap();
    assert_eq!(log.records[0].event, deliveries[0].event);
}

/// Anybody may listen to a subject and answer. Only the stream's own acknowledgement makes an event durable.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_of_somebody_else_is_no_acknowledgement() {
    let Some(server) = server("a foreign answer", NatsOptions::default()).await else { return };
    let bus = open_impatient(&server).await;
    let client = client(&server).await;
    let mut requests = client.subscribe("user.emotions.topic").await.unwrap();
    client.flush().await.unwrap();
    let answering = tokio::spawn({
        let client = client.clone();
        async move {
            while let Some(request) = requests.next().await {
                let Some(reply) = request.reply else { continue };
                let answer = r#"{"stream": "elsewhere", "seq": 1}"#;
                for answer in ["{}", "+OK", answer] {
                    client.publish(reply.clone(), answer.into()).await.unwrap();
                }
            }
        }
    });
    publish(&bus, events(0..300)).await;
    publish(&bus, vec![event(300)]).await;
    assert_eq!(messages(&client).await, json!(301));
    assert_eq!(api(&client, "STREAM.DELETE.emotions", Value::Null).await["success"], json!(true));
    for batch in [vec![event(301)], events(302..602)] {
        let results = within(bus.publish(batch)).await;
        assert!(results.iter().all(Result::is_err), "somebody's answer was taken for an acknowledgement");
    }
    answering.abort();
}

/// The server may come back with a lower limit. What it no longer takes fails by itself and at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_that_shrinks_fails_only_what_is_too_large() {
    let Some(server) = server("a limit that shrinks", NatsOptions::default()).await else { return };
    let bus = open(&server).await;
    publish(&bus, events(0..2)).await;
    server.kill().await.unwrap();
    let settings = server.store_dir().unwrap().with_file_name("nats.conf");
    let text = std::fs::read_to_string(&settings).unwrap();
    let large = format!("max_payload: {}", NatsOptions::default().max_payload);
    assert!(text.contains(&large));
    std::fs::write(&settings, text.replace(&large, "max_payload: 16384")).unwrap();
    server.restart().await.unwrap();
    within(async { while bus.publish(vec![event(2)]).await != [Ok(())] {} }).await;
    let mut batch = events(3..503);
    batch[250].payload = vec![b' '; 20_000].into();
    let patience = options(&server).publish_timeout;
    let started = std::time::Instant::now();
    let results = within(bus.publish(batch)).await;
    let refused: Vec<usize> = (0..500).filter(|at| results[*at].is_err()).collect();
    assert_eq!(refused, [250], "{:?}", results[250]);
    assert!(started.elapsed() < patience, "after {:?}", started.elapsed());
}
