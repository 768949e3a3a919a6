//! What connections send. A request is written once; from then on only the bytes that differ are put into it.

mod affairs;
mod decisions;
mod emotions;
mod lines;
mod transactions;

use std::io::Write as _;
use std::net::SocketAddr;
use std::ops::Range;

use anyhow::Context as _;
use ecs_domain::UserId;

pub(crate) use affairs::Affairs;
pub(crate) use decisions::{Applicants, Decisions};
pub(crate) use emotions::{Emotions, one_emotion};
pub(crate) use lines::Lines;
pub(crate) use transactions::Transactions;

/// Makes one connection's requests, one after the other.
pub(crate) trait Requests: Send + 'static {
    /// The status of an answer that does what was asked.
    const ACCEPTED: u16 = 202;

    /// The next request, whole; `None` when there is nothing left to ask.
    fn next(&mut self) -> Option<&[u8]>;

    /// How many events of the last request a good answer with this body accepts.
    fn accepted(&self, body: &[u8]) -> anyhow::Result<u64>;
}

/// Numbers of events that no other connection uses.
struct Numbers(u64);

impl Numbers {
    fn of(connection: u64) -> Self {
        Self(connection << 32)
    }

    fn next(&mut self) -> u64 {
        self.0 += 1;
        self.0
    }
}

const USER: &str = "uuuuuuuu-uuuu-uuuu-uuuu-uuuuuuuuuuuu";
const NAME: &str = "nnnnnnnnnnnnnnnnnnnn";
/// Writes over a placeholder; what is written has its length.
fn put(text: &mut [u8], slot: &Range<usize>, value: std::fmt::Arguments<'_>) {
    if let Some(mut place) = text.get_mut(slot.clone()) {
        // A slice of the right length takes all of it.
        let written = place.write_fmt(value);
        debug_assert!(written.is_ok() && place.is_empty(), "the value doesn't fit its placeholder");
    }
}

fn put_user(text: &mut [u8], slot: &Range<usize>, user: UserId) {
    if let Some(place) = text.get_mut(slot.clone()) {
        user.uuid().hyphenated().encode_lower(place);
    }
}

/// Where a placeholder stands in a request.
fn slot(text: &str, placeholder: &str) -> anyhow::Result<Range<usize>> {
    let start = text.find(placeholder).with_context(|| format!("no {placeholder} in the request"))?;
    Ok(start..start + placeholder.len())
}

fn request(path: &str, credentials: &str, media_type: &str, length: usize, address: SocketAddr) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\n{credentials}\r\ncontent-type: {media_type}\r\ncontent-length: {length}\r\n\r\n"
    )
}
