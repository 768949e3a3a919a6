//! Messages that are sent one by one and confirmed: retries, marks, copies.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use ecs_bus::BusError;
use futures::future::join_all;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::ShortString;
use lapin::{BasicProperties, Channel, Confirmation};
use tokio::sync::Mutex;

use crate::link::{Link, OnLink, away};

/// A message, and where it goes.
#[derive(Debug, Clone)]
pub(crate) struct Parcel {
    pub(crate) exchange: ShortString,
    pub(crate) routing_key: ShortString,
    pub(crate) properties: BasicProperties,
    pub(crate) payload: Bytes,
}

impl Parcel {
    /// A message straight to a queue.
    pub(crate) fn to_queue(queue: &str, properties: BasicProperties, payload: Bytes) -> Self {
        Self { exchange: ShortString::default(), routing_key: queue.into(), properties, payload }
    }
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The server has it in every queue that it belongs to.
    Kept,
    /// The server refuses it, or has no queue for it.
    Refused(String),
    /// Nobody knows.
    Unheard(String),
}

impl Fate {
    pub(crate) fn result(self) -> Result<(), String> {
        match self {
            Self::Kept => Ok(()),
            Self::Refused(reason) | Self::Unheard(reason) => Err(reason),
        }
    }
}

/// A channel on which the server confirms.
pub(crate) async fn confirming(link: &Link) -> Result<OnLink, BusError> {
    let opened = link.channel().await?;
    opened.channel.confirm_select(ConfirmSelectOptions::default()).await.map_err(|error| away(&error))?;
    Ok(opened)
}

/// Sends a message; the first poll puts it on its way.
///
/// The client library counts a message and queues it in two steps, which must not mix with those of another task: the
/// confirmations would go to the wrong ones. Only one task at a time may take first polls on a channel.
pub(crate) async fn send(channel: Channel, parcel: Parcel) -> Fate {
    let Parcel { exchange, routing_key, properties, payload } = parcel;
    let options = BasicPublishOptions { mandatory: true, immediate: false };
    let sent = channel.basic_publish(exchange, routing_key, options, &payload, properties).await;
    let confirmed = match sent {
        Ok(confirm) => confirm.await,
        Err(error) => return Fate::Unheard(error.to_string()),
    };
    match confirmed {
        Ok(Confirmation::Ack(None)) => Fate::Kept,
        Ok(Confirmation::Ack(Some(returned)) | Confirmation::Nack(Some(returned))) => {
            Fate::Refused(format!("it was returned: {}", returned.reply_text))
        }
        Ok(Confirmation::Nack(None)) => Fate::Refused("the server can't keep it now".to_owned()),
        Ok(Confirmation::NotRequested) => Fate::Unheard("the server does not confirm".to_owned()),
        Err(error) => Fate::Unheard(error.to_string()),
    }
}

/// Sends for whoever asks, over one channel.
pub(crate) struct Courier {
    link: Link,
    channel: Mutex<Option<OnLink>>,
    limit: Duration,
}

type OnTheWay = Pin<Box<dyn Future<Output = Fate> + Send>>;

impl Courier {
    pub(crate) fn new(link: Link, limit: Duration) -> Self {
        Self { link, channel: Mutex::default(), limit }
    }

    /// Sends messages and waits for what becomes of each.
    pub(crate) async fn deliver(&self, parcels: Vec<Parcel>) -> Vec<Fate> {
        let count = parcels.len();
        if self.link.is_blocked() {
            return vec![Fate::Refused("the server runs out of memory or disk".to_owned()); count];
        }
        let sending = async {
            match self.dispatch(parcels).await {
                Ok(on_the_way) => join_all(on_the_way).await,
                Err(error) => vec![Fate::Unheard(error.to_string()); count],
            }
        };
        match tokio::time::timeout(self.limit, sending).await {
            Ok(fates) => fates,
            Err(_) => {
                // What is still unconfirmed would be remembered for as long as the channel lives.
                self.channel.lock().await.take();
                vec![Fate::Unheard("no confirmation came in time".to_owned()); count]
            }
        }
    }

    /// Sends one message and waits until it is kept.
    pub(crate) async fn deliver_one(&self, parcel: Parcel) -> Result<(), BusError> {
        let fate = self.deliver(vec![parcel]).await.pop();
        fate.map_or(Ok(()), Fate::result).map_err(|reason| away(&reason))
    }

    async fn dispatch(&self, parcels: Vec<Parcel>) -> Result<Vec<OnTheWay>, BusError> {
        let mut current = self.channel.lock().await;
        let usable = current.take().filter(|it| self.link.has(it.epoch) && it.channel.status().connected());
        let opened = match usable {
            Some(opened) => opened,
            None => confirming(&self.link).await?,
        };
        let channel = &current.insert(opened).channel;
        let mut on_the_way: Vec<OnTheWay> =
            parcels.into_iter().map(|parcel| Box::pin(send(channel.clone(), parcel)) as OnTheWay).collect();
        let mut ready = Vec::with_capacity(on_the_way.len());
        for sending in &mut on_the_way {
            ready.push(futures::poll!(sending.as_mut()));
        }
        Ok(on_the_way
            .into_iter()
            .zip(ready)
            .map(|(sending, ready)| match ready {
                std::task::Poll::Ready(fate) => Box::pin(std::future::ready(fate)) as OnTheWay,
                std::task::Poll::Pending => sending,
            })
            .collect())
    }
}
