//! Cut after cut, each life carrying on from what the last cut left, and every so often a blank disk.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use ecs_powerloss::{Cut, Disk, Image, Moment, Trigger};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::runtime::Runtime;
use tokio::time::Instant;

use crate::life::{Conditions, Durability, Life};
use crate::load::{CROWD, Load};
use crate::promises::Promises;
use crate::tally::{Phase, Tally};

/// How many cuts a disk lives through before a blank one takes its place.
const CHAIN: u64 = 10;
/// One in so many times only the process dies at first, with the power on, and its successor sees what is not synced.
const KILL: u32 = 4;
/// One in so many lives sees a sync fail before the power goes.
const FAILURE: u32 = 5;
/// One in so many lives ends with a stop in good order, and the power goes in that or after it.
const STOP: u32 = 6;
/// Every so many lives the files are looked through as well.
const INTEGRITY: u64 = 4;
/// How long a load may take to reach the operation that the power goes at; then it goes at any.
const PATIENCE: Duration = Duration::from_secs(4);
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// What may not be.
#[derive(Debug)]
pub(crate) enum Breach {
    /// The platform didn't start after a cut.
    DoesNotStart(String),
    /// It started, and what was accepted didn't come to its end.
    DoesNotSettle(String),
    /// It does not keep what was promised.
    BrokenPromises(Vec<String>),
    /// Its books don't balance.
    Books(Vec<String>),
    /// SQLite finds a file damaged.
    Damaged(Vec<String>),
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DoesNotStart(why) => write!(f, "the platform doesn't start: {why}"),
            Self::DoesNotSettle(why) => write!(f, "the platform doesn't catch up: {why}"),
            Self::BrokenPromises(all) => write!(f, "broken promises: {}", all.join("; ")),
            Self::Books(all) => write!(f, "the books don't balance: {}", all.join("; ")),
            Self::Damaged(faults) => write!(f, "damaged files: {}", faults.join("; ")),
        }
    }
}

impl Breach {
    #[expect(clippy::needless_pass_by_value, reason = "it maps errors")]
    fn does_not_stop(error: anyhow::Error) -> Self {
        Self::DoesNotSettle(format!("it doesn't stop: {error:#}"))
    }

    pub(crate) fn is_a_broken_promise(&self) -> bool {
        matches!(self, Self::BrokenPromises(_))
    }
}

/// A breach, with what is needed to see it again.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) breach: Breach,
    seed: u64,
    cuts: u64,
    last_cuts: Vec<String>,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { breach, seed, cuts, last_cuts } = self;
        write!(f, "seed {seed}, after {cuts} cuts ({}): {breach}", last_cuts.join("; "))
    }
}

/// A row of cuts, drawn from a seed.
pub(crate) struct Campaign {
    seed: u64,
    durability: Durability,
    random: StdRng,
    /// Where the callers run: they survive every cut.
    outside: Runtime,
    tally: Tally,
    lives: u64,
    chain: Chain,
}

/// What one disk has lived through.
#[derive(Default)]
struct Chain {
    left: Left,
    promises: Arc<Promises>,
    names: Arc<AtomicU64>,
    cuts: Vec<String>,
    /// Whether the platform has been seen to be whole since the last cut.
    is_checked: bool,
}

/// What the last life has left.
enum Left {
    /// The power went.
    Wreck(Image),
    /// Only the process died, and the disk goes on with what was not synced.
    Disk(Arc<Disk>),
}

impl Default for Left {
    fn default() -> Self {
        Self::Wreck(Image::default())
    }
}

impl Campaign {
    pub(crate) fn new(seed: u64, durability: Durability) -> Self {
        let outside = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        Self {
            seed,
            durability,
            random: StdRng::seed_from_u64(seed),
            outside: outside.unwrap(),
            tally: Tally::default(),
            lives: 0,
            chain: Chain::default(),
        }
    }

    /// How many cuts there were so far.
    pub(crate) fn cuts(&self) -> u64 {
        self.tally.cuts()
    }

