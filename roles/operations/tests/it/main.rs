//! The endpoints in process, over the embedded bus and store.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod books;
mod decisions;
mod letters;
mod replays;
mod research;
mod support;
mod watch;
