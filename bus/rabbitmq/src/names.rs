//! What things are called on the server.

use std::time::Duration;

use ecs_bus::{Group, Subject};

/// The names of one bus. Two with different prefixes share a virtual host and nothing else.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    prefix: String,
}

impl Names {
    pub(crate) fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned() }
    }

    /// The exchange that events are published to, under their subjects.
    pub(crate) fn events(&self) -> String {
        format!("{}events", self.prefix)
    }

    /// The exchange over which members are asked what they hold.
    pub(crate) fn questions(&self) -> String {
        format!("{}questions", self.prefix)
    }

    /// The stream of what all processes know.
    pub(crate) fn control(&self) -> String {
        format!("{}control", self.prefix)
    }

    /// The stream that is a subject's log.
    pub(crate) fn log(&self, subject: Subject) -> String {
        format!("{}{subject}.log", self.prefix)
    }

    /// The queue of a group.
    pub(crate) fn group(&self, subject: Subject, group: Group) -> String {
        format!("{}{subject}.{group}", self.prefix)
    }
}

/// The queue in which each member of a group has one consumer, so that the server can tell how many there are.
pub(crate) fn members(queue: &str) -> String {
    format!("{queue}.members")
}

/// The queue in which a group's events wait before they come again.
pub(crate) fn retry(queue: &str, delay: Duration) -> String {
    format!("{queue}.retry.{}", delay.as_millis())
}