    /// The sums, when the last run left everything whole.
    pub(crate) fn finish(mut self) -> Tally {
        self.chain.promises.settle_up(&mut self.tally);
        self.tally
    }

    /// So many more cuts, and a last look at what they left. After a breach the next run begins with a blank disk.
    pub(crate) fn run(&mut self, cuts: u64) -> Result<(), Broken> {
        let end = self.tally.cuts() + cuts;
        let mut run = || {
            while self.tally.cuts() < end {
                if self.chain.cuts.len() as u64 >= CHAIN && self.chain.is_checked {
                    self.chain.promises.settle_up(&mut self.tally);
                    self.chain = Chain::default();
                }
                self.live(true)?;
            }
            while !self.chain.is_checked {
                self.live(false)?;
            }
            Ok(())
        };
        let result = run();
        self.conclude(result)
    }

    fn conclude(&mut self, result: Result<(), Breach>) -> Result<(), Broken> {
        let Err(breach) = result else {
            return Ok(());
        };
        let chain = std::mem::take(&mut self.chain);
        let (seed, cuts) = (self.seed, self.tally.cuts());
        Err(Broken { breach, seed, cuts, last_cuts: chain.cuts })
    }

    /// Power on, start, catch up, check, load, power off. The power may go in any of that when `cut` says so.
    fn live(&mut self, cut: bool) -> Result<(), Breach> {
        self.lives += 1;
        self.chain.is_checked = false;
        let sync_time = Duration::from_micros(self.random.random_range(20..400));
        let (disk, is_killed) = match std::mem::take(&mut self.chain.left) {
            Left::Wreck(image) => (Disk::restored(image, sync_time), false),
            Left::Disk(disk) => (disk, true),
        };
        if cut {
            self.arm_for_the_start(&disk);
        }
        let conditions = Conditions {
            durability: self.durability,
            checkpoint_pages: [8, 30, 100, 1000][self.random.random_range(0..4)],
        };
        let life = match Life::start(Arc::clone(&disk), conditions) {
            Ok(life) => life,
            Err(_) if disk.cut().is_some() => {
                self.note_cut(Phase::Starting, &disk);
                return Ok(());
            }
            Err(error) => return Err(Breach::DoesNotStart(format!("{error:#}"))),
        };
        disk.disarm();
        let phase = self.serve(&life, cut, is_killed);
        match phase {
            Ok(Some(Phase::Stopping)) => life.stop().map_err(Breach::does_not_stop)?,
            Ok(_) | Err(_) => life.end(),
        }
        match phase? {
            Some(phase) => self.note_cut(phase, &disk),
            None => self.chain.left = Left::Disk(disk.outlived()),
        }
        Ok(())
    }

    /// What happens between start and end. Returns in which phase the power went, if it did.
    fn serve(&mut self, life: &Life, cut: bool, is_killed: bool) -> Result<Option<Phase>, Breach> {
        // What a killed process has left unsynced is in danger until something syncs it, so the power goes soon.
        let soon = if is_killed { 0.5 } else { 0.15 };
        if cut && self.random.random_bool(soon) {
            life.disk.arm(Trigger { moment: None, nth: self.random.random_range(1..40) });
        }
        let checked = self.check(life);
        if life.disk.cut().is_some() {
            return Ok(Some(Phase::CatchingUp));
        }
        checked?;
        if cut && is_killed {
            life.disk.cut_now();
            return Ok(Some(Phase::CatchingUp));
        }
        self.chain.is_checked = true;
        if !cut {
            return Ok(None);
        }
        if self.random.random_ratio(1, FAILURE) {
            life.disk.fail_sync(self.random.random_range(1..60));
        }
        if self.random.random_ratio(1, STOP) {
            self.load(life, None, false);
            life.disk.disarm();
            life.disk.arm(Trigger { moment: None, nth: self.random.random_range(1..60) });
            return Ok(Some(Phase::Stopping));
        }
        let trigger = self.trigger();
        self.load(life, trigger, true);
        Ok(Some(Phase::Serving))
    }

