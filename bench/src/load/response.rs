//! As much of an answer as the generator needs: its status, and where it ends.

use anyhow::Context as _;

/// What an answer's head says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) status: u16,
    /// Where the body starts.
    pub(super) body: usize,
    /// Bytes of head and body together.
    pub(super) total: usize,
}

/// Reads the head; `None` while it isn't all there.
pub(super) fn head(bytes: &[u8]) -> anyhow::Result<Option<Head>> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let text = std::str::from_utf8(bytes.get(..end).unwrap_or_default()).context("the head is no text")?;
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).context("no status")?;
    let length = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .map_or(Ok(0), |(_, value)| value.trim().parse())
        .context("the content length is no number")?;
    let status = status.parse().context("the status is no number")?;
    Ok(Some(Head { status, body: end + 4, total: end + 4 + length }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_ends_where_its_length_says() {
        let check = |text: &str, expect: Option<(u16, usize)>| {
            let head = head(text.as_bytes()).unwrap().map(|head| (head.status, head.total));
            assert_eq!(head, expect, "{text:?}");
        };
        check("HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n", None);
        check("HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\n{}", Some((202, 46)));
        check("HTTP/1.1 503 x\r\ncontent-length: 10\r\na: b\r\n\r\n", Some((503, 54)));
        check("HTTP/1.1 204 No Content\r\n\r\n", Some((204, 27)));
        assert!(head(b"HTTP/1.1\r\n\r\n").is_err());
        assert!(head(b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n").is_err());
    }
}
