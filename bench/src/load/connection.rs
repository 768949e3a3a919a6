//! One connection: a request, its answer, the next request.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::response::{self, Head};
use super::{Requests, Tally, Window};

/// The status of an accepted event.
const ACCEPTED: u16 = 202;
/// How long a refused client waits before it asks again.
const AFTER_REFUSAL: Duration = Duration::from_millis(20);

pub(super) async fn run(
    address: SocketAddr,
    mut requests: impl Requests,
    window: Window,
) -> anyhow::Result<Tally> {
    let mut stream = TcpStream::connect(address).await.context("connecting")?;
    stream.set_nodelay(true)?;
    let mut tally = Tally::default();
    let mut buffer = Vec::with_capacity(8 * 1024);
    let events = requests.events_per_request();
    loop {
        let started = Instant::now();
        if started >= window.end {
            return Ok(tally);
        }
        stream.write_all(requests.next()).await.context("sending")?;
        let status = answer(&mut stream, &mut buffer).await?;
        let done = Instant::now();
        if status != ACCEPTED {
            tally.refused += 1;
            tokio::time::sleep(AFTER_REFUSAL).await;
            continue;
        }
        tally.accepted += events;
        if done >= window.begin && done < window.end {
            tally.counted += events;
            tally.latencies.record(done - started);
        }
    }
}

/// Reads one whole answer and returns its status.
async fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> anyhow::Result<u16> {
    buffer.clear();
    loop {
        let read = stream.read_buf(buffer).await.context("receiving")?;
        anyhow::ensure!(read > 0, "the server closed a connection");
        if let Some(Head { status, total }) = response::head(buffer)?
            && buffer.len() >= total
        {
            anyhow::ensure!(buffer.len() == total, "the server sent more than one answer");
            return Ok(status);
        }
    }
}
