//! An open file: what SQLite does with it, in safe code. The names and their meaning are those of its VFS.

use std::ffi::c_void;
use std::sync::Arc;

use crate::cut::{Action, FileKind};
use crate::directory::InodeId;
use crate::disk::{Disk, Failure, FileName};
use crate::inode::Change;
use crate::locks::{Busy, Level, Owner, Slot};

/// A file that a connection has open.
pub(crate) struct Handle {
    disk: Arc<Disk>,
    owner: Owner,
    inode: InodeId,
    file: FileName,
    /// The first sync makes the file's name durable too. SQLite's own file system does so for logs and journals.
    sync_folder: bool,
}

impl From<Busy> for Failure {
    fn from(Busy: Busy) -> Self {
        Self::Busy
    }
}

impl Handle {
    pub(crate) fn new(disk: Arc<Disk>, owner: Owner, inode: InodeId, file: FileName) -> Self {
        let sync_folder = matches!(file.kind, FileKind::Log | FileKind::Journal);
        Self { disk, owner, inode, file, sync_folder }
    }

    /// Fills `buffer` as far as the file goes, and returns how far that was.
    pub(crate) fn read(&self, offset: usize, buffer: &mut [u8]) -> Result<usize, Failure> {
        Ok(self.disk.alive()?.inode(self.inode).read(offset, buffer))
    }

    pub(crate) fn write(&self, offset: usize, bytes: &[u8]) -> Result<(), Failure> {
        self.change(Change::Write { offset, bytes: bytes.to_vec() }, Action::Write)
    }

    pub(crate) fn truncate(&self, size: usize) -> Result<(), Failure> {
        self.change(Change::Resize(size), Action::Truncate)
    }

    fn change(&self, change: Change, action: Action) -> Result<(), Failure> {
        let mut state = self.disk.alive()?;
        state.inode(self.inode).change(change);
        state.step(&self.file, action)
    }

    /// Flushes what was written before this call. Others go on meanwhile, and the power may go before anything is flushed,
    /// or after all of it is and before the caller hears of that.
    pub(crate) fn sync(&mut self) -> Result<(), Failure> {
        let mark = {
            let mut state = self.disk.alive()?;
            state.step(&self.file, Action::Sync)?;
            state.syncing.insert(self.owner, self.file.clone());
            state.inode(self.inode).mark()
        };
        std::thread::sleep(self.disk.sync_time);
        let mut state = self.disk.alive()?;
        state.syncing.remove(&self.owner);
        if state.sync_fails() {
            state.inode(self.inode).forsaken(mark);
            return Err(Failure::NotFlushed);
        }
        state.inode(self.inode).flushed(mark);
        if self.sync_folder {
            state.directory.sync();
            self.sync_folder = false;
        }
        state.step(&self.file, Action::Sync)
    }

    pub(crate) fn size(&self) -> Result<usize, Failure> {
        Ok(self.disk.alive()?.inode(self.inode).size())
    }

    pub(crate) fn lock(&self, level: Level) -> Result<(), Failure> {
        Ok(self.disk.alive()?.inode(self.inode).locks.raise(self.owner, level)?)
    }

    pub(crate) fn unlock(&self, level: Level) {
        self.disk.state().inode(self.inode).locks.lower(self.owner, level);
    }

    pub(crate) fn is_reserved(&self) -> Result<bool, Failure> {
        Ok(self.disk.alive()?.inode(self.inode).locks.is_reserved())
    }

    pub(crate) fn map(
        &self,
        number: usize,
        size: usize,
        extend: bool,
    ) -> Result<Option<*mut c_void>, Failure> {
        let mut state = self.disk.alive()?;
        Ok(state.inode(self.inode).memory.region(self.owner, number, size, extend))
    }

    pub(crate) fn slot(&self, first: usize, count: usize, what: Slot) -> Result<(), Failure> {
        let mut state = match what {
            Slot::Share | Slot::Take => self.disk.alive()?,
            Slot::Leave => self.disk.state(),
        };
        Ok(state.inode(self.inode).memory.slots.apply(self.owner, first, count, what)?)
    }

    pub(crate) fn unmap(&self) {
        self.disk.state().inode(self.inode).memory.leave(self.owner);
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.unmap();
        self.unlock(Level::None);
    }
}
