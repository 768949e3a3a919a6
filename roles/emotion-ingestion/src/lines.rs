//! Splits a body that arrives in pieces into lines.

use bytes::{Buf as _, Bytes, BytesMut};

/// A line, numbered from 1.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) number: u64,
    /// `None` when it is longer than allowed; its content was let go.
    pub(crate) content: Option<Bytes>,
}

/// Lines of what was pushed so far. It holds at most the last piece and one unfinished line.
#[derive(Debug)]
pub(crate) struct Lines {
    piece: Bytes,
    unfinished: BytesMut,
    /// The unfinished line is over the limit already: skip to its end.
    skipping: bool,
    number: u64,
    limit: usize,
}

impl Lines {
    /// Lines of at most `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self { piece: Bytes::new(), unfinished: BytesMut::new(), skipping: false, number: 0, limit }
    }

    /// Takes the next piece. The lines of the one before must have been taken.
    pub(crate) fn push(&mut self, piece: Bytes) {
        debug_assert!(self.piece.is_empty(), "the last piece's lines were taken");
        self.piece = piece;
    }

    /// The next whole line; blank lines count but don't come out.
    pub(crate) fn next(&mut self) -> Option<Line> {
        loop {
            let Some(end) = self.piece.iter().position(|byte| *byte == b'\n') else {
                self.keep_unfinished();
                return None;
            };
            let rest = self.piece.split_to(end);
            self.piece.advance(1);
            let line = self.complete(rest);
            if line.content.as_ref().is_none_or(|content| !content.trim_ascii().is_empty()) {
                return Some(line);
            }
        }
    }

    /// The last line, when the body doesn't end with a line break.
    pub(crate) fn last(&mut self) -> Option<Line> {
        let line = self.complete(Bytes::new());
        line.content.as_ref().is_none_or(|content| !content.trim_ascii().is_empty()).then_some(line)
    }

    /// The number of the line that is being read.
    pub(crate) fn current(&self) -> u64 {
        self.number + 1
    }

    fn keep_unfinished(&mut self) {
        let piece = std::mem::take(&mut self.piece);
        if self.skipping || self.unfinished.len() + piece.len() > self.limit {
            self.skipping = true;
            self.unfinished.clear();
        } else {
            self.unfinished.extend_from_slice(&piece);
        }
    }

    fn complete(&mut self, rest: Bytes) -> Line {
        self.number += 1;
        let too_long = std::mem::take(&mut self.skipping) || self.unfinished.len() + rest.len() > self.limit;
        let start = self.unfinished.split();
        let content = match (too_long, start.is_empty()) {
            (true, _) => None,
            (false, true) => Some(rest),
            (false, false) => Some([&*start, &*rest].concat().into()),
        };
        Line { number: self.number, content }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(pieces: &[&str], limit: usize) -> Vec<(u64, Option<String>)> {
        let mut lines = Lines::new(limit);
        let mut seen = Vec::new();
        let mut note = |line: Line| {
            let text = line.content.map(|content| String::from_utf8(content.to_vec()).unwrap());
            seen.push((line.number, text));
        };
        for piece in pieces {
            lines.push(Bytes::copy_from_slice(piece.as_bytes()));
            while let Some(line) = lines.next() {
                note(line);
            }
        }
        if let Some(line) = lines.last() {
            note(line);
        }
        seen
    }

    fn check(pieces: &[&str], expect: &[(u64, Option<&str>)]) {
        let expect: Vec<_> = expect.iter().map(|(number, text)| (*number, text.map(str::to_owned))).collect();
        assert_eq!(split(pieces, 5), expect, "{pieces:?}");
    }

    #[test]
    fn lines_come_out_whole_wherever_the_pieces_end() {
        check(&[], &[]);
        check(&["a\nb\n"], &[(1, Some("a")), (2, Some("b"))]);
        check(&["a", "b\nc"], &[(1, Some("ab")), (2, Some("c"))]);
        check(&["a\n\n \r\nb"], &[(1, Some("a")), (4, Some("b"))]);
        check(&["12345\n123456\n1"], &[(1, Some("12345")), (2, None), (3, Some("1"))]);
        check(&["1234", "56", "78\n9\n"], &[(1, None), (2, Some("9"))]);
        check(&["123", "456"], &[(1, None)]);
        check(&["1234567"], &[(1, None)]);
    }

    proptest::proptest! {
        #[test]
        fn pieces_make_no_difference(text in "[ab\n]{0,40}", cut in 0_usize..40) {
            let cut = cut.min(text.len());
            let (start, end) = text.split_at(cut);
            proptest::prop_assert_eq!(split(&[&text], 5), split(&[start, end], 5));
        }
    }
}
