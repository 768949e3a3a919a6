//! A disk in memory whose power can be cut, as a virtual file system of SQLite.
//!
//! A kill -9 leaves the operating system's page cache alive, so a test that kills processes can't tell a write that is
//! on disk from one that is merely on its way. This disk can: it keeps apart what programs see, what is certainly on the
//! platter, and the changes between the two.
//!
//! ```text
//! write, truncate ──> what programs read
//!        └──────────> changes that are not synced ──sync──> the platter
//! create, delete ───> names that are not synced ───sync of the folder──> the folder on the platter
//! ```
//!
//! # The model
//!
//! - **A cut** hits all files of a [`Disk`] at the same instant. From then on every operation fails, so whoever used the disk
//!   can't promise anything more.
//! - **What was synced survives.** A sync that was under way at the cut has flushed nothing for certain.
//! - **Of what was not synced, anything may survive**: nothing, all, the first so many changes with the last of them torn, or
//!   each sector (512 bytes or 4 KiB) by itself as it was at some moment since the last sync, in any combination. A file
//!   may have grown without its new bytes, which then are zeros, or the bytes may be there and the size not.
//! - **Bytes that were being written may be garbage**, bytes beside them may not: that is SQLite's "powersafe overwrite", which
//!   its own file system on Unix claims, and so does this one. It claims nothing more: no order of writes, no atomic
//!   sectors for what is being written, no safe append.
//! - **Names are a matter of the folder**: a file that was created may be missing, a deleted one may be back, until the folder was
//!   synced. As on Unix, that happens with the first sync of a journal or write-ahead log, and with a deletion that asks
//!   for it; syncing a database's own file does not make its name durable.
//! - **Shared memory is memory**: gone with the power.
//! - **A process may die before the machine does** ([`Disk::outlived`]): the next one reads what the first wrote, and that is still
//!   not synced.
//! - **A sync may fail** ([`Disk::fail_sync`]), and as on Linux that is told once: what it should have flushed can be read as before
//!   and is never written.
//!
//! Everything is drawn from a seed: the same changes and the same seed give the same wreck.

mod cut;
mod directory;
mod disk;
mod handle;
mod inode;
mod locks;
mod mount;
mod shared_memory;
mod vfs;
mod wreck;

pub use cut::{Cut, Moment, Trigger};
pub use disk::{Disk, Image, Losses};
pub use mount::{Mount, VFS};
