//! The bytes of an archive on their way into the store, and back while it is being built.

use ecs_store::{CHUNK_BYTES, ExportHold, Store};

use super::build::Stop;

/// What was written of an archive. All chunks but the last have the same size, so a place in the archive tells its chunk.
pub(super) struct Chunks<'a> {
    store: &'a dyn Store,
    hold: ExportHold,
    written: u32,
    /// What doesn't fill a chunk yet.
    rest: Vec<u8>,
}

impl<'a> Chunks<'a> {
    pub(super) fn new(store: &'a dyn Store, hold: ExportHold) -> Self {
        Self { store, hold, written: 0, rest: Vec::new() }
    }

    /// Adds bytes.
    pub(super) async fn push(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        let mut bytes = bytes;
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(CHUNK_BYTES - self.rest.len()));
            self.rest.extend_from_slice(now);
            bytes = later;
            if self.rest.len() == CHUNK_BYTES {
                self.write().await?;
            }
        }
        Ok(())
    }

    /// Writes what is left. Returns how many bytes there are in all.
    pub(super) async fn finish(mut self) -> Result<u64, Stop> {
        let all = self.stored() + self.rest.len() as u64;
        if !self.rest.is_empty() {
            self.write().await?;
        }
        Ok(all)
    }

    /// The bytes from a place on, as far as they stand together; none behind the end.
    pub(super) async fn read(&self, from: u64) -> Result<Vec<u8>, Stop> {
        if let Some(behind) = from.checked_sub(self.stored()) {
            let behind = usize::try_from(behind).unwrap_or(usize::MAX);
            return Ok(self.rest.get(behind..).unwrap_or_default().to_vec());
        }
        let number = u32::try_from(from / CHUNK_BYTES as u64).unwrap_or(u32::MAX);
        let chunk = self.store.export_chunk(self.hold.user, self.hold.id, number).await?;
        // Whoever removed it, or began it anew, took the chunks along.
        let mut chunk = chunk.ok_or(Stop::Lost)?;
        chunk.drain(..usize::try_from(from % CHUNK_BYTES as u64).unwrap_or(0).min(chunk.len()));
        Ok(chunk)
    }

    fn stored(&self) -> u64 {
        u64::from(self.written) * CHUNK_BYTES as u64
    }

    async fn write(&mut self) -> Result<(), Stop> {
        let chunk = std::mem::take(&mut self.rest);
        if !self.store.write_export_chunk(self.hold, self.written, chunk).await? {
            return Err(Stop::Lost);
        }
        self.written += 1;
        Ok(())
    }
}
