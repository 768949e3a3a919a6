//! How things are written on a stream: the format `text/event-stream` of the HTML standard.

use std::time::Duration;

use bytes::Bytes;

use crate::item::Item;

/// Why a stream ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// This instance stops; another one, or this one soon, goes on where the client says that it was.
    Stopping,
    /// The token has expired; the client needs a new one to come back.
    Expired,
}

impl End {
    fn as_str(self) -> &'static str {
        match self {
            Self::Stopping => "stopping",
            Self::Expired => "expired",
        }
    }
}

/// How long a client shall wait before it comes back.
pub(crate) fn retry(after: Duration) -> Bytes {
    Bytes::from(format!("retry: {}\n\n", after.as_millis()))
}

/// A comment: clients take no notice of it, connections do.
pub(crate) fn heartbeat() -> Bytes {
    Bytes::from_static(b": heartbeat\n\n")
}

/// The last event. It has no id, so a client's last one stays what it was.
pub(crate) fn end(end: End) -> Bytes {
    Bytes::from(format!("event: end\ndata: {{\"reason\":\"{}\"}}\n\n", end.as_str()))
}

/// One notification; JSON without line breaks fits into one line of data.
pub(crate) fn notification(sequence: u64, item: &Item, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("id: {sequence}\nevent: notification\ndata: ").as_bytes());
    // An item is text, numbers and instants, which always can be written to memory.
    if let Err(error) = serde_json::to_writer(&mut *out, item) {
        tracing::error!(%error, "a notification can't be written as JSON");
    }
    out.extend_from_slice(b"\n\n");
}
