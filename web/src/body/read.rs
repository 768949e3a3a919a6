//! Reading bodies within bounds of size and time.

use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;

use crate::Problem;

/// How long a client may stay silent in the middle of a body.
const SILENCE: Duration = Duration::from_secs(15);

/// The next piece of a body.
#[derive(Debug)]
pub enum NextFrame {
    /// More of it.
    Data(Bytes),
    /// There is no more.
    End,
}

/// Waits for the next piece: 400 when the client falls silent or the connection breaks the body off.
pub async fn next_frame(body: &mut Body) -> Result<NextFrame, Problem> {
    loop {
        let frame = tokio::time::timeout(SILENCE, body.frame())
            .await
            .map_err(|_| Problem::malformed("the body did not arrive in time"))?;
        match frame {
            None => return Ok(NextFrame::End),
            Some(Err(_)) => return Err(Problem::malformed("the body broke off")),
            // Trailers carry nothing that is asked for.
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(NextFrame::Data(data));
                }
            }
        }
    }
}

/// Reads a whole body of at most `limit` bytes. One that came in a single piece is not copied, and one that announces
/// more than the limit is refused before it is read.
pub async fn collect(mut body: Body, limit: usize) -> Result<Bytes, Problem> {
    let announced = body.size_hint().lower();
    if announced > limit as u64 {
        return Err(too_large(limit));
    }
    let NextFrame::Data(first) = next_frame(&mut body).await? else { return Ok(Bytes::new()) };
    if first.len() > limit {
        return Err(too_large(limit));
    }
    if body.is_end_stream() {
        return Ok(first);
    }
    let mut whole = BytesMut::from(first);
    while let NextFrame::Data(more) = next_frame(&mut body).await? {
        if whole.len() + more.len() > limit {
            return Err(too_large(limit));
        }
        whole.extend_from_slice(&more);
    }
    Ok(whole.freeze())
}

fn too_large(limit: usize) -> Problem {
    Problem::too_large(format!("the body may have at most {limit} bytes"))
}
