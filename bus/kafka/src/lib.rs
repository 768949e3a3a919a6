//! The transport over Apache Kafka.

mod address;
mod backlog;
mod bus;
mod client;
mod drift;
mod engine;
mod fates;
mod groups;
mod lane;
mod message;
mod murmur;
mod options;
mod patience;
mod producer;
mod publisher;
mod reader;
mod rebalance;
mod settling;
mod state;
mod subscription;
mod topics;
mod track;

pub use bus::KafkaBus;
pub use options::Options;
