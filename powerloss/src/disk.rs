//! The disk: its files, the count of what is done to them, and the cut.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::SeedableRng as _;
use rand::rngs::StdRng;

use crate::cut::{Action, Cut, FileKind, Moment, Trigger, moment};
use crate::directory::{Directory, InodeId};
use crate::handle::Handle;
use crate::inode::Inode;
use crate::locks::Owner;
pub use crate::wreck::Losses;

/// A disk with one folder, from when the power came on until it goes.
pub struct Disk {
    state: Mutex<State>,
    /// How long a sync takes: long enough for others to get in between.
    pub(crate) sync_time: Duration,
}

/// What is on the platter while the power is off.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Image {
    files: BTreeMap<String, Vec<u8>>,
}

/// Why an operation failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    PowerLost,
    NotFlushed,
    Busy,
    NotThere,
}

/// A file as it was opened: by which name, and what SQLite keeps in it.
#[derive(Debug, Clone)]
pub(crate) struct FileName {
    pub(crate) name: String,
    pub(crate) kind: FileKind,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) directory: Directory,
    inodes: BTreeMap<InodeId, Inode>,
    /// The last number that was given to a file or to one who opened it.
    last_number: u64,
    operations: u64,
    trigger: Option<Trigger>,
    /// The sync so many from now fails.
    failing_sync: Option<u64>,
    failed_syncs: u64,
    cut: Option<Cut>,
    /// Syncs under way.
    pub(crate) syncing: BTreeMap<Owner, FileName>,
}

impl Disk {
    /// An empty disk, whose syncs take `sync_time`.
    #[must_use]
    pub fn blank(sync_time: Duration) -> Arc<Self> {
        Self::restored(Image::default(), sync_time)
    }

    /// A disk as a cut has left it.
    #[must_use]
    pub fn restored(image: Image, sync_time: Duration) -> Arc<Self> {
        let mut state = State::default();
        let mut names = BTreeMap::new();
        for (name, content) in image.files {
            names.insert(name, state.adopt(Inode::restored(content)));
        }
        state.directory = Directory::restored(names);
        Arc::new(Self { state: Mutex::new(state), sync_time })
    }

    /// The disk as the next process finds it when only the process died, and the machine went on: what it wrote is there to
    /// read, synced or not. Its locks and its shared memory are gone. This disk is of no more use.
    #[must_use]
    pub fn outlived(&self) -> Arc<Self> {
        self.cut_now();
        let old = self.state();
        let state = State {
            directory: old.directory.clone(),
            inodes: old.inodes.iter().map(|(id, inode)| (*id, inode.outlived())).collect(),
            last_number: old.last_number,
            ..State::default()
        };
        Arc::new(Self { state: Mutex::new(state), sync_time: self.sync_time })
    }

    /// Cuts the power at an operation to come, in place of an earlier trigger.
    pub fn arm(&self, trigger: Trigger) {
        self.state().trigger = Some(trigger);
    }

    /// Takes the trigger back, and a failure of a sync.
    pub fn disarm(&self) {
        let mut state = self.state();
        state.trigger = None;
        state.failing_sync = None;
    }

    /// Makes a sync to come fail: 1 is the next. As on Linux, what it should have flushed will never be, though it can still be
    /// read, and the sync after it knows nothing of that.
    pub fn fail_sync(&self, nth: u64) {
        self.state().failing_sync = Some(nth);
    }

    /// Cuts the power at this moment, if it is still on.
    pub fn cut_now(&self) {
        let mut state = self.state();
        if state.cut.is_some() {
            return;
        }
        let syncing = state.syncing.first_key_value().map(|(_, file)| file.clone());
        state.cut = Some(match syncing {
            Some(file) => state.cut_in(&file, Action::Sync),
            None => Cut { moment: Moment::Idle, file: None, operation: state.operations },
        });
    }

    /// The cut, once it happened.
    #[must_use]
    pub fn cut(&self) -> Option<Cut> {
        self.state().cut.clone()
    }

    /// How many operations there were that changed or synced something.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// How many syncs have failed.
    #[must_use]
    pub fn failed_syncs(&self) -> u64 {
        self.state().failed_syncs
    }

