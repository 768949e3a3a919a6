//! What waits to be published, for transports that send to a server: queues within one window, and group commit.

mod gathering;
mod group_commit;
mod queue;
mod queues;

pub use group_commit::{GroupCommit, group_commit};
pub use queue::{Queue, Request, Results, locked};
pub use queues::Queues;
