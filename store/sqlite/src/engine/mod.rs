//! What every resource stands on: one writer, a few readers, and the way from SQLite's errors to the store's.

mod connection;
mod error;
mod readers;
mod task;
mod writer;

pub(crate) use connection::{connect, connect_with};
pub(crate) use error::{Fault, store_error};
pub(crate) use readers::Readers;
pub(crate) use writer::{Size, Writer};
