//! Reads what was compressed, piece by piece.

use flate2::{Decompress, DecompressError, FlushDecompress, Status};

/// How much room there is for what comes out at once.
const ROOM: usize = 32 * 1024;

/// A stream of compressed bytes, as an archive's files have it.
pub(super) struct Inflate(Decompress);

impl Default for Inflate {
    fn default() -> Self {
        Self(Decompress::new(false))
    }
}

impl Inflate {
    /// Takes the next bytes, and puts what they say behind `out`. Returns whether the stream has ended; what stands behind its end is
    /// not looked at.
    pub(super) fn feed(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) -> Result<bool, DecompressError> {
        loop {
            out.reserve(ROOM);
            let before = self.0.total_in();
            let status = self.0.decompress_vec(bytes, out, FlushDecompress::None)?;
            let taken = usize::try_from(self.0.total_in() - before).unwrap_or(usize::MAX);
            bytes = bytes.get(taken..).unwrap_or_default();
            let has_room = out.len() < out.capacity();
            match status {
                Status::StreamEnd => return Ok(true),
                Status::Ok | Status::BufError if bytes.is_empty() && has_room => return Ok(false),
                Status::Ok | Status::BufError => {}
            }
        }
    }
}
