//! What all resources share: addresses, connections, the pool, sessions, and the way every query goes.

mod address;
mod connect;
mod error;
mod grouped;
mod param;
mod pool;
mod primary;
mod race;
mod session;
mod tls;

pub(crate) use address::Address;
pub(crate) use connect::{Connection, Expect, Target};
pub(crate) use error::Fault;
pub(crate) use grouped::{Grouped, Together, placed};
pub(crate) use param::Param;
pub(crate) use pool::Pool;
pub(crate) use primary::{Call, Primary};
pub(crate) use session::{Answer, Flight, Session, Step};
