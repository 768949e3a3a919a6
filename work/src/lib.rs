//! What worker roles share: supervised tasks, the consumer loop, the outbox relay, housekeeping and the books.
//!
//! - [`Supervisor`] owns every long-running task of the process and drains them in order.
//! - [`Finisher`] sees through what must not be left half done by a client that hangs up.
//! - [`consume::run`] is the one loop over a subscription: next, handle, settle, reconnect.
//! - [`relay::Relay`] publishes what the store's outbox holds; a [`Wake`] tells it that something is there.
//! - [`dead_letters::Desk`] replays and drops what was given up.
//! - [`replays::work_on`] rebuilds the aggregates, for a while at a time; [`replays::work_on_days`] those of some days from the log.
//! - [`MeteredBus`] counts what is published and delivered over any transport, [`Gauges`] what waits.
//! - [`books::balance`] compares what the bus accepted with what the store made of it.
//! - [`ageing::sweep`] drops rows that are past their time; [`data_classes::CLASSES`] is the table of what is kept for how long.
//! - [`Policies`] knows which credit policy is active when, and finds an earlier one by its digest.
//! - [`bridge::Bridge`] copies subjects from one bus to another.

pub mod ageing;
pub mod arrival;
pub mod back_off;
pub mod books;
pub mod bridge;
pub mod consume;
pub mod data_classes;
pub mod dead_letters;
pub mod decoded;
pub mod finisher;
pub mod gauges;
mod isolate;
mod log_replays;
pub mod metered;
pub mod outbox;
pub mod periodic;
pub mod policies;
pub mod relay;
pub mod replays;
pub mod retention;
pub mod rounds;
pub mod sink;
pub mod supervisor;
pub mod wake;

pub use back_off::BackOff;
pub use consume::{ConsumeDeps, Failure, Handler};
pub use decoded::Decoded;
pub use finisher::Finisher;
pub use gauges::Gauges;
pub use metered::MeteredBus;
pub use outbox::outbox_message;
pub use periodic::periodic;
pub use policies::Policies;
pub use relay::{Relay, RelayDeps};
pub use rounds::rounds;
pub use sink::StoreSink;
pub use supervisor::{Drained, OnFailure, OnStop, Supervisor, TaskFailure};
pub use wake::Wake;
