//! Seals what has come into the audit log, and leaves a signed checkpoint of how far it is.

use std::convert::Infallible;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::time::Duration;

use ecs_store::StoreError;
use ecs_store::audit::{Batch, Totals};
use ecs_web::auth::Checkpoint;
use ecs_work::{OnFailure, OnStop, Supervisor, periodic};

use crate::Deps;

/// How long an entry waits for its seal at most, while all is well.
const EVERY: Duration = Duration::from_secs(1);
/// How many entries a batch has at most.
const MOST: usize = 1_000;

/// Starts to seal. Where several processes do, one of them seals each batch.
pub(crate) fn start(deps: &Deps, supervisor: &Supervisor) {
    let (deps, token) = (deps.clone(), supervisor.token());
    supervisor.spawn("operations/audit", OnFailure::Log, OnStop::Wait, async move {
        // A process may have died between a seal and its checkpoint.
        if let Ok(Totals { newest: Some(newest), .. }) = deps.store.audit_totals().await {
            leave(&deps, &newest).await;
        }
        periodic("operations/audit", EVERY, token, || seal(&deps)).await;
        // What the last requests did.
        if let Err(error) = seal(&deps).await {
            tracing::warn!(%error, "the audit log is not sealed to its end");
        }
        Ok::<(), Infallible>(())
    });
}

async fn seal(deps: &Deps) -> Result<(), StoreError> {
    while let Some(batch) = deps.store.seal(deps.clock.now(), MOST).await? {
        leave(deps, &batch).await;
    }
    Ok(())
}

/// The log of the process is one place where it is kept; a file elsewhere is another.
async fn leave(deps: &Deps, batch: &Batch) {
    let checkpoint = deps.checkpoints.sign(batch.number, &batch.digest, batch.sealed_at);
    let Checkpoint { batch, digest, sealed_at, signer, signature } = &checkpoint;
    tracing::info!(batch, digest, %sealed_at, signer, signature, "audit checkpoint");
    let Some(path) = deps.checkpoint_file.clone() else { return };
    // The disk may be far away.
    let kept = tokio::task::spawn_blocking(move || append(&path, &checkpoint)).await;
    if let Err(error) = kept.map_err(std::io::Error::other).and_then(|kept| kept) {
        tracing::error!(%error, "a checkpoint of the audit log could not be kept");
    }
}

/// What a process that died left of a line doesn't spoil the next one.
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