    fn check(&mut self, life: &Life) -> Result<(), Breach> {
        let unsettled = |error: anyhow::Error| Breach::DoesNotSettle(format!("{error:#}"));
        let books = life.settle().map_err(unsettled)?;
        let client = life.operator();
        let broken = self.outside.block_on(self.chain.promises.check(&client)).map_err(unsettled)?;
        if !broken.is_empty() {
            return Err(Breach::BrokenPromises(broken));
        }
        if !books.is_empty() {
            return Err(Breach::Books(books));
        }
        if self.lives.is_multiple_of(INTEGRITY) {
            let faults = life.faults().map_err(|error| Breach::Damaged(vec![error.to_string()]))?;
            if !faults.is_empty() {
                return Err(Breach::Damaged(faults));
            }
        }
        life.disk.disarm();
        self.tally.checks += 1;
        Ok(())
    }

    /// Callers at work until the trigger's operation comes, or for a moment without one. Then the power goes, if `cut` says so.
    fn load(&mut self, life: &Life, trigger: Option<Trigger>, cut: bool) {
        let (disk, client, seed) = (Arc::clone(&life.disk), life.operator(), self.random.random());
        let a_moment = Duration::from_micros(self.random.random_range(5_000..250_000));
        let patience = if trigger.is_some() { PATIENCE } else { a_moment };
        let (promises, names) = (&self.chain.promises, &self.chain.names);
        // Most of the time a crowd, and at times one or two whose events stand alone.
        let callers = if self.random.random_ratio(1, 4) { self.random.random_range(1..=2) } else { CROWD };
        self.outside.block_on(async {
            let load = Load::start(&client, promises, names, self.lives, seed, callers);
            if let Some(trigger) = trigger {
                disk.arm(trigger);
            }
            let deadline = Instant::now() + patience;
            while disk.cut().is_none() && Instant::now() < deadline {
                tokio::time::sleep(LOOK_EVERY).await;
            }
            if cut {
                disk.cut_now();
            }
            load.stop().await;
        });
    }

    /// At which operation under load the power goes; at any moment when `None`.
    fn trigger(&mut self) -> Option<Trigger> {
        let random = &mut self.random;
        let (moment, most) = match random.random_range(0..20_u32) {
            0..5 => (Some(Moment::CommitWrite), 300),
            5..10 => (Some(Moment::CommitSync), 150),
            10..15 => (Some(Moment::Checkpoint), 100),
            15..18 => (None, 500),
            _ => return None,
        };
        Some(Trigger { moment, nth: random.random_range(1..=most) })
    }

    /// Files that are being made are cut at any operation of that, the last ones included. Later on a start writes nothing,
    /// unless the cut has left something to work off.
    fn arm_for_the_start(&mut self, disk: &Disk) {
        let is_new = self.chain.promises.is_empty();
        let (odds, most) = if is_new { (0.7, 180) } else { (0.3, 30) };
        let (moment, most) = match self.random.random_range(0..6_u32) {
            0 if is_new => (Some(Moment::Creation), 30),
            1 if is_new => (Some(Moment::Naming), 8),
            _ => (None, most),
        };
        if self.random.random_bool(odds) {
            disk.arm(Trigger { moment, nth: self.random.random_range(1..=most) });
        }
    }

    fn note_cut(&mut self, phase: Phase, disk: &Disk) {
        let cut: Cut = disk.cut().unwrap();
        self.tally.failed_syncs += disk.failed_syncs();
        if self.random.random_ratio(1, KILL) {
            self.chain.cuts.push(format!("{phase}, killed: {cut}"));
            self.chain.left = Left::Disk(disk.outlived());
            self.tally.kills += 1;
            return;
        }
        let (image, losses) = disk.wreck(self.random.random());
        self.chain.left = Left::Wreck(image);
        self.chain.cuts.push(format!("{phase}: {cut}"));
        self.tally.add_cut(phase, &cut, losses);
    }
}
