//! Which engines the settings name: the store, the bus and the cache.

use axum::http::uri::Authority;

use super::address::{Address, addresses};
use super::reader::Reader;
use super::services::{base, is_base};
use super::{Problems, Raw, Source, Value};
use crate::platform::built;

/// Where the store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreAt {
    /// A file in the data folder, which belongs to one process.
    DataFolder,
    /// PostgreSQL, which any number of processes share.
    Postgres {
        /// The primary; with several hosts, whichever takes writes.
        primary: Address,
        /// Read replicas.
        replicas: Vec<Address>,
        /// How many connections this process holds at most.
        connections: usize,
    },
}

/// Where the bus is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BusAt {
    /// A file in the data folder, which belongs to one process.
    DataFolder,
    /// NATS JetStream, which any number of processes share.
    Nats {
        /// The server, or several of one cluster.
        servers: Address,
        /// On how many servers of the cluster an event is kept.
        replicas: usize,
        /// Where the server's monitor listens, `host:port`, if anybody named it.
        monitor: Option<String>,
    },
    /// Apache Kafka, which any number of processes share.
    Kafka {
        /// The broker, or several of one cluster.
        servers: Address,
        /// On how many brokers of the cluster an event is kept.
        replicas: usize,
        /// How many partitions a new topic gets; `None` is what suits the copies.
        partitions: Option<usize>,
        /// What the names of topics and groups begin with.
        prefix: String,
    },
    /// RabbitMQ, which any number of processes share.
    RabbitMq {
        /// The server with its virtual host, or several of one cluster.
        servers: Address,
    },
}

/// Where the cache is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CacheIn {
    /// Nowhere: everything is loaded each time.
    Nothing,
    /// In this process, which must be the only one that writes what is cached.
    Memory {
        /// The most that it takes.
        bytes: u64,
    },
    /// In Redis, with a level in this process before it.
    Redis {
        /// The server.
        server: Address,
        /// The most that the level in this process takes.
        level_bytes: u64,
    },
}

impl StoreAt {
    /// Whether several processes may use it at the same time.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        matches!(self, Self::Postgres { .. })
    }
}

impl BusAt {
    /// Whether several processes may use it at the same time.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        match self {
            Self::DataFolder => false,
            Self::Nats { .. } | Self::Kafka { .. } | Self::RabbitMq { .. } => true,
        }
    }
}

/// The bus that an address names, for a command that is given one besides that of the settings. Problems are told under `label`.
pub fn bus_at(raw: &Raw, label: &str, address: &Address) -> Result<BusAt, Problems> {
    let mut raw = raw.clone();
    // Of which server it is the monitor nobody knows here.
    raw.remove("NATS_MONITOR_URL");
    raw.insert("BUS_URL", Value { text: address.expose().to_owned(), source: Source::Flag });
    let mut read = Reader::new(&raw);
    let bus = read.bus();
    let mut problems = read.problems;
    if problems.is_empty() {
        return Ok(bus);
    }
    for problem in problems.iter_mut().filter(|problem| problem.name == "BUS_URL") {
        label.clone_into(&mut problem.name);
    }
    Err(Problems(problems))
}