    /// What a cut leaves on the platter; the power goes now if it is still on.
    #[must_use]
    pub fn wreck(&self, seed: u64) -> (Image, Losses) {
        self.cut_now();
        let mut random = StdRng::seed_from_u64(seed);
        let state = self.state();
        let (mut image, mut losses) = (Image::default(), Losses::default());
        for (name, inode) in state.directory.wreck(&mut random) {
            if let Some(inode) = state.inodes.get(&inode) {
                let (content, lost) = inode.wreck(&mut random);
                image.files.insert(name, content);
                losses.add(lost);
            }
        }
        (image, losses)
    }

    /// Opens the file of this name, or a new one without a name. Without `create` it has to be there.
    pub(crate) fn open(
        self: &Arc<Self>,
        name: Option<&str>,
        kind: FileKind,
        create: bool,
    ) -> Result<Handle, Failure> {
        let mut state = self.alive()?;
        let file = FileName { name: name.unwrap_or_default().to_owned(), kind };
        let inode = match name.and_then(|name| state.directory.find(name)) {
            Some(inode) => inode,
            None if !create => return Err(Failure::NotThere),
            None => {
                let inode = state.adopt(Inode::default());
                if let Some(name) = name {
                    state.directory.create(name, inode);
                }
                state.step(&file, Action::Name)?;
                inode
            }
        };
        let owner = state.number();
        Ok(Handle::new(Arc::clone(self), owner, inode, file))
    }

    /// Deletes a name. With `sync`, that is certain when this returns.
    pub(crate) fn delete(&self, name: &str, sync: bool) -> Result<(), Failure> {
        let mut state = self.alive()?;
        if !state.directory.delete(name) {
            return Err(Failure::NotThere);
        }
        let file = FileName { name: name.to_owned(), kind: FileKind::Journal };
        state.step(&file, Action::Name)?;
        if sync {
            state.directory.sync();
        }
        Ok(())
    }

    /// Whether there is a file of this name with something in it. An empty one is as good as none, as on Unix.
    pub(crate) fn exists(&self, name: &str) -> Result<bool, Failure> {
        let mut state = self.alive()?;
        let Some(inode) = state.directory.find(name) else { return Ok(false) };
        Ok(state.inode(inode).size() > 0)
    }

    /// The state of a disk that has power.
    pub(crate) fn alive(&self) -> Result<MutexGuard<'_, State>, Failure> {
        let state = self.state();
        if state.cut.is_some() { Err(Failure::PowerLost) } else { Ok(state) }
    }

    /// The state, with or without power.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    pub(crate) fn inode(&mut self, inode: InodeId) -> &mut Inode {
        self.inodes.entry(inode).or_default()
    }

    /// Counts an operation, which may be the one that the power goes at. What it changes is noted before, because a
    /// write that is interrupted may have got anywhere.
    pub(crate) fn step(&mut self, file: &FileName, action: Action) -> Result<(), Failure> {
        if file.kind == FileKind::Temporary {
            return Ok(());
        }
        self.operations += 1;
        let cut = self.cut_in(file, action);
        let Some(trigger) = &mut self.trigger else { return Ok(()) };
        if trigger.moment.is_some_and(|moment| moment != cut.moment) {
            return Ok(());
        }
        trigger.nth = trigger.nth.saturating_sub(1);
        if trigger.nth > 0 {
            return Ok(());
        }
        self.cut = Some(cut);
        Err(Failure::PowerLost)
    }

    /// Counts a sync, and says whether it is the one that fails.
    pub(crate) fn sync_fails(&mut self) -> bool {
        self.failing_sync = self.failing_sync.map(|nth| nth.saturating_sub(1));
        let fails = self.failing_sync == Some(0);
        if fails {
            self.failing_sync = None;
            self.failed_syncs += 1;
        }
        fails
    }

    fn cut_in(&self, file: &FileName, action: Action) -> Cut {
        let journaled = self.directory.find(&format!("{}-journal", file.name)).is_some();
        Cut {
            moment: moment(file.kind, action, journaled),
            file: Some(file.name.clone()),
            operation: self.operations,
        }
    }

    fn adopt(&mut self, inode: Inode) -> InodeId {
        let number = self.number();
        self.inodes.insert(number, inode);
        number
    }

    fn number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }
}
