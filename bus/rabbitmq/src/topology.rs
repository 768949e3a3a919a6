//! What has to be there on the server: made where it is missing, checked where it is there.

use std::future::Future;
use std::time::Duration;

use ecs_bus::{BusError, Subject};
use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{Channel, ErrorKind, ExchangeKind};

use crate::Options;
use crate::link::{Link, away};
use crate::names::{self, Names};

/// How long the server may take to make something.
const MADE_WITHIN: Duration = Duration::from_secs(15);
/// When the server has noted a new name, with room for a busy one.
const NOTED_WITHIN: Duration = Duration::from_secs(1);
/// How long to wait for what doesn't run yet.
const NOT_YET: Duration = Duration::from_millis(100);
/// The size of a log's files. The server forgets whole files, so this is how much may outlive its age.
const LOG_FILE_BYTES: i64 = 32 << 20;
/// The same for what all processes know, and how much of it is kept. Each record tells everything that its writer knew.
const CONTROL_BYTES: (i64, i64) = (1 << 20, 8 << 20);
/// "Never": some servers drop what came back too often unless they are told otherwise, and not every version knows a word for it.
const DELIVERY_LIMIT: i32 = i32::MAX;

/// The server's codes that mean something here.
pub(crate) mod code {
    /// There is no such queue.
    pub(crate) const NOT_FOUND: u16 = 404;
    /// There is one, with other settings.
    pub(crate) const PRECONDITION_FAILED: u16 = 406;
}

/// How many messages and consumers a queue has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Messages that nobody holds.
    pub(crate) ready: u64,
    pub(crate) consumers: u64,
}

/// Waits until the server has written down the names of what was just made. It does so half a second later, and a server that dies before
/// comes back with the queue and without what was confirmed in it; nothing must count as durable there until then.
pub(crate) async fn noted() {
    tokio::time::sleep(NOTED_WITHIN).await;
}

/// Makes what all groups share: the exchanges, and the streams.
pub(crate) async fn open(link: &Link, names: &Names, options: &Options) -> Result<(), BusError> {
    within(async {
        let channel = link.channel().await?.channel;
        for (exchange, kind) in
            [(names.events(), ExchangeKind::Topic), (names.questions(), ExchangeKind::Fanout)]
        {
            let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
            let declared =
                channel.exchange_declare(exchange.as_str().into(), kind, durable, FieldTable::default());
            declared.await.map_err(|error| refused(&exchange, &error))?;
        }
        Ok(())
    })
    .await?;
    let (file, all) = CONTROL_BYTES;
    let control = [
        ("x-queue-type", text("stream")),
        ("x-stream-max-segment-size-bytes", AMQPValue::LongLongInt(file)),
        ("x-max-length-bytes", AMQPValue::LongLongInt(all)),
    ];
    declare(link, &names.control(), &control).await?;
    for subject in Subject::ALL {
        let log = names.log(subject);
        let age = format!("{}s", options.keep(subject).as_secs());
        let arguments = [
            ("x-queue-type", text("stream")),
            ("x-max-age", text(&age)),
            ("x-stream-max-segment-size-bytes", AMQPValue::LongLongInt(LOG_FILE_BYTES)),
        ];
        declare(link, &log, &arguments).await?;
        bind(link, names, subject, &log).await?;
    }
    Ok(())
}

/// Makes a group's queue, and has it get what is published from now on.
pub(crate) async fn open_group(
    link: &Link,
    names: &Names,
    subject: Subject,
    queue: &str,
) -> Result<(), BusError> {
    declare(link, queue, &quorum()).await?;
    bind(link, names, subject, queue).await
}

/// Makes the queue in which each member of a group has a consumer.
pub(crate) async fn open_members(link: &Link, queue: &str) -> Result<(), BusError> {
    declare(link, &names::members(queue), &quorum()).await
}

