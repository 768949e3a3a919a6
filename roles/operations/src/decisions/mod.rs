//! The decision log: `/v1/decision-log/batches` for whoever checks it, `/v1/decision-log/decisions` for whoever computes decisions again.

mod batches;
mod read;

pub(crate) use self::batches::batches;
pub(crate) use self::read::decisions;
// Documentation stands beside the handlers, and the router looks for it here.
pub(crate) use self::batches::__path_batches;
pub(crate) use self::read::__path_decisions;
