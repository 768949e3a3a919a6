//! How a group begins: with everything that the log still keeps.

use ecs_bus::{BusError, Subject};

use crate::bus::Core;
use crate::courier::{Fate, Parcel};
use crate::link::away;
use crate::log::{Start, Walk};
use crate::message::{self, Failures};
use crate::topology;

/// How many events are copied at once.
const PIECE: usize = 1_000;

/// Makes a group's queue where it is missing, and fills it once with what was published before it was there. From the moment it is
/// bound it gets what is published; what stands in the log by then is copied, and only when all of it is confirmed does the group
/// count as complete. Whoever finds it incomplete copies again, so a crash on the way costs duplicates and loses nothing.
pub(crate) async fn open(core: &Core, subject: Subject, queue: &str) -> Result<(), BusError> {
    topology::open_group(&core.listen, &core.names, subject, queue).await?;
    if core.control.is_complete(queue) {
        return Ok(());
    }
    let floor = core.control.floor(subject);
    let mut walk = Walk::begin(core, subject, Start::At(floor.offset)).await?;
    let mut parcels = Vec::new();
    let mut copied = 0;
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
    core.control.set_complete(&core.courier, queue).await?;
    tracing::info!(queue, copied, "a group begins");
    Ok(())
}

async fn keep(core: &Core, parcels: Vec<Parcel>) -> Result<(), BusError> {
    let fates = core.courier.deliver(parcels).await;
    fates.into_iter().try_for_each(Fate::result).map_err(|reason| away(&reason))
}
