//! The transport over RabbitMQ: a quorum queue per group, and a stream per subject as the log beside them.

mod backlog;
mod bus;
mod census;
mod consumers;
mod control;
mod courier;
mod groups;
mod link;
mod log;
mod look;
mod member;
mod message;
mod names;
mod options;
mod prune;
mod publisher;
mod puller;
mod settle;
mod subscription;
mod topology;
mod unsettled;

pub use bus::RabbitBus;
pub use options::Options;
