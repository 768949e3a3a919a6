//! `ecs audit verify`: the chain of the audit log, computed again, on a running platform over HTTP, on a stopped one in its data.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use ecs_client::audit::{AuditBatch, AuditPiece, SealedEntry};
use ecs_domain::{Clock as _, Timestamp};
use ecs_store::audit::{Digest, Entry, FIRST, Totals, digest};
use ecs_web::auth::{Checkpoint, Checkpoints};
use serde::Serialize;

use super::reach::Reach;
use super::{Outcome, say};
use crate::cli::audit::VerifyArgs;
use crate::data_dir::DataDir;
use crate::operator;
use crate::platform::SystemClock;
use crate::settings::Settings;

/// How many batches are read at a time from a store.
const PIECE: usize = 10;
/// How many seconds an entry may wait for its seal.
const PATIENCE: i64 = 60;

pub(super) async fn run(args: &VerifyArgs, settings: &Settings) -> anyhow::Result<Outcome> {
    let auth = operator::auth(settings, &DataDir::new(&settings.data_dir), Arc::new(SystemClock))?;
    let signers = Checkpoints::new(&auth)?;
    let mut report = Report::default();
    let kept = kept(args, settings, &signers, &mut report)?;
    let reach = Reach::of(settings).await?;
    let walked = walk(&reach, &kept, &mut report).await;
    reach.close().await?;
    walked?;
    for Checkpoint { batch, .. } in kept.iter().filter(|kept| kept.batch > report.batches) {
        report.faults.push(format!("batch {batch} is gone: a checkpoint knows of it"));
    }
    say(&if args.json { serde_json::to_string_pretty(&report)? } else { report.in_words() });
    Ok(if report.faults.is_empty() { Outcome::Fine } else { Outcome::Off })
}

/// The checkpoints that were kept and that one of ours signed; what else is among them is a fault. Only the file that embedded mode keeps
/// by itself may not be there yet.
fn kept(
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
struct Report {
    /// How many batches there are.
    batches: u64,
    /// How many entries they have.
    entries: u64,
    /// How many more wait for their seal.
    unsealed: u64,
    /// How many checkpoints they were held against.
    checkpoints: usize,
    /// What is not as it was; empty when all is well.
    faults: Vec<String>,
}

impl Report {
    fn in_words(&self) -> String {
        let Self { batches, entries, unsealed, checkpoints, faults } = self;
        let mut text =
            format!("{entries} entries in {batches} batches, held against {checkpoints} checkpoints\n");
        if *unsealed > 0 {
            text += &format!("{unsealed} more wait for their seal\n");
        }
        if *checkpoints == 0 {
            text += "without a checkpoint nobody knows whether the end was cut off\n";
        }
        text += if faults.is_empty() { "nothing was changed" } else { "the audit log is not what it was:" };
        faults.iter().fold(text, |text, fault| text + "\n  " + fault)
    }

    /// Holds what was in batches against what says that it is, and complains of what waits for its seal for too long.
    fn settle(&mut self, piece: &AuditPiece) {
        let AuditPiece { sealed, unsealed, oldest_unsealed, .. } = *piece;
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
    }

    /// Holds the next batch against the one before it, and against what was kept of it. Returns its digest.
    fn take(&mut self, batch: &AuditBatch, previous: &Digest, kept: &[Checkpoint]) -> Digest {
        let number = batch.number;
        if number != self.batches + 1 {
            self.faults.push(format!("batch {} is gone", self.batches + 1));
        }
        let entries: Vec<Entry> = batch.entries.iter().map(entry).collect();
        let found = entries.len() as u64;
        if found != batch.count {
            self.faults.push(format!("batch {number} had {} entries and has {found}", batch.count));
        }
        let computed = digest(number, previous, &entries);
        if hex::encode(computed) != batch.digest {
            self.faults.push(format!("batch {number} was changed, or the one before it"));
        }
        let mut of_it = kept.iter().filter(|kept| kept.batch == number);
        if of_it.any(|kept| kept.digest != batch.digest || kept.sealed_at != batch.sealed_at) {
            self.faults.push(format!("batch {number} is another one than its checkpoint knows"));
        }
        (self.batches, self.entries) = (number, self.entries + found);
        // As the log has it: one fault is told once.
        let said = hex::decode(&batch.digest).ok().and_then(|bytes| bytes.try_into().ok());
        said.unwrap_or(computed)
    }
}

/// Walks the chain to its end, and holds what is in it against what there is: what says that it is sealed must stand in a batch. Both
/// grow while it is walked, so it is asked again until nothing has come in between.
async fn walk(reach: &Reach, kept: &[Checkpoint], report: &mut Report) -> anyhow::Result<()> {
    let mut previous = FIRST;
    loop {
        let piece = match reach {
            Reach::Running(client) => {
                client.audit_batches(report.batches + 1).await.context("can't read the audit log")?
            }
            Reach::Data(storage) => of_store(storage.store()?.as_ref(), report.batches + 1).await?,
        };
        if piece.batches.is_empty() {
            report.settle(&piece);
            return Ok(());
        }
        for batch in &piece.batches {
            if batch.number <= report.batches {
                report.faults.push(format!("batch {} comes out of its turn", batch.number));
                return Ok(());
            }
            previous = report.take(batch, &previous, kept);
        }
    }
}

async fn of_store(store: &dyn ecs_store::Store, from: u64) -> anyhow::Result<AuditPiece> {
    let Totals { sealed, unsealed, oldest_unsealed, newest: _ } = store.audit_totals().await?;
    let mut batches = Vec::new();
    for batch in store.batches(from, PIECE).await? {
        let entries = store.entries_of(Some(batch.number)).await?.into_iter().map(|entry| {
            let Entry { number, at, actor, act, subject, before, after, batch: _ } = entry;
            SealedEntry { number, at, actor, act, subject, before, after }
        });
        batches.push(AuditBatch {
            number: batch.number,
            digest: hex::encode(batch.digest),
            sealed_at: batch.sealed_at,
            count: batch.entries,
            entries: entries.collect(),
        });
    }
    Ok(AuditPiece { batches, sealed, unsealed, oldest_unsealed })
}

fn entry(sealed: &SealedEntry) -> Entry {
    let SealedEntry { number, at, actor, act, subject, before, after } = sealed.clone();
    Entry { number, at, actor, act, subject, before, after, batch: None }
}
