//! The archive itself: files that are compressed one after the other into bytes that are taken away as they come.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use ecs_domain::Timestamp;
use ecs_store::personal_data::Section;
use sha2::{Digest as _, Sha256};
use zip::result::ZipResult;
use zip::write::{SimpleFileOptions, StreamWriter};
use zip::{CompressionMethod, DateTime, ZipWriter};

/// A file that is in the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct File {
    pub(super) name: String,
    /// What it tells, when it tells a section.
    pub(super) section: Option<Section>,
    pub(super) rows: u64,
    pub(super) bytes: u64,
    /// Of its content, in hexadecimal digits.
    pub(super) sha256: String,
}

/// An archive that is being written.
pub(super) struct Archive {
    /// In a box, for it is large and moves with the future that it stands in.
    zip: Box<ZipWriter<StreamWriter<Tap>>>,
    tap: Tap,
    options: SimpleFileOptions,
    files: Vec<File>,
    open: Option<(File, Sha256)>,
}

impl Archive {
    /// One without files. `at` is when they will say that they were written.
    pub(super) fn new(at: Timestamp) -> Self {
        let tap = Tap::default();
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .last_modified_time(time(at).unwrap_or_default());
        let zip = Box::new(ZipWriter::new_stream(tap.clone()));
        Self { zip, tap, options, files: Vec::new(), open: None }
    }

    /// Begins a file, and ends the one before. Returns where in the archive its compressed content begins.
    pub(super) fn begin(&mut self, name: &str, section: Option<Section>) -> ZipResult<u64> {
        self.end();
        self.zip.start_file(name, self.options)?;
        let file = File { name: name.to_owned(), section, rows: 0, bytes: 0, sha256: String::new() };
        self.open = Some((file, Sha256::new()));
        Ok(self.tap.position())
    }

    /// Writes into the file that is open.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.zip.write_all(bytes)?;
        if let Some((file, digest)) = &mut self.open {
            file.bytes += bytes.len() as u64;
            digest.update(bytes);
        }
        Ok(())
    }

    /// Writes a row into the file that is open.
    pub(super) fn write_row(&mut self, row: &[u8]) -> io::Result<()> {
        if let Some((file, _)) = &mut self.open {
            file.rows += 1;
        }
        self.write(row)
    }

    /// The files that are whole.
    pub(super) fn files(&mut self) -> &[File] {
        self.end();
        &self.files
    }

    /// What was written since this was asked the last time. The compressor holds some of it back.
    pub(super) fn take(&self) -> Vec<u8> {
        self.tap.take()
    }

    /// Ends the archive. Returns its last bytes.
    pub(super) fn finish(self) -> ZipResult<Vec<u8>> {
        self.zip.finish()?;
        Ok(self.tap.take())
    }

    fn end(&mut self) {
        if let Some((file, digest)) = self.open.take() {
            let sha256 = hex::encode(digest.finalize());
            self.files.push(File { sha256, ..file });
        }
    }
}

/// The format knows no time zone; this is UTC.
fn time(at: Timestamp) -> Option<DateTime> {
    let at = jiff::tz::Offset::UTC.to_datetime(at);
    let [month, day, hour, minute, second] =
        [at.month(), at.day(), at.hour(), at.minute(), at.second()].map(i8::unsigned_abs);
    DateTime::from_date_and_time(u16::try_from(at.year()).ok()?, month, day, hour, minute, second).ok()
}

/// Where bytes come out while the compressor that makes them belongs to somebody else.
#[derive(Clone, Default)]
struct Tap(Arc<Mutex<Tapped>>);

#[derive(Default)]
struct Tapped {
    bytes: Vec<u8>,
    taken: u64,
}

impl Tap {
    fn take(&self) -> Vec<u8> {
        let mut tapped = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tapped.taken += tapped.bytes.len() as u64;
        std::mem::take(&mut tapped.bytes)
    }

    /// How many bytes came out so far.
    fn position(&self) -> u64 {
        let tapped = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tapped.taken + tapped.bytes.len() as u64
    }
}

impl Write for Tap {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Cursor, Read as _};

    use super::super::inflate::Inflate;

    #[test]
    fn files_come_out_in_pieces_and_are_whole_again() {
        let at = "2026-11-20T14:30:08Z".parse().unwrap();
        let (mut archive, mut bytes) = (Archive::new(at), Vec::new());
        let begins = archive.begin("a.json", Some(Section::Profile)).unwrap();
        for row in 0..10_000 {
            archive.write_row(format!("row {row}\n").as_bytes()).unwrap();
            bytes.extend(archive.take());
        }
        archive.begin("b.txt", None).unwrap();
        archive.write(b"b").unwrap();
        let files = archive.files().to_vec();
        bytes.extend(archive.finish().unwrap());

        let mut read = zip::ZipArchive::new(Cursor::new(&bytes)).unwrap();
        let mut text = String::new();
        let mut first = read.by_name("a.json").unwrap();
        assert_eq!(first.last_modified().map(|at| (at.year(), at.hour(), at.second())), Some((2026, 14, 8)));
        first.read_to_string(&mut text).unwrap();
        assert_eq!((text.lines().count(), text.len() as u64), (10_000, files[0].bytes));
        assert_eq!((files[0].rows, files[1].rows, files.len()), (10_000, 0, 2));
        assert_eq!(files[1].sha256, "3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d");

        let (mut again, mut inflate) = (Vec::new(), Inflate::default());
        for piece in bytes[usize::try_from(begins).unwrap()..].chunks(100) {
            if inflate.feed(piece, &mut again).unwrap() {
                break;
            }
        }
        assert_eq!(String::from_utf8(again).unwrap(), text, "what begins there is the file's content");
    }
}
