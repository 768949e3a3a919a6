//! How a group begins: with everything that the log still keeps.

use ecs_bus::{BusError, Failures, Subject};

use crate::bus::Core;
use crate::courier::{Fate, Parcel};
use crate::link::away;
use crate::log::{Start, Walk};
use crate::message;
use crate::topology;

/// How many events are copied at once.
const PIECE: usize = 1_000;

/// Makes groups' queues where they are missing, and fills each once with what was published before it was there. From the moment it
/// is bound a queue gets what is published; what stands in the log by then is copied, and only when all of it is confirmed does the
/// group count as complete. Whoever finds it incomplete copies again, so a crash on the way costs duplicates and loses nothing.
pub(crate) async fn open(core: &Core, groups: &[(Subject, String)]) -> Result<(), BusError> {
    let mut begun = Vec::new();
    for (subject, queue) in groups {
        topology::open_group(&core.listen, &core.names, *subject, queue).await?;
        if !core.control.is_complete(queue) {
            topology::open_members(&core.listen, queue).await?;
            let copied = fill(core, *subject, queue).await?;
            tracing::info!(queue, copied, "a group begins");
            begun.push(queue);
        }
    }
    if !begun.is_empty() {
        topology::noted().await;
    }
    for queue in begun {
        core.control.set_complete(&core.courier, queue).await?;
    }
    Ok(())
}

/// Copies what the log keeps into a group's queue.
async fn fill(core: &Core, subject: Subject, queue: &str) -> Result<u64, BusError> {
    let floor = core.control.floor(subject);
    let mut walk = Walk::begin(core, subject, Start::At(floor.offset)).await?;
    let (mut parcels, mut copied) = (Vec::new(), 0);
    while let Some(entry) = walk.next().await? {
        let Some(record) = entry.record(subject) else { continue };
        if floor.before.is_some_and(|before| record.published_at < before) {
            continue;
        }
        let properties = message::properties(&record.event, record.published_at, &Failures::default());
        parcels.push(Parcel::to_queue(queue, properties, record.event.payload));
        copied += 1;
        if parcels.len() >= PIECE {
            keep(core, std::mem::take(&mut parcels)).await?;
        }
    }
    keep(core, parcels).await?;
    Ok(copied)
}

async fn keep(core: &Core, parcels: Vec<Parcel>) -> Result<(), BusError> {
    let fates = core.courier.deliver(parcels).await;
    fates.into_iter().try_for_each(Fate::result).map_err(|reason| away(&reason))
}
