//! A sender's own record of what it sent and what it was promised: NDJSON, one fact per line.
//!
//! ```json
//! {"state":"sent","ledger":"emotions","userId":"…","eventId":"…","day":"2026-11-21"}
//! {"state":"accepted","ledger":"emotions","userId":"…","eventId":"…","day":"2026-11-21"}
//! ```
//!
//! `sent` stands in the file before the request leaves, `accepted` as soon as its 202 arrived, `refused` when the
//! platform said no for good and no earlier attempt can have got through. Event ids are derived by the sender, the same
//! way as the platform does, so `sent` can know them.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Mutex;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

use crate::{EventKey, Ledger};

/// A fact about an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// A request with it is about to leave.
    Sent,
    /// The platform refused it for good, and can't have taken it before.
    Refused,
    /// Its 202 arrived.
    Accepted,
}

/// A line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// What happened.
    pub state: State,
    /// To an event of which ledger.
    pub ledger: Ledger,
    /// Which one.
    #[serde(flatten)]
    pub key: EventKey,
}

/// A journal being written. Tasks may share it: each fact is one write, so lines never mix.
#[derive(Debug)]
pub struct Journal {
    file: Mutex<File>,
}

/// What stands in a journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// The facts, in the order they were written.
    pub entries: Vec<Entry>,
    /// Whether the last line is incomplete: its writer died over it.
    pub torn: bool,
}

impl Journal {
    /// A new journal; one that is already there is not overwritten.
    pub fn create(path: &Path) -> anyhow::Result<Self> {
        let file = OpenOptions::new().append(true).create_new(true).open(path);
        let file = file.with_context(|| format!("can't make the journal {}", path.display()))?;
        Ok(Self { file: Mutex::new(file) })
    }

    /// Goes on with the journal at `path`, or makes it. A torn last line is cut off: a torn `sent` never left, and a
    /// torn `accepted` only leaves a promise unclaimed.
    pub fn append(path: &Path) -> anyhow::Result<Self> {
        let open = OpenOptions::new().read(true).append(true).create(true).open(path);
        let mut file = open.with_context(|| format!("can't open the journal {}", path.display()))?;
        let whole = length_of_whole_lines(&mut file)?;
        file.set_len(whole)?;
        Ok(Self { file: Mutex::new(file) })
    }

    /// Writes a fact; it has left the process when this returns.
    pub fn note(&self, state: State, ledger: Ledger, key: EventKey) -> io::Result<()> {
        self.note_all(state, ledger, std::iter::once(key))
    }

    /// Writes the same fact about many events in one go.
    pub fn note_all(
        &self,
        state: State,
        ledger: Ledger,
        keys: impl IntoIterator<Item = EventKey>,
    ) -> io::Result<()> {
        let mut lines = Vec::with_capacity(192);
        for key in keys {
            serde_json::to_writer(&mut lines, &Entry { state, ledger, key })?;
            lines.push(b'\n');
        }
        let mut file = self.file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        file.write_all(&lines)
    }

    /// Reads a journal. An incomplete last line is left out; anything else that can't be read is an error, because a
    /// journal with holes proves nothing.
    pub fn read(path: &Path) -> anyhow::Result<Contents> {
        let file = File::open(path).with_context(|| format!("can't open the journal {}", path.display()))?;
        let mut reader = BufReader::new(file);
        let mut contents = Contents { entries: Vec::new(), torn: false };
        let mut line = Vec::new();
        for number in 1_u64.. {
            line.clear();
            if reader.read_until(b'\n', &mut line)? == 0 {
                break;
            }
            if line.last() != Some(&b'\n') {
                contents.torn = true;
                break;
            }
            match serde_json::from_slice(&line) {
                Ok(entry) => contents.entries.push(entry),
                Err(_) => bail!("line {number} of the journal {} is not a fact", path.display()),
            }
        }
        Ok(contents)
    }
}

/// How long the file is up to and including its last line break.
fn length_of_whole_lines(file: &mut File) -> io::Result<u64> {
    const STEP: u64 = 4096;
    let mut end = file.seek(SeekFrom::End(0))?;
    let mut piece = Vec::new();
    while end > 0 {
        let start = end.saturating_sub(STEP);
        file.seek(SeekFrom::Start(start))?;
        piece.clear();
        Read::by_ref(file).take(end - start).read_to_end(&mut piece)?;
        if let Some(at) = piece.iter().rposition(|byte| *byte == b'\n') {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use ecs_domain::UserId;
    use uuid::Uuid;

    use super::*;

    fn key(n: u128) -> EventKey {
        let at = "2026-11-21T10:00:00Z".parse().unwrap();
        EventKey::derive(UserId::new(Uuid::from_u128(1)), &n.to_string(), at)
    }

    #[test]
    fn a_line_is_a_fact() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let journal = Journal::create(&path).unwrap();
        journal.note(State::Sent, Ledger::Transactions, key(1)).unwrap();
        let expect = format!(
            "{{\"state\":\"sent\",\"ledger\":\"transactions\",\"userId\":\"{}\",\"eventId\":\"{}\",\"day\":\"2026-11-21\"}}\n",
            key(1).user_id,
            key(1).event_id
        );
        assert_eq!(fs::read_to_string(&path).unwrap(), expect);
        assert!(Journal::create(&path).is_err(), "an existing journal is not overwritten");
    }

    #[test]
    fn a_torn_last_line_is_left_out_and_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let journal = Journal::append(&path).unwrap();
        journal.note_all(State::Sent, Ledger::Emotions, (1..=100).map(key)).unwrap();
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() - 9]).unwrap();

        let torn = Journal::read(&path).unwrap();
        assert!(torn.torn);
        assert_eq!(torn.entries.len(), 99);

        Journal::append(&path).unwrap().note(State::Accepted, Ledger::Emotions, key(1)).unwrap();
        let mended = Journal::read(&path).unwrap();
        assert!(!mended.torn);
        assert_eq!(mended.entries.len(), 100);
        assert_eq!(mended.entries.last().map(|entry| entry.state), Some(State::Accepted));
    }

    #[test]
    fn a_hole_in_the_middle_is_an_error_that_names_the_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        fs::write(&path, "{\"state\":\"se\n{}\n").unwrap();
        assert!(Journal::read(&path).unwrap_err().to_string().contains("line 1"));
    }

    #[test]
    fn tasks_that_share_a_journal_never_mix_their_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let journal = Journal::create(&path).unwrap();
        std::thread::scope(|scope| {
            for writer in 0..8_u128 {
                let journal = &journal;
                scope.spawn(move || {
                    for n in 0..200 {
                        journal.note(State::Sent, Ledger::Emotions, key(writer * 1000 + n)).unwrap();
                    }
                });
            }
        });
        assert_eq!(Journal::read(&path).unwrap().entries.len(), 1600);
    }
}
