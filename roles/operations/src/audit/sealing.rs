//! Seals what has come into the audit log, and leaves a signed checkpoint of how far it is.

use std::convert::Infallible;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use ecs_store::StoreError;
use ecs_store::audit::Batch;
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
        periodic("operations/audit", EVERY, token, || seal(&deps)).await;
        // What the last requests did.
        if let Err(error) = seal(&deps).await {
            tracing::warn!(%error, "the audit log is not sealed to its end");
        }
        Ok::<(), Infallible>(())
    });
}

async fn seal(deps: &Deps) -> Result<(), StoreError> {
    let mut last: Option<Batch> = None;
    while let Some(batch) = deps.store.seal(deps.clock.now(), MOST).await? {
        last = Some(batch);
    }
    if let Some(batch) = last {
        leave(deps, &deps.checkpoints.sign(batch.number, &batch.digest, batch.sealed_at));
    }
    Ok(())
}

/// The log of the process is one place where it is kept; a file elsewhere is another.
fn leave(deps: &Deps, checkpoint: &Checkpoint) {
    let Checkpoint { batch, digest, sealed_at, signer, signature } = checkpoint;
    tracing::info!(batch, digest, %sealed_at, signer, signature, "audit checkpoint");
    if let Some(path) = &deps.checkpoint_file
        && let Err(error) = append(path, checkpoint)
    {
        tracing::error!(path = %path.display(), %error, "a checkpoint of the audit log could not be kept");
    }
}

fn append(path: &Path, checkpoint: &Checkpoint) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(checkpoint)?;
    line.push(b'\n');
    let mut file = std::fs::File::options().create(true).append(true).open(path)?;
    file.write_all(&line)?;
    file.sync_data()
}
