//! Webhooks: notifications sent to addresses that customers name, signed as Standard Webhooks has it.

mod guard;
mod schedule;
mod signature;
mod target;

pub use self::guard::Reach;
