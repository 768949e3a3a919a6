//! Seals what has come into the audit log and into the decision log, and leaves signed checkpoints of how far they are.

use std::convert::Infallible;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::time::Duration;

use ecs_store::StoreError;
use ecs_store::chain::Batch;
use ecs_web::auth::{Checkpoint, Log};
use ecs_work::{OnFailure, OnStop, Supervisor, periodic};

use crate::Deps;

/// How long an entry waits for its seal at most, while all is well.
const EVERY: Duration = Duration::from_secs(1);
/// How many entries a batch has at most.
const MOST: usize = 1_000;

/// Starts to seal. Where several processes do, one of them seals each batch.
pub(crate) fn start(deps: &Deps, supervisor: &Supervisor) {
    for (log, name) in [(Log::Audit, "operations/audit"), (Log::Decisions, "operations/decision-log")] {
        let (deps, token) = (deps.clone(), supervisor.token());
        supervisor.spawn(name, OnFailure::Log, OnStop::Wait, async move {
            // A process may have died between a seal and its checkpoint.
            if let Ok(Some(newest)) = newest(&deps, log).await {
                leave(&deps, log, &newest).await;
            }
            periodic(name, EVERY, token, || seal(&deps, log)).await;
            // What the last requests did.
            if let Err(error) = seal(&deps, log).await {
                tracing::warn!(%error, task = name, "a log is not sealed to its end");
            }
            Ok::<(), Infallible>(())
        });
    }
}

async fn newest(deps: &Deps, log: Log) -> Result<Option<Batch>, StoreError> {
    match log {
        Log::Audit => Ok(deps.store.audit_totals().await?.newest),
        Log::Decisions => Ok(deps.store.decision_totals().await?.log.newest),
    }
}

async fn seal(deps: &Deps, log: Log) -> Result<(), StoreError> {
    let next = async || match log {
        Log::Audit => deps.store.seal(deps.clock.now(), MOST).await,
        Log::Decisions => deps.store.seal_decisions(deps.clock.now(), MOST).await,
    };
    while let Some(batch) = next().await? {
        leave(deps, log, &batch).await;
    }
    Ok(())
}

/// The log of the process is one place where it is kept; a file elsewhere is another.
async fn leave(deps: &Deps, log: Log, batch: &Batch) {
    let checkpoint = deps.checkpoints.sign(log, batch.number, &batch.digest, batch.sealed_at);
    let Checkpoint { log, batch, digest, sealed_at, signer, signature } = &checkpoint;
    match log {
        Log::Audit => tracing::info!(batch, digest, %sealed_at, signer, signature, "audit checkpoint"),
        Log::Decisions => tracing::info!(batch, digest, %sealed_at, signer, signature, "decision checkpoint"),
    }
    let Some(path) = deps.checkpoint_file.clone() else { return };
    // The disk may be far away.
    let kept = tokio::task::spawn_blocking(move || append(&path, &checkpoint)).await;
    if let Err(error) = kept.map_err(std::io::Error::other).and_then(|kept| kept) {
        tracing::error!(%error, "a checkpoint could not be kept");
    }
}

/// What a process that died left of a line doesn't spoil the next one. Each line is one write behind the last, so several may append.
fn append(path: &Path, checkpoint: &Checkpoint) -> std::io::Result<()> {
    let mut file = std::fs::File::options().create(true).read(true).append(true).open(path)?;
    let mut line = Vec::new();
    if file.seek(SeekFrom::End(-1)).is_ok() {
        let mut last = [0];
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            line.push(b'\n');
        }
    }
    serde_json::to_writer(&mut line, checkpoint)?;
    line.push(b'\n');
    file.write_all(&line)?;
    file.sync_data()
}
