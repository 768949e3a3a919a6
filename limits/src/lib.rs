//! How often something may be done: GCRA under quotas, exact in this process.
//!
//! A [`Quota`] allows so many cells per time, and a burst of them at once. What is counted has a [`Key`], an opaque MAC, so
//! that no address of a person stands in this memory, in a log or on a server. [`Limiter`] is the contract; [`InProcess`]
//! keeps it alone, and `limits/redis` together with other processes.
//!
//! **GCRA** keeps one number per key: when its bucket is full again, were nothing more taken. A cell moves that moment by
//! `per / requests`, and fits while the moment stays within a burst of now. Nothing ticks, and what was forgotten is what
//! would be full.
//!
//! **Why not the governor crate.** It counts exactly, too, but its clock is its own, a refused or wrongly counted cell can't
//! be given back, its map grows until somebody asks it to shrink, and nothing says what becomes of a flood of keys.
//!
//! **A flood of keys** meets a table of fixed size. In a full shard a newcomer takes the place of the key that owes least,
//! *and its debt*: so nobody is ever counted with less than was taken, the gates stay shut for whoever makes up keys, and
//! those who owe more, the throttled, stay known. The price is the newcomer's: it begins with what the least indebted one
//! had, which is little unless the flood keeps every place of the shard in debt.

mod decision;
mod gcra;
mod in_process;
mod key;
mod limiter;
mod quota;
mod table;

pub use decision::Decision;
pub use gcra::{Bucket, nanoseconds};
pub use in_process::{InProcess, Size};
pub use key::{Key, Keys};
pub use limiter::Limiter;
pub use quota::{Quota, QuotaError};
pub use table::{Debt, Table};
