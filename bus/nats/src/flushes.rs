//! Whether the server flushes to disk before it acknowledges. A client can't tell from the connection, but the server's monitor
//! says it, where it is reachable.

use std::time::Duration;

use ecs_bus::BusError;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const LIMIT: Duration = Duration::from_secs(2);
/// No honest answer is longer.
const LONGEST: u64 = 1 << 20;

/// Refuses a single server that doesn't flush. With more copies than one an event is durable when most servers have it, so what
/// the monitor of one of them says decides nothing.
pub(crate) async fn check(monitor: Option<&str>, replicas: usize) -> Result<(), BusError> {
    let Some(monitor) = monitor else {
        tracing::info!(
            "whether NATS flushes before it acknowledges is not checked: its monitor is not named"
        );
        return Ok(());
    };
    let answer = tokio::time::timeout(LIMIT, ask(monitor)).await;
    let flushes = match answer {
        Ok(Ok(answer)) => is_always(&answer),
        Ok(Err(_)) | Err(_) => None,
    };
    match flushes {
        Some(true) => Ok(()),
        Some(false) if replicas > 1 => Ok(()),
        Some(false) => Err(BusError::Corrupt(
            "NATS acknowledges before it flushes: a power cut loses acknowledged events; \
             its settings need `sync_interval: always` in `jetstream`"
                .to_owned(),
        )),
        None => {
            tracing::warn!("the monitor of NATS does not say whether it flushes before it acknowledges");
            Ok(())
        }
    }
}

async fn ask(monitor: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(monitor).await?;
    stream.write_all(b"GET /jsz?config=true HTTP/1.0\r\n\r\n").await?;
    let mut answer = String::new();
    stream.take(LONGEST).read_to_string(&mut answer).await?;
    Ok(answer)
}

fn is_always(answer: &str) -> Option<bool> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.lines().next()?.contains(" 200 ").then_some(())?;
    let config = serde_json::from_str::<Value>(body).ok()?.get("config")?.clone();
    // The server leaves out what is off.
    config.is_object().then(|| config.get("sync_always").and_then(Value::as_bool).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_monitors_answer_is_read() {
        let check = |body: &str, expect: Option<bool>| {
            assert_eq!(is_always(&format!("HTTP/1.0 200 OK\r\nA: b\r\n\r\n{body}")), expect, "{body}");
        };
        check(r#"{"config": {"sync_always": true}}"#, Some(true));
        check(r#"{"config": {"sync_interval": 120000000000}}"#, Some(false));
        check(r#"{"disabled": true}"#, None);
        check("nonsense", None);
        assert_eq!(is_always("HTTP/1.0 404 Not Found\r\n\r\n{}"), None);
    }
}
