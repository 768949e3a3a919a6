//! Builds an archive: each section as JSON while it is read, and as CSV from that JSON.
//!
//! A section is read once. Its CSV is made of the JSON that was just written, read back from the chunks, so both hold the same rows
//! whatever happens meanwhile, and neither is ever in memory as a whole.

use std::io;
use std::time::Duration;

use ecs_domain::clock::later;
use ecs_domain::consent::{Locale, Purpose};
use ecs_domain::{Clock, Timestamp};
use ecs_store::personal_data::{PersonalRow, Section};
use ecs_store::{ExportHold, Progress, Store, StoreError};
use flate2::DecompressError;
use tokio::time::Instant;
use zip::result::ZipError;

use super::archive::Archive;
use super::chunks::Chunks;
use super::inflate::Inflate;
use super::manifest::{self, Told};
use super::{csv, readme};

/// How many rows are read at once.
const PAGE: usize = 500;
/// The same of rows that hold whole events, each of which may have some hundred kilobytes.
const PAGE_OF_EVENTS: usize = 20;
/// How many compressed bytes are read back at once: what comes out may be a thousand times as much.
const PIECE: usize = 8 * 1024;
/// How often it is noted how far it came. The lease is much longer.
const NOTED: Duration = Duration::from_millis(200);
/// How long an attempt that says nothing is believed to be alive.
pub(super) const LEASE: Duration = Duration::from_secs(60);
/// How many words about a purpose are looked through for the person's language.
const WORDS: usize = 100;

/// Why an attempt ended without an archive.
#[derive(Debug, thiserror::Error)]
pub(super) enum Stop {
    /// It is somebody else's, or nobody's, by now.
    #[error("the export isn't this attempt's any more")]
    Lost,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the archive can't be written: {0}")]
    Zip(#[from] ZipError),
    #[error("the archive can't be written: {0}")]
    Write(#[from] io::Error),
    #[error("the archive can't be read back: {0}")]
    ReadBack(#[from] DecompressError),
    #[error("a row is no JSON: {0}")]
    Row(#[from] serde_json::Error),
}

/// What was built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Built {
    pub(super) progress: Progress,
    pub(super) bytes: u64,
}

/// Builds the archive of an attempt.
pub(super) async fn build(store: &dyn Store, clock: &dyn Clock, hold: ExportHold) -> Result<Built, Stop> {
    let begun_at = clock.now();
    let mut builder = Builder {
        store,
        clock,
        hold,
        archive: Archive::new(begun_at),
        chunks: Chunks::new(store, hold),
        progress: Progress { done: 0, total: total(store, hold).await? },
        noted: None,
    };
    builder.keep().await?;
    for section in Section::ALL {
        let begins = builder.write_json(*section).await?;
        builder.write_csv(*section, begins).await?;
    }
    builder.close(begun_at).await
}

async fn total(store: &dyn Store, hold: ExportHold) -> Result<u64, Stop> {
    let mut total = 0;
    for section in Section::ALL {
        total += store.count_personal_data(hold.user, *section).await?;
    }
    Ok(total)
}

struct Builder<'a> {
    store: &'a dyn Store,
    clock: &'a dyn Clock,
    hold: ExportHold,
    archive: Archive,
    chunks: Chunks<'a>,
    progress: Progress,
    noted: Option<Instant>,
}

impl Builder<'_> {
    /// An array with one object on each line. Returns where it begins in the archive.
    async fn write_json(&mut self, section: Section) -> Result<u64, Stop> {
        let begins = self.archive.begin(&format!("{}.json", section.as_str()), Some(section))?;
        self.archive.write(b"[")?;
        let most = match section {
            Section::DeadLetters | Section::Outbox => PAGE_OF_EVENTS,
            _ => PAGE,
        };
        let (mut place, mut before) = (None, "\n");
        loop {
            let page = self.store.personal_data(self.hold.user, section, place.as_ref(), most).await?;
            for row in &page.rows {
                self.archive.write_row(format!("{before}{row}").as_bytes())?;
                before = ",\n";
            }
            self.progress.done += page.rows.len() as u64;
            self.hand_on().await?;
            place = page.next;
            if place.is_none() {
                break;
            }
        }
        self.archive.write(b"\n]\n")?;
        Ok(begins)
    }

    /// The rows of the file before, which begins there.
    async fn write_csv(&mut self, section: Section, begins: u64) -> Result<(), Stop> {
        self.archive.begin(&format!("{}.csv", section.as_str()), Some(section))?;
        self.archive.write(csv::header(section.columns()).as_bytes())?;
        self.hand_on().await?;
        let (mut inflate, mut place, mut text) = (Inflate::default(), begins, Vec::new());
        loop {
            let bytes = self.chunks.read(place).await?;
            place += bytes.len() as u64;
            for piece in bytes.chunks(PIECE) {
                let has_ended = inflate.feed(piece, &mut text)?;
                self.write_lines(&mut text)?;
                self.hand_on().await?;
                if has_ended {
                    return Ok(());
                }
            }
            if bytes.is_empty() {
                return Err(Stop::Write(io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }

    /// Turns the lines that are whole, and leaves what comes behind them.
    fn write_lines(&mut self, text: &mut Vec<u8>) -> Result<(), Stop> {
        let Some(end) = text.iter().rposition(|byte| *byte == b'\n') else { return Ok(()) };
        for line in text[..end].split(|byte| *byte == b'\n') {
            // The lines of the array's brackets hold no row.
            let line = line.strip_suffix(b",").unwrap_or(line);
            if line.starts_with(b"{") {
                let row: PersonalRow = serde_json::from_slice(line)?;
                self.archive.write_row(csv::of(&row).as_bytes())?;
            }
        }
        text.drain(..=end);
        Ok(())
    }

    /// The files about the others, and the end.
    async fn close(mut self, begun_at: Timestamp) -> Result<Built, Stop> {
        let locale = self.language().await?;
        self.archive.begin("README.txt", None)?;
        self.archive.write(readme::of(locale).as_bytes())?;
        let told = Told { hold: self.hold, begun_at, finished_at: self.clock.now() };
        let manifest = manifest::of(&told, self.archive.files())?;
        self.archive.begin("manifest.json", None)?;
        self.archive.write(manifest.as_bytes())?;
        let Self { archive, mut chunks, progress, .. } = self;
        chunks.push(&archive.finish()?).await?;
        // More may have come than there was at first.
        let progress = Progress { total: progress.done, ..progress };
        Ok(Built { progress, bytes: chunks.finish().await? })
    }

    /// The language that the person was last asked in, else English.
    async fn language(&self) -> Result<Locale, Stop> {
        for purpose in Purpose::ALL {
            let said = self.store.consent_history(self.hold.user, purpose, WORDS).await?;
            if let Some(shown) = said.into_iter().find_map(|said| said.shown) {
                return Ok(shown.locale);
            }
        }
        Ok(Locale::En)
    }

    /// Hands what was compressed so far on to the store.
    async fn hand_on(&mut self) -> Result<(), Stop> {
        let bytes = self.archive.take();
        self.chunks.push(&bytes).await?;
        if self.noted.is_none_or(|noted| noted.elapsed() >= NOTED) {
            self.keep().await?;
        }
        Ok(())
    }

    /// Notes how far it came, and puts the end of the lease off.
    async fn keep(&mut self) -> Result<(), Stop> {
        let until = later(self.clock.now(), LEASE);
        if !self.store.advance_export(self.hold, self.progress, until).await? {
            return Err(Stop::Lost);
        }
        self.noted = Some(Instant::now());
        Ok(())
    }
}
