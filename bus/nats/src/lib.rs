//! The transport over NATS JetStream.

mod api;
mod bus;
mod choice;
mod consumers;
mod drift;
mod flushes;
mod ledger;
mod link;
mod log;
mod member;
mod message;
mod options;
mod publisher;
mod puller;
mod sender;
mod streams;
mod subscription;

pub use bus::NatsBus;
pub use options::Options;