impl Reader<'_> {
    pub(super) fn store(&mut self) -> StoreAt {
        let connections = self.number("ECS_DATABASE_CONNECTIONS", 1, 1_000);
        let replicas = self.replicas();
        let Some(primary) = self.text("DATABASE_URL").map(Address::new) else {
            if !replicas.is_empty() {
                self.problem(
                    "DATABASE_READ_URLS",
                    "names replicas of a store that DATABASE_URL doesn't name",
                );
            }
            self.refuse_unless_built("DATABASE_URL", built::SQLITE);
            return StoreAt::DataFolder;
        };
        match primary.scheme() {
            Some("postgres" | "postgresql") => self.refuse_unless_built("DATABASE_URL", built::POSTGRES),
            other => self.unknown_engine("DATABASE_URL", other, "postgres://user:password@host/database"),
        }
        StoreAt::Postgres { primary, replicas, connections }
    }

    fn replicas(&mut self) -> Vec<Address> {
        let list = self.text("DATABASE_READ_URLS").unwrap_or_default();
        let replicas: Vec<Address> = addresses(list).iter().map(|one| Address::new(one)).collect();
        for replica in &replicas {
            match replica.scheme() {
                Some("postgres" | "postgresql") => {}
                other => self.unknown_engine("DATABASE_READ_URLS", other, "postgres:// addresses"),
            }
        }
        replicas
    }

    pub(super) fn bus(&mut self) -> BusAt {
        let replicas = self.number("ECS_BUS_REPLICAS", 1, 5);
        let monitor = self.monitor();
        let is_told = self.text("ECS_KAFKA_PARTITIONS").is_some_and(|text| !text.is_empty());
        let partitions = is_told.then(|| self.number("ECS_KAFKA_PARTITIONS", 1, 1_000));
        let prefix = self.prefix();
        let named = self.text("BUS_URL").map(Address::new);
        let Some(servers) = named.filter(|address| address.scheme() != Some("embedded")) else {
            if monitor.is_some() {
                self.problem("NATS_MONITOR_URL", "names the monitor of a NATS that BUS_URL doesn't name");
            }
            self.refuse_unless_built("BUS_URL", built::EMBEDDED_BUS);
            return BusAt::DataFolder;
        };
        match servers.scheme() {
            Some("nats" | "tls") => self.refuse_unless_built("BUS_URL", built::NATS),
            Some("kafka" | "kafkas") => {
                if monitor.is_some() {
                    self.problem("NATS_MONITOR_URL", "names the monitor of a NATS that BUS_URL doesn't name");
                }
                self.refuse_unless_built("BUS_URL", built::KAFKA);
                return BusAt::Kafka { servers, replicas, partitions, prefix };
            }
            Some("amqp" | "amqps") => {
                if monitor.is_some() {
                    self.problem("NATS_MONITOR_URL", "names the monitor of a NATS that BUS_URL doesn't name");
                }
                self.refuse_unless_built("BUS_URL", built::RABBITMQ);
                return BusAt::RabbitMq { servers };
            }
            other => {
                self.unknown_engine("BUS_URL", other, "embedded:, nats://, tls://, kafka:// or amqp://host");
            }
        }
        BusAt::Nats { servers, replicas, monitor }
    }

    /// What Kafka takes in a name, and short enough to leave room for the rest of it.
    fn prefix(&mut self) -> String {
        let prefix = self.text("ECS_KAFKA_PREFIX").unwrap_or_default().to_owned();
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        if prefix.len() > 100 || !prefix.bytes().all(is_plain) {
            self.problem(
                "ECS_KAFKA_PREFIX",
                "must be at most 100 letters, digits, dots, dashes and underscores",
            );
        }
        prefix
    }

    /// The `host:port` of the monitor. It knows no passwords and no TLS, and its port isn't that of the web.
    fn monitor(&mut self) -> Option<String> {
        let url = base(self.text("NATS_MONITOR_URL")?);
        let authority = url.strip_prefix("http://").filter(|_| is_base(&url)).map(str::to_owned);
        let has_port = |host: &String| host.parse::<Authority>().is_ok_and(|it| it.port().is_some());
        let monitor = authority.filter(has_port);
        if monitor.is_none() {
            // Not quoted: somebody may have put a password into it.
            self.problem("NATS_MONITOR_URL", "must be an address such as http://host:8222");
        }
        monitor
    }

    /// `shared`: whether others may write what is cached here.
    pub(super) fn cache(&mut self, shared: bool) -> CacheIn {
        let bytes = self.number::<u64>("ECS_CACHE_MIB", 1, 65_536) << 20;
        let redis = self.text("REDIS_URL").map(Address::new);
        let named = self.text("ECS_CACHE").map(str::to_owned);
        match (named.as_deref(), redis) {
            (Some("none"), _) => CacheIn::Nothing,
            (Some("redis") | None, Some(server)) => self.redis(server, bytes),
            (Some("redis"), None) => {
                self.problem("ECS_CACHE", "is redis, and REDIS_URL doesn't say where that is");
                CacheIn::Nothing
            }
            (Some("memory"), _) if shared => {
                let message = "is memory, which a store that several processes share can't have: what one process \
                               forgets, others would still remember; set REDIS_URL, or none";
                self.problem("ECS_CACHE", message);
                CacheIn::Nothing
            }
            (Some("memory"), _) => CacheIn::Memory { bytes },
            (None, None) if shared => CacheIn::Nothing,
            (None, None) => CacheIn::Memory { bytes },
            (Some(other), _) => {
                self.problem("ECS_CACHE", format!("must be memory, none or redis, it is {other:?}"));
                CacheIn::Nothing
            }
        }
    }

    fn redis(&mut self, server: Address, level_bytes: u64) -> CacheIn {
        match server.scheme() {
            Some("redis" | "rediss") => self.refuse_unless_built("REDIS_URL", built::REDIS),
            other => self.unknown_engine("REDIS_URL", other, "redis://host"),
        }
        CacheIn::Redis { server, level_bytes }
    }

    pub(super) fn refuse_unless_built(&mut self, name: &str, engine: built::Engine) {
        if let Err(refusal) = engine.require() {
            self.problem(name, refusal);
        }
    }

    /// The scheme is told and nothing else: the rest may hold a password.
    pub(super) fn unknown_engine(&mut self, name: &str, scheme: Option<&str>, expected: &str) {
        let message = match scheme {
            Some(scheme) => {
                format!("names the engine {scheme:?}, which there is none of; it takes {expected}")
            }
            None => format!("must be an address such as {expected}"),
        };
        self.problem(name, message);
    }
}
