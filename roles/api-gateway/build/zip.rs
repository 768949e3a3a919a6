//! As much of the zip format as it takes to find an entry (PKWARE's APPNOTE, 4.3 and 4.4).

/// A file in an archive.
pub(crate) struct Entry<'a> {
    deflated: bool,
    crc: u32,
    size: u32,
    data: &'a [u8],
}

const CENTRAL_HEADER: u32 = 0x0201_4b50;
const END_OF_DIRECTORY: u32 = 0x0605_4b50;

/// The entry whose path below the archive's only folder is `path`.
pub(crate) fn find<'a>(archive: &'a [u8], path: &str) -> Option<Entry<'a>> {
    // The archive has a comment, so its last record is looked for from behind.
    let end = (0..archive.len().saturating_sub(21))
        .rev()
        .find(|at| u32_at(archive, *at) == Some(END_OF_DIRECTORY))?;
    let mut at = u32_at(archive, end + 16)? as usize;
    while u32_at(archive, at)? == CENTRAL_HEADER {
        let [name, extra, comment] = [28, 30, 32].map(|offset| u16_at(archive, at + offset));
        let (name, rest) = (usize::from(name?), usize::from(extra?) + usize::from(comment?));
        let full = std::str::from_utf8(archive.get(at + 46..at + 46 + name)?).ok()?;
        if full.split_once('/').is_some_and(|(_, below)| below == path) {
            return entry(archive, at);
        }
        at += 46 + name + rest;
    }
    None
}

/// The entry of the record at `at` of the central directory.
fn entry(archive: &[u8], at: usize) -> Option<Entry<'_>> {
    let packed = u32_at(archive, at + 20)? as usize;
    let local = u32_at(archive, at + 42)? as usize;
    let names = usize::from(u16_at(archive, local + 26)?) + usize::from(u16_at(archive, local + 28)?);
    let start = local + 30 + names;
    Some(Entry {
        deflated: match u16_at(archive, at + 10)? {
            0 => false,
            8 => true,
            _ => return None,
        },
        crc: u32_at(archive, at + 16)?,
        size: u32_at(archive, at + 24)?,
        data: archive.get(start..start + packed)?,
    })
}

impl Entry<'_> {
    /// The file as a gzip file (RFC 1952).
    pub(crate) fn gzip(&self) -> Vec<u8> {
        // The magic, the method, no flags, no time, no hint, no system.
        let mut gzip = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
        if !self.deflated {
            // A stored file is a stored block, the last one: its length and the complement of that (RFC 1951, 3.2.4).
            let length = u16::try_from(self.data.len()).unwrap_or_default();
            gzip.push(1);
            gzip.extend(length.to_le_bytes());
            gzip.extend((!length).to_le_bytes());
        }
        gzip.extend(self.data);
        gzip.extend(self.crc.to_le_bytes());
        gzip.extend(self.size.to_le_bytes());
        gzip
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes)
}
