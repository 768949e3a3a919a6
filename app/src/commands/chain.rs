//! What the commands share that check a chained log: its digests, computed again and held against the checkpoints that were kept
//! elsewhere, on a running platform over HTTP, on a stopped one in its data.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use ecs_client::chain::{ChainBatch, ChainPiece};
use ecs_domain::{Clock as _, Timestamp};
use ecs_store::chain::{Batch, Chained, Digest, FIRST, Totals, digest};
use ecs_web::auth::{Checkpoint, Checkpoints, Log};
use serde::Serialize;

use super::reach::Reach;
use crate::cli::audit::VerifyArgs;
use crate::data_dir::DataDir;
use crate::operator;
use crate::platform::SystemClock;
use crate::settings::Settings;

/// How many batches are read at a time from a store.
pub(super) const PIECE: usize = 10;
/// How many seconds an entry may wait for its seal.
const PATIENCE: i64 = 60;

/// A log whose chain is checked.
pub(super) trait ChainedLog {
    /// Which one it is.
    const LOG: Log;
    /// What it is called.
    const NAME: &'static str;
    /// An entry as it is read.
    type Entry;
    /// An entry as it is digested.
    type Digested: Chained;

    /// Some batches from this number on.
    async fn piece(&self, reach: &Reach, from: u64) -> anyhow::Result<ChainPiece<Self::Entry>>;

    /// What is digested of an entry; none of one that can't be.
    fn digested(entry: &Self::Entry) -> Option<Self::Digested>;

    /// Looks at what an entry tells of, and says what is off.
    fn look(&mut self, _entry: &Self::Entry) -> Option<String> {
        None
    }
}

/// Checks a log to its end.
pub(super) async fn check<L: ChainedLog>(
    log: &mut L,
    args: &VerifyArgs,
    settings: &Settings,
) -> anyhow::Result<Report> {
    let auth = operator::auth(settings, &DataDir::new(&settings.data_dir), Arc::new(SystemClock))?;
    let signers = Checkpoints::new(&auth)?;
    let mut report = Report::default();
    let kept = kept(L::LOG, args, settings, &signers, &mut report)?;
    let reach = Reach::of(settings).await?;
    let walked = walk(log, &reach, &kept, &mut report).await;
    reach.close().await?;
    walked?;
    for Checkpoint { batch, .. } in kept.iter().filter(|kept| kept.batch > report.batches) {
        report.faults.push(format!("batch {batch} is gone: a checkpoint knows of it"));
    }
    Ok(report)
}

/// The checkpoints of a log that were kept and that one of ours signed; what else is among them is a fault. Only the file that embedded
/// mode keeps by itself may not be there yet.
fn kept(
    log: Log,
    args: &VerifyArgs,
    settings: &Settings,
    signers: &Checkpoints,
    report: &mut Report,
) -> anyhow::Result<Vec<Checkpoint>> {
    let named = args.checkpoints.clone().or_else(|| settings.checkpoints_file.clone());
    let text = match (named, settings.checkpoints()) {
        (Some(file), _) => read(&file)?,
        (None, Some(file)) if file.exists() => read(&file)?,
        (None, _) => String::new(),
    };
    let mut kept = Vec::new();
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        match serde_json::from_str::<Checkpoint>(line) {
            Ok(checkpoint) if checkpoint.log != log => {}
            Ok(checkpoint) if signers.verify(&checkpoint, &args.signers) => kept.push(checkpoint),
            Ok(Checkpoint { batch, .. }) => {
                report.faults.push(format!("the checkpoint of batch {batch} is not one that we have signed"));
            }
            // Of a process that died while it wrote: the next one begins a new line.
            Err(error) if error.is_eof() => {}
            Err(_) => report.faults.push(format!("line {} of the checkpoints is none", at + 1)),
        }
    }
    report.checkpoints = kept.len();
    Ok(kept)
}

fn read(file: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(file)
        .with_context(|| format!("the checkpoints in {} can't be read", file.display()))
}

/// What was found.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Report {
    /// How many batches there are.
    pub(super) batches: u64,
    /// How many entries they have.
    pub(super) entries: u64,
    /// How many more wait for their seal.
    pub(super) unsealed: u64,
    /// How many checkpoints they were held against.
    pub(super) checkpoints: usize,
    /// How many batches no checkpoint was kept of. A process that dies may leave one without.
    pub(super) unwitnessed: u64,
    /// What is not as it was; empty when all is well.
    pub(super) faults: Vec<String>,
}

