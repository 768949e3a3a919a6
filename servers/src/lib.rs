//! Private PostgreSQL, NATS, Redis, Kafka and RabbitMQ servers for tests, benchmarks and demonstrations.
//!
//! What a test needs, it starts: a server on a free port of 127.0.0.1, in a temporary folder of its own, with a password as real
//! deployments have one. It dies with the process that started it, even when that is killed with SIGKILL (see `guard.sh`),
//! and its folder goes with it. Two runs side by side never meet.
//!
//! - [`Postgres::shared`] and [`Postgres::database`]: one server per test process, and a private database per test, copied from a
//!   template that is migrated once.
//! - [`Postgres::start`], [`Nats::start`], [`Redis::start`], [`Kafka::start`], [`RabbitMq::start`]: servers of one's own, which may be killed, paused and
//!   restarted; [`Postgres::replica`] and [`Postgres::promote`] for failovers.
//! - [`Broker`]: that of NATS, RabbitMQ or Kafka, for whoever treats them alike.
//! - [`Proxy`]: a network between a client and a server that can be cut.
//! - [`Authority`]: certificates for those that encrypt.
//! - [`Program`]: any other program, kept and harmed in the same way.
//! - [`unavailable`]: why an engine can't be had here. A test says so loudly and ends; with `CI=true` that is a failure.
//!
//! An address in `ECS_TEST_POSTGRES_URL`, `ECS_TEST_NATS_URL`, `ECS_TEST_REDIS_URL`, `ECS_TEST_KAFKA_URL` or `ECS_TEST_RABBITMQ_URL` takes the place of the
//! server that tests share, or reserve one after the other with [`Nats::reserve`] and [`Redis::reserve`]. What harms its server starts
//! one all the same, and [`unavailable_privately`] says why it can't. `scripts/provision.sh` installs what is missing.

mod authority;
mod binaries;
mod broker;
mod database;
mod folder;
mod instance;
mod kafka;
mod nats;
mod ports;
mod postgres;
mod processes;
mod program;
mod proxy;
mod rabbitmq;
mod redis;
mod replica;

pub use authority::{Authority, Issued, IssuedFiles};
pub use binaries::{Engine, did_not_run, unavailable, unavailable_privately};
pub use broker::{Broker, Transport};
pub use database::{Database, Template};
pub use kafka::{Kafka, Options as KafkaOptions};
pub use nats::{Nats, Options as NatsOptions};
pub use ports::free as free_port;
pub use postgres::{Options as PostgresOptions, Postgres};
pub use program::Program;
pub use proxy::Proxy;
pub use rabbitmq::{Options as RabbitMqOptions, RabbitMq};
pub use redis::{Options as RedisOptions, Redis};
pub use replica::Replication;
