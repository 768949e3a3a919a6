//! What others made, and what others took away.

use ecs_bus::{Bus, BusError, PublishError};
use ecs_bus_conformance::kit::{SUBJECT, event, events, ids, ids_of, publish, take, whole_log, within};
use ecs_bus_rabbitmq::{Options, RabbitBus};
use lapin::BasicProperties;
use lapin::options::{BasicPublishOptions, QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::{AMQPValue, FieldTable, ShortString};

use crate::support::{join, open, plain, shared};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_keeps_no_promise_is_refused_by_the_name_of_the_setting() {
    let Some(options) = shared("a classic queue").await else { return };
    let (_connection, channel) = plain(&options).await;
    let name = format!("{}user.emotions.topic.emotion-processing", options.prefix);
    channel
        .queue_declare(name.as_str().into(), QueueDeclareOptions::durable(), FieldTable::default())
        .await
        .unwrap();
    let Err(BusError::Corrupt(reason)) = within(RabbitBus::open(options)).await else {
        panic!("it was taken")
    };
    assert!(reason.contains(&name) && reason.contains("inequivalent arg 'x-"), "{reason}");
}

/// Two operators set two retentions: the log keeps the one that it was made with.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_retention_is_no_reason_to_stop() {
    let Some(options) = shared("another retention").await else { return };
    publish(&open(&options).await, events(0..3)).await;
    let longer = Options { keep_emotions: options.keep_emotions * 2, ..options };
    assert_eq!(whole_log(&open(&longer).await).await.len(), 3);
}

/// The server has no queue for an event: it is refused, and what is missing is made again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_without_a_queue_is_not_accepted() {
    let Some(options) = shared("an event without a queue").await else { return };
    let bus = open(&options).await;
    publish(&bus, vec![event(0)]).await;
    let (_connection, channel) = plain(&options).await;
    for queue in ["user.emotions.topic.log", "user.emotions.topic.emotion-processing"] {
        let name = format!("{}{queue}", options.prefix);
        channel.queue_delete(name.as_str().into(), QueueDeleteOptions::default()).await.unwrap();
    }
    let refused = within(bus.publish(vec![event(1)])).await;
    assert!(
        matches!(refused.as_slice(), [Err(PublishError::Unavailable(reason))] if reason.contains("returned")),
        "{refused:?}"
    );
    within(async { while bus.publish(vec![event(2)]).await != [Ok(())] {} }).await;
    assert_eq!(whole_log(&bus).await.len(), 1);
}

/// A message that somebody else published is an event, the same one from the queue as from the log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_message_is_an_event() {
    let Some(options) = shared("a foreign message").await else { return };
    let bus = open(&options).await;
    let (_connection, channel) = plain(&options).await;
    let mut headers = FieldTable::default();
    headers.insert(ShortString::from("nested"), AMQPValue::FieldTable(FieldTable::default()));
    channel
        .basic_publish(
            format!("{}events", options.prefix).as_str().into(),
            SUBJECT.as_str().into(),
            BasicPublishOptions::default(),
            b"not json",
            BasicProperties::default().with_headers(headers),
        )
        .await
        .unwrap();
    let mut member = join(&bus, SUBJECT.group().0, 10).await;
    let delivered = take(&mut member, 1).await;
    let logged = within(async {
        loop {
            if let Some(record) = whole_log(&bus).await.pop() {
                return record;
            }
        }
    })
    .await;
    assert_eq!(delivered[0].event, logged.event);
    assert_eq!(&*logged.event.payload, b"not json");
}

/// A group whose beginning was cut off by a crash gets everything, some of it twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_that_was_never_completed_is_filled_again() {
    let Some(options) = shared("half a group").await else { return };
    let bus = open(&options).await;
    publish(&bus, events(0..10)).await;
    // As after a crash between the making of the queue and the copy.
    let (_connection, channel) = plain(&options).await;
    let mut arguments = FieldTable::default();
    for (name, value) in [("x-queue-type", "quorum"), ("x-overflow", "reject-publish")] {
        arguments.insert(name.into(), AMQPValue::LongString(value.into()));
    }
    arguments.insert("x-delivery-limit".into(), AMQPValue::LongInt(i32::MAX));
    let name = format!("{}user.emotions.topic.worker", options.prefix);
    channel.queue_declare(name.as_str().into(), QueueDeclareOptions::durable(), arguments).await.unwrap();
    let mut member = join(&bus, "worker", 10).await;
    assert_eq!(ids_of(&take(&mut member, 10).await), ids(0..10));
}

#[tokio::test]
async fn an_address_without_a_server_is_told_without_its_password() {
    let port = ecs_servers::free_port().unwrap();
    let refused =
        RabbitBus::open(Options::new(format!("amqp://ecs:sesame@127.0.0.1:{port}/%2f"))).await.err();
    let reason = refused.unwrap().to_string();
    assert!(reason.starts_with("the bus is unavailable: no connection to RabbitMQ"), "{reason}");
    assert!(!reason.contains("sesame"));
}