/// Makes the queue in which a group's events wait for so long.
pub(crate) async fn open_retry(link: &Link, queue: &str, delay: Duration) -> Result<(), BusError> {
    let millis = i64::try_from(delay.as_millis()).unwrap_or(i64::MAX);
    let mut arguments = quorum();
    arguments.extend([
        ("x-message-ttl", AMQPValue::LongLongInt(millis)),
        ("x-dead-letter-exchange", text("")),
        ("x-dead-letter-routing-key", text(queue)),
        // A message leaves only when the group's queue has confirmed it.
        ("x-dead-letter-strategy", text("at-least-once")),
    ]);
    declare(link, &names::retry(queue, delay), &arguments).await
}

/// The counts of a queue; `None` where there is no such queue.
pub(crate) async fn counts(link: &Link, queue: &str) -> Result<Option<Counts>, BusError> {
    let channel = link.channel().await?.channel;
    match within(async { Ok(asked(&channel, queue).await) }).await? {
        Ok(counts) => Ok(Some(counts)),
        Err(error) if is(&error, code::NOT_FOUND) => Ok(None),
        Err(error) => Err(away(&error)),
    }
}

/// Asks for the counts of a queue. The channel ends when there is none.
pub(crate) async fn asked(channel: &Channel, queue: &str) -> lapin::Result<Counts> {
    let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    let found = channel.queue_declare(queue.into(), passive, FieldTable::default()).await?;
    Ok(Counts { ready: found.message_count().into(), consumers: found.consumer_count().into() })
}

fn quorum() -> Vec<(&'static str, AMQPValue)> {
    vec![
        ("x-queue-type", text("quorum")),
        // Where somebody sets a limit, the publisher hears of it, instead of the oldest events being dropped.
        ("x-overflow", text("reject-publish")),
        ("x-delivery-limit", AMQPValue::LongInt(DELIVERY_LIMIT)),
    ]
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.as_bytes().to_vec().into())
}

async fn declare(link: &Link, queue: &str, arguments: &[(&'static str, AMQPValue)]) -> Result<(), BusError> {
    within(async {
        let mut table = FieldTable::default();
        for (name, value) in arguments {
            table.insert(ShortString::from(*name), value.clone());
        }
        loop {
            // A refusal ends the channel.
            let channel = link.channel().await?.channel;
            let durable = QueueDeclareOptions::durable();
            match channel.queue_declare(queue.into(), durable, table.clone()).await {
                Ok(_) => return Ok(()),
                // It is there but doesn't run yet: the server has just started.
                Err(error) if is(&error, code::NOT_FOUND) => tokio::time::sleep(NOT_YET).await,
                Err(error) if is_age(&error) => {
                    tracing::warn!(
                        queue,
                        "the log keeps events for another time than it is set to; a policy can shorten it"
                    );
                    return Ok(());
                }
                Err(error) => return Err(refused(queue, &error)),
            }
        }
    })
    .await
}

/// Whether only the time differs for which events are kept.
fn is_age(error: &lapin::Error) -> bool {
    is(error, code::PRECONDITION_FAILED) && error.to_string().contains("x-max-age")
}

async fn bind(link: &Link, names: &Names, subject: Subject, queue: &str) -> Result<(), BusError> {
    within(async {
        let channel = link.channel().await?.channel;
        let (exchange, options) = (names.events(), QueueBindOptions::default());
        let bound = channel.queue_bind(
            queue.into(),
            exchange.as_str().into(),
            subject.as_str().into(),
            options,
            FieldTable::default(),
        );
        bound.await.map_err(|error| refused(queue, &error))
    })
    .await
}

/// Whether the server answered with this code.
pub(crate) fn is(error: &lapin::Error, code: u16) -> bool {
    matches!(error.kind(), ErrorKind::ProtocolError(error) if error.get_id() == code)
}

/// What is there with other settings won't become right by itself; the server names the first setting that differs.
fn refused(what: &str, error: &lapin::Error) -> BusError {
    if is(error, code::PRECONDITION_FAILED) {
        return BusError::Corrupt(format!("{what} can't be used: {error}"));
    }
    away(error)
}

async fn within<T>(work: impl Future<Output = Result<T, BusError>>) -> Result<T, BusError> {
    tokio::time::timeout(MADE_WITHIN, work).await.unwrap_or_else(|_| Err(away(&"it does not answer")))
}
