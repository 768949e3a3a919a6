//! The server of a bus, whichever it is, for those who treat all of them alike.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use anyhow::{Context, Result, bail};

use crate::binaries::Engine;
use crate::kafka::{self, Kafka};
use crate::nats::{self, Nats};
use crate::proxy::Proxy;
use crate::rabbitmq::{self, RabbitMq};

/// What a bus goes over between processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// One NATS server with JetStream.
    Nats,
    /// One RabbitMQ server.
    RabbitMq,
    /// One Kafka broker.
    Kafka,
}

impl Transport {
    /// What must be installed for it.
    pub fn engine(self) -> Engine {
        match self {
            Self::Nats => Engine::Nats,
            Self::RabbitMq => Engine::RabbitMq,
            Self::Kafka => Engine::Kafka,
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.engine().fmt(formatter)
    }
}

impl FromStr for Transport {
    type Err = anyhow::Error;

    /// As command lines have it, in small letters.
    fn from_str(name: &str) -> Result<Self> {
        match name {
            "nats" => Ok(Self::Nats),
            "rabbitmq" => Ok(Self::RabbitMq),
            "kafka" => Ok(Self::Kafka),
            other => bail!("there is no bus {other:?}; there are nats, rabbitmq and kafka"),
        }
    }
}

/// One private server of a transport. It ends when this is dropped.
#[derive(Debug)]
pub enum Broker {
    /// NATS with JetStream.
    Nats(Nats),
    /// RabbitMQ.
    RabbitMq(RabbitMq),
    /// Kafka, a single broker.
    Kafka(Kafka),
}

impl Broker {
    /// A server of one's own, without events, on a free port.
    ///
    /// # Errors
    /// The transport is not installed or doesn't start; the end of its log says why.
    pub async fn start(transport: Transport) -> Result<Self> {
        Self::behind(transport, &[]).await
    }

    /// The same, to which each of these proxies leads from then on. They come first, for Kafka must know by which addresses its
    /// clients reach it.
    ///
    /// # Errors
    /// As [`Broker::start`].
    pub async fn behind(transport: Transport, proxies: &[Proxy]) -> Result<Self> {
        let broker = match transport {
            Transport::Nats => Self::Nats(Nats::start(nats::Options::default()).await?),
            Transport::RabbitMq => Self::RabbitMq(RabbitMq::start(rabbitmq::Options::default()).await?),
            Transport::Kafka => {
                let advertised = proxies.iter().map(Proxy::address).collect();
                let options = kafka::Options { advertised, ..kafka::Options::default() };
                Self::Kafka(Kafka::start(options).await?)
            }
        };
        for proxy in proxies {
            proxy.retarget(broker.target(proxy.address())?).await?;
        }
        Ok(broker)
    }

    /// Where a proxy at `address` must lead to.
    fn target(&self, address: SocketAddr) -> Result<SocketAddr> {
        match self {
            Self::Nats(server) => server.address(),
            Self::RabbitMq(server) => server.address(),
            Self::Kafka(server) => server.target_of(address).context("this broker knows no such proxy"),
        }
    }

    /// The server's address as `BUS_URL` has it, with user and password.
    pub fn url(&self) -> &str {
        match self {
            Self::Nats(server) => server.url(),
            Self::RabbitMq(server) => server.url(),
            Self::Kafka(server) => server.url(),
        }
    }

    /// The same as seen through one of the proxies that it was started behind.
    ///
    /// # Errors
    /// The server isn't ours.
    pub fn url_at(&self, proxy: SocketAddr) -> Result<String> {
        match self {
            Self::Nats(server) => server.url_at(proxy),
            Self::RabbitMq(server) => server.url_at(proxy),
            Self::Kafka(server) => Ok(server.url_at(&[proxy])),
        }
    }

    /// Kills the server with SIGKILL and waits until it is gone.
    ///
    /// # Errors
    /// It can't be killed.
    pub async fn kill(&self) -> Result<()> {
        match self {
            Self::Nats(server) => server.kill().await,
            Self::RabbitMq(server) => server.kill().await,
            Self::Kafka(server) => server.kill(0).await,
        }
    }

    /// Stops the server where it is. It takes connections, and answers nothing.
    ///
    /// # Errors
    /// It can't be paused.
    pub async fn pause(&self) -> Result<()> {
        match self {
            Self::Nats(server) => server.pause().await,
            Self::RabbitMq(server) => server.pause().await,
            Self::Kafka(server) => server.pause(0).await,
        }
    }

    /// Lets a paused server go on.
    ///
    /// # Errors
    /// It was never started.
    pub fn resume(&self) -> Result<()> {
        match self {
            Self::Nats(server) => server.resume(),
            Self::RabbitMq(server) => server.resume(),
            Self::Kafka(server) => server.resume(0),
        }
    }

    /// Starts a killed server again over what it kept and at the same addresses, and waits until it answers.
    ///
    /// # Errors
    /// It still runs, or doesn't start; the end of its log says why.
    pub async fn restart(&self) -> Result<()> {
        match self {
            Self::Nats(server) => server.restart().await,
            Self::RabbitMq(server) => server.restart().await,
            Self::Kafka(server) => server.restart(0).await,
        }
    }
}
