//! One connection: a request, its answer, the next request.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::response::{self, Head};
use super::{Pace, Requests, Tally, Window};

/// How long a refused client waits before it asks again.
const AFTER_REFUSAL: Duration = Duration::from_millis(20);

pub(super) async fn run<R: Requests>(
    address: SocketAddr,
    mut requests: R,
    window: Window,
    mut pace: Option<Pace>,
) -> anyhow::Result<Tally> {
    let mut stream = TcpStream::connect(address).await.context("connecting")?;
    stream.set_nodelay(true)?;
    let mut tally = Tally::default();
    let mut buffer = Vec::with_capacity(8 * 1024);
    loop {
        let started = match &mut pace {
            Some(pace) => pace.next().await,
            None => Instant::now(),
        };
        if started >= window.end {
            return Ok(tally);
        }
        let Some(request) = requests.next() else {
            tally.exhausted = Some(started);
            return Ok(tally);
        };
        stream.write_all(request).await.context("sending")?;
        let head = answer(&mut stream, &mut buffer).await?;
        let done = Instant::now();
        if head.status != R::ACCEPTED {
            tally.refused += 1;
            tokio::time::sleep(AFTER_REFUSAL).await;
            continue;
        }
        let events = requests.accepted(buffer.get(head.body..).unwrap_or_default())?;
        tally.accepted += events;
        if done >= window.begin && done < window.end {
            tally.counted += events;
            tally.latencies.record(done - started);
        }
    }
}

/// A connection on which one asks by hand.
pub(crate) struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await.context("connecting")?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::new() })
    }

    /// The status of the answer to a whole request.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> anyhow::Result<u16> {
        self.stream.write_all(request).await.context("sending")?;
        Ok(answer(&mut self.stream, &mut self.buffer).await?.status)
    }
}

/// Reads one whole answer into the buffer and returns what its head says.
async fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> anyhow::Result<Head> {
    buffer.clear();
    loop {
        let read = stream.read_buf(buffer).await.context("receiving")?;
        anyhow::ensure!(read > 0, "the server closed a connection");
        if let Some(head) = response::head(buffer)?
            && buffer.len() >= head.total
        {
            anyhow::ensure!(buffer.len() == head.total, "the server sent more than one answer");
            return Ok(head);
        }
    }
}