impl Report {
    /// In words, with what else is known of the log called so.
    pub(super) fn in_words(&self, name: &str, more: &str) -> String {
        let Self { batches, entries, unsealed, checkpoints, unwitnessed, faults } = self;
        let mut text =
            format!("{entries} entries in {batches} batches, held against {checkpoints} checkpoints\n{more}");
        if *unsealed > 0 {
            text += &format!("{unsealed} more wait for their seal\n");
        }
        if *checkpoints == 0 {
            text += "without a checkpoint nobody knows whether the end was cut off\n";
        } else if *unwitnessed > 0 {
            text += &format!("of {unwitnessed} batches no checkpoint was kept\n");
        }
        text += &match faults.is_empty() {
            true => "nothing was changed".to_owned(),
            false => format!("{name} is not what it was:"),
        };
        faults.iter().fold(text, |text, fault| text + "\n  " + fault)
    }

    /// Holds what was in batches against what says that it is, and complains of what waits for its seal for too long.
    fn settle<E>(&mut self, piece: &ChainPiece<E>) {
        let ChainPiece { sealed, unsealed, oldest_unsealed, unlogged, undecided, .. } = *piece;
        self.unsealed = unsealed;
        if sealed != self.entries {
            let stray = sealed.abs_diff(self.entries);
            self.faults.push(format!("{stray} entries say that they are sealed and stand in no batch"));
        }
        let oldest = oldest_unsealed.and_then(|at| Timestamp::from_microsecond(at).ok());
        let waits = |oldest: &Timestamp| SystemClock.now().as_second() - oldest.as_second() > PATIENCE;
        if let Some(oldest) = oldest.filter(waits) {
            self.faults.push(format!("{unsealed} entries wait for their seal, the oldest since {oldest}"));
        }
        if unlogged > 0 {
            self.faults.push(format!("{unlogged} decisions or reviews are there that the log doesn't know"));
        }
        if undecided > 0 {
            self.faults.push(format!("{undecided} offers are there that nobody has decided"));
        }
    }

    /// Holds the next batch against the one before it, and against what was kept of it. Returns its digest.
    fn take<L: ChainedLog>(
        &mut self,
        log: &mut L,
        batch: &ChainBatch<L::Entry>,
        previous: &Digest,
        kept: &[Checkpoint],
    ) -> Digest {
        let number = batch.number;
        if number != self.batches + 1 {
            self.faults.push(format!("batch {} is gone", self.batches + 1));
        }
        let entries: Vec<L::Digested> = batch.entries.iter().filter_map(L::digested).collect();
        let found = entries.len() as u64;
        if found != batch.count {
            self.faults.push(format!("batch {number} had {} entries and has {found}", batch.count));
        }
        let computed = digest(number, previous, &entries);
        if hex::encode(computed) != batch.digest {
            self.faults.push(format!("batch {number} was changed, or the one before it"));
        }
        let mut of_it = kept.iter().filter(|kept| kept.batch == number).peekable();
        self.unwitnessed += u64::from(of_it.peek().is_none());
        if of_it.any(|kept| kept.digest != batch.digest || kept.sealed_at != batch.sealed_at) {
            self.faults.push(format!("batch {number} is another one than its checkpoint knows"));
        }
        self.faults.extend(batch.entries.iter().filter_map(|entry| log.look(entry)));
        (self.batches, self.entries) = (number, self.entries + found);
        // As the log has it: one fault is told once.
        let said = hex::decode(&batch.digest).ok().and_then(|bytes| bytes.try_into().ok());
        said.unwrap_or(computed)
    }
}

/// Walks the chain to its end, and holds what is in it against what there is: what says that it is sealed must stand in a batch. Both
/// grow while it is walked, so it is asked again until nothing has come in between.
async fn walk<L: ChainedLog>(
    log: &mut L,
    reach: &Reach,
    kept: &[Checkpoint],
    report: &mut Report,
) -> anyhow::Result<()> {
    let mut previous = FIRST;
    loop {
        let piece = log.piece(reach, report.batches + 1).await?;
        if piece.batches.is_empty() {
            report.settle(&piece);
            return Ok(());
        }
        for batch in &piece.batches {
            if batch.number <= report.batches {
                report.faults.push(format!("batch {} comes out of its turn", batch.number));
                return Ok(());
            }
            previous = report.take(log, batch, &previous, kept);
        }
    }
}

/// A batch of a store, as one that is read over HTTP.
pub(super) fn of_store<E>(batch: Batch, entries: Vec<E>) -> ChainBatch<E> {
    let Batch { number, entries: count, digest, sealed_at } = batch;
    ChainBatch { number, digest: hex::encode(digest), sealed_at, count, entries }
}

/// These batches of a store, and how much there was before they were read.
pub(super) fn piece_of<E>(totals: Totals, batches: Vec<ChainBatch<E>>) -> ChainPiece<E> {
    let Totals { sealed, unsealed, oldest_unsealed, newest: _ } = totals;
    ChainPiece { batches, sealed, unsealed, oldest_unsealed, unlogged: 0, undecided: 0 }
}
