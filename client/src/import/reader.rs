//! Reads a file twice: once for its digest, which goes into every id, and once for its rows.

use std::fmt::Write;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::Context;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use super::mapping::Mapping;
use super::rows::{Row, RowReader};

/// Rows read ahead of those that are sent.
const READ_AHEAD: usize = 1024;

/// What the first reading tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fingerprint {
    /// SHA-256 of the file, in hex.
    pub(super) digest: String,
    /// How many lines it has.
    pub(super) lines: u64,
}

impl Fingerprint {
    /// Reads the whole file.
    pub(super) async fn of(path: PathBuf) -> anyhow::Result<Self> {
        tokio::task::spawn_blocking(move || Self::read(&path)).await?
    }

    fn read(path: &Path) -> anyhow::Result<Self> {
        let mut file = open(path)?;
        let mut hash = Sha256::new();
        let mut piece = vec![0; 64 * 1024];
        let (mut lines, mut last) = (0, b'\n');
        loop {
            let length = file.read(&mut piece)?;
            let Some(read) = piece.get(..length).filter(|read| !read.is_empty()) else { break };
            hash.update(read);
            lines += read.iter().filter(|byte| **byte == b'\n').count() as u64;
            last = read.last().copied().unwrap_or(last);
        }
        let mut digest = String::with_capacity(64);
        for byte in hash.finalize() {
            write!(digest, "{byte:02x}")?;
        }
        Ok(Self { digest, lines: lines + u64::from(last != b'\n') })
    }

    /// The sender's id of the transaction on `line`: the same file and line, the same id, and two purchases that look
    /// alike are still two.
    pub(super) fn client_id(&self, line: u64) -> String {
        format!("{}:{line}", self.digest.get(..16).unwrap_or(&self.digest))
    }
}

/// Reads the rows on a thread of their own, a little ahead of whoever takes them.
pub(super) fn rows(path: PathBuf, mapping: Mapping) -> mpsc::Receiver<anyhow::Result<Row>> {
    let (sender, receiver) = mpsc::channel(READ_AHEAD);
    tokio::task::spawn_blocking(move || {
        let unread = read_rows(&path, &mapping, &sender);
        if let Err(error) = unread {
            // Nobody listens any more when the import was stopped.
            drop(sender.blocking_send(Err(error)));
        }
    });
    receiver
}

fn read_rows(
    path: &Path,
    mapping: &Mapping,
    sender: &mpsc::Sender<anyhow::Result<Row>>,
) -> anyhow::Result<()> {
    let mut file = BufReader::new(open(path)?);
    let mut rows = (!mapping.header).then(|| RowReader::new(mapping, None)).transpose()?;
    let mut bytes = Vec::new();
    for line in 1_u64.. {
        bytes.clear();
        if file.read_until(b'\n', &mut bytes)? == 0 {
            break;
        }
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").filter(|_| line == 1).unwrap_or(&bytes).trim_ascii();
        if line <= mapping.skip_lines || text.is_empty() {
            continue;
        }
        let Some(reader) = &rows else {
            let header = std::str::from_utf8(text).context("the header is not UTF-8")?;
            rows = Some(RowReader::new(mapping, Some(header))?);
            continue;
        };
        if sender.blocking_send(Ok(reader.row(line, text))).is_err() {
            break;
        }
    }
    Ok(())
}

fn open(path: &Path) -> anyhow::Result<File> {
    File::open(path).with_context(|| format!("can't open {}", path.display()))
}
