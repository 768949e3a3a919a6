//! Reading a stream: where it begins, page by page, and where it ends.
//!
//! The server doesn't tell where a stream ends. Who has read for a while without a word puts a mark into it: what stands before the
//! mark is all there was.

use std::time::Duration;

use bytes::Bytes;
use ecs_bus::{BusError, Frontier, LogPage, LogRecord, Position, Subject};
use ecs_domain::Timestamp;
use futures::StreamExt;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Consumer};
use uuid::Uuid;

use crate::bus::Core;
use crate::courier::Parcel;
use crate::link::{Link, away};
use crate::message;

/// How long nothing comes before the end is looked for.
const LULL: Duration = Duration::from_millis(15);
/// How long the server may be silent while something must come.
const SILENCE: Duration = Duration::from_secs(5);
/// How long to wait for the first record of a stream that may have none.
const FIRST: Duration = Duration::from_millis(300);
/// How many messages may be on their way.
const PREFETCH: u16 = 2_000;

/// Where a walk begins.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Start {
    /// At this place, or at the first one that is still kept.
    At(u64),
    /// Some way before this time.
    Before(Timestamp),
    /// Not far from the end.
    NearEnd,
}

impl Start {
    fn argument(self) -> AMQPValue {
        match self {
            Self::At(offset) => AMQPValue::LongLongInt(i64::try_from(offset).unwrap_or(i64::MAX)),
            Self::Before(time) => AMQPValue::Timestamp(u64::try_from(time.as_second()).unwrap_or_default()),
            Self::NearEnd => AMQPValue::LongString("last".into()),
        }
    }
}

/// What stands in a stream.
pub(crate) struct Entry {
    pub(crate) offset: u64,
    pub(crate) properties: BasicProperties,
    pub(crate) payload: Vec<u8>,
}

impl Entry {
    /// The event, unless it is a mark.
    pub(crate) fn record(self, subject: Subject) -> Option<LogRecord> {
        if message::mark_of(&self.properties).is_some() {
            return None;
        }
        let carried = message::carried(subject, &self.properties, self.payload);
        let position = Position::single(self.offset);
        Some(LogRecord { position, published_at: carried.published_at, event: carried.event })
    }
}

/// A reader of a stream.
pub(crate) struct Reader {
    channel: Channel,
    consumer: Consumer,
    unacknowledged: u16,
}

impl Reader {
    pub(crate) async fn open(link: &Link, stream: &str, start: Start) -> Result<Self, BusError> {
        let opening = async {
            let channel = link.channel().await?.channel;
            let open = async {
                channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
                let mut arguments = FieldTable::default();
                arguments.insert(ShortString::from("x-stream-offset"), start.argument());
                let options = BasicConsumeOptions::default();
                channel.basic_consume(stream.into(), ShortString::default(), options, arguments).await
            };
            let consumer = open.await.map_err(|error| away(&error))?;
            Ok(Self { channel, consumer, unacknowledged: 0 })
        };
        let opened = tokio::time::timeout(SILENCE, opening).await;
        opened.unwrap_or_else(|_| Err(away(&"it does not send the log")))
    }

    /// The next entry; `None` when nothing comes for so long.
    pub(crate) async fn next(&mut self, patience: Duration) -> Result<Option<Entry>, BusError> {
        let delivery = match tokio::time::timeout(patience, self.consumer.next()).await {
            Ok(Some(delivery)) => delivery.map_err(|error| away(&error))?,
            Ok(None) => return Err(away(&"the log can't be read")),
            Err(_) => return Ok(None),
        };
        self.unacknowledged += 1;
        if self.unacknowledged >= PREFETCH / 2 {
            self.unacknowledged = 0;
            let all = BasicAckOptions { multiple: true };
            let told = self.channel.basic_ack(delivery.delivery_tag, all).await;
            told.map_err(|error| away(&error))?;
        }
        let offset = message::offset(&delivery.properties)
            .ok_or_else(|| BusError::Corrupt("what should be a log is none".to_owned()))?;
        Ok(Some(Entry { offset, properties: delivery.properties, payload: delivery.data }))
    }
}

/// A walk along a subject's log to its end.
pub(crate) struct Walk<'a> {
    core: &'a Core,
    stream: String,
    reader: Reader,
    /// The name of our mark, once there is one.
    mark: Option<String>,
}

impl<'a> Walk<'a> {
    pub(crate) async fn begin(core: &'a Core, subject: Subject, start: Start) -> Result<Self, BusError> {
        let stream = core.names.log(subject);
        let reader = Reader::open(&core.listen, &stream, start).await?;
        Ok(Self { core, stream, reader, mark: None })
    }

    /// The next entry; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Entry>, BusError> {
        let patience = if self.mark.is_some() { SILENCE } else { LULL };
        let entry = match self.reader.next(patience).await? {
            Some(entry) => entry,
            None if self.mark.is_some() => return Err(away(&"it does not send the log")),
            None => {
                let mark = Uuid::new_v4().to_string();
                let properties = message::mark(&mark, Timestamp::now());
                let parcel = Parcel::to_queue(&self.stream, properties, Bytes::new());
                self.core.courier.deliver_one(parcel).await?;
                self.mark = Some(mark);
                return Box::pin(self.next()).await;
            }
        };
        let is_ours = self.mark.is_some() && message::mark_of(&entry.properties) == self.mark;
        Ok(Some(entry).filter(|_| !is_ours))
    }
}

/// A page of a log. What was forgotten shortens no page.
pub(crate) async fn page(
    core: &Core,
    subject: Subject,
    after: &Frontier,
    limit: usize,
) -> Result<LogPage, BusError> {
    let floor = core.control.floor(subject);
    let first = after.next(0).max(floor.offset);
    let mut walk = Walk::begin(core, subject, Start::At(first)).await?;
    let mut records = Vec::new();
    let mut pruned_at = floor.before;
    let mut is_first = true;
    while records.len() < limit {
        let Some(entry) = walk.next().await? else { break };
        if std::mem::take(&mut is_first) && entry.offset > first {
            // The server has forgotten by itself.
            pruned_at = pruned_at.max(Some(message::published_at(&entry.properties)));
        }
        let kept = |record: &LogRecord| floor.before.is_none_or(|before| record.published_at >= before);
        records.extend(entry.record(subject).filter(kept));
    }
    Ok(LogPage { records, pruned_at })
}

/// A place near the end of a log, at or before it: nothing tells where exactly the end is, and nothing is written to learn it.
pub(crate) async fn near_end(core: &Core, subject: Subject) -> Result<Option<u64>, BusError> {
    let mut reader = Reader::open(&core.listen, &core.names.log(subject), Start::NearEnd).await?;
    let mut end = None;
    while let Some(entry) = reader.next(if end.is_none() { FIRST } else { LULL }).await? {
        end = Some(entry.offset);
    }
    Ok(end)
}
