//! `ecs audit verify`: the chain of the audit log, computed again, on a running platform over HTTP, on a stopped one in its data.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use ecs_client::audit::{AuditBatch, SealedEntry};
use ecs_store::audit::{Digest, Entry, FIRST, digest};
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

pub(super) async fn run(args: &VerifyArgs, settings: &Settings) -> anyhow::Result<Outcome> {
    let kept = match args.checkpoints.clone().or_else(|| settings.checkpoints()) {
        Some(file) if args.checkpoints.is_some() || file.exists() => read(&file)?,
        Some(_) | None => Vec::new(),
    };
    let auth = operator::auth(settings, &DataDir::new(&settings.data_dir), Arc::new(SystemClock))?;
    let signers = Checkpoints::new(&auth)?;
    let (kept, forged): (Vec<Checkpoint>, Vec<Checkpoint>) =
        kept.into_iter().partition(|checkpoint| signers.verify(checkpoint, &args.signers));
    let reach = Reach::of(settings).await?;
    let mut report = Report { checkpoints: kept.len(), ..Report::default() };
    let walked = walk(&reach, &kept, &mut report).await;
    reach.close().await?;
    walked?;
    for Checkpoint { batch, signer, .. } in forged {
        report.faults.push(format!(
            "the checkpoint of batch {batch} is not signed by {signer}, or that is none of ours"
        ));
    }
    for Checkpoint { batch, .. } in kept.iter().filter(|kept| kept.batch > report.batches) {
        report.faults.push(format!("batch {batch} is gone: a checkpoint knows of it"));
    }
    say(&if args.json { serde_json::to_string_pretty(&report)? } else { report.in_words() });
    Ok(if report.faults.is_empty() { Outcome::Fine } else { Outcome::Off })
}

/// What was found.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Report {
    /// How many batches there are.
    batches: u64,
    /// How many entries they have.
    entries: u64,
    /// How many checkpoints they were held against.
    checkpoints: usize,
    /// What is not as it was; empty when all is well.
    faults: Vec<String>,
}

impl Report {
    fn in_words(&self) -> String {
        let Self { batches, entries, checkpoints, faults } = self;
        let mut text =
            format!("{entries} entries in {batches} batches, held against {checkpoints} checkpoints\n");
        if *checkpoints == 0 {
            text += "without a checkpoint nobody knows whether the end was cut off\n";
        }
        text += if faults.is_empty() { "nothing was changed" } else { "the audit log is not what it was:" };
        faults.iter().fold(text, |text, fault| text + "\n  " + fault)
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
        let of_it = kept.iter().filter(|kept| kept.batch == number);
        if of_it.into_iter().any(|kept| kept.digest != batch.digest) {
            self.faults.push(format!("batch {number} is another one than its checkpoint knows"));
        }
        (self.batches, self.entries) = (number, self.entries + found);
        // As the log has it: one fault is told once.
        let said = hex::decode(&batch.digest).ok().and_then(|bytes| bytes.try_into().ok());
        said.unwrap_or(computed)
    }
}

async fn walk(reach: &Reach, kept: &[Checkpoint], report: &mut Report) -> anyhow::Result<()> {
    let mut previous = FIRST;
    loop {
        let batches = match reach {
            Reach::Running(client) => {
                client.audit_batches(report.batches + 1).await.context("can't read the audit log")?
            }
            Reach::Data(storage) => of_store(storage.store()?.as_ref(), report.batches + 1).await?,
        };
        if batches.is_empty() {
            return Ok(());
        }
        for batch in &batches {
            previous = report.take(batch, &previous, kept);
        }
    }
}

async fn of_store(store: &dyn ecs_store::Store, from: u64) -> anyhow::Result<Vec<AuditBatch>> {
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
    Ok(batches)
}

fn entry(sealed: &SealedEntry) -> Entry {
    let SealedEntry { number, at, actor, act, subject, before, after } = sealed.clone();
    Entry { number, at, actor, act, subject, before, after, batch: None }
}

/// The checkpoints of a file. The last line may have been cut off when a process died.
fn read(file: &Path) -> anyhow::Result<Vec<Checkpoint>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("{} can't be read", file.display()))?;
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let lines = whole.lines().filter(|line| !line.trim().is_empty()).enumerate();
    lines
        .map(|(at, line)| {
            serde_json::from_str(line)
                .with_context(|| format!("{}, line {}: no checkpoint", file.display(), at + 1))
        })
        .collect()
}
