//! What a bridge needs, found out before anything is copied.

use ecs_bus::{Bus, BusError, Frontier, LogRecord, Needs, Subject};

use super::{Bridge, BridgeError, Copies};

const LOG: Needs =
    Needs { stored_once_per_id: false, ordered_per_key: false, keeps_log: true, shared: false };

pub(super) async fn run(bridge: &Bridge) -> Result<(), BridgeError> {
    let Bridge { from, to, plan, .. } = bridge;
    if matches!(plan.copies, Copies::Everything(_)) {
        // Where no log is kept, what was published before the group was there is not for it.
        from.capabilities().require(LOG).map_err(BridgeError::From)?;
    }
    if plan.archive.is_some() {
        if plan.subjects.contains(&Subject::Emotions) {
            return Err(BridgeError::EmotionsInArchive);
        }
        if bridge.keyring.is_none() {
            return Err(BridgeError::NoKeys);
        }
        to.capabilities().require(LOG).map_err(BridgeError::To)?;
    }
    if from.capabilities().keeps_log && to.capabilities().keeps_log {
        for subject in Subject::ALL {
            let here = first(from.as_ref(), subject).await.map_err(BridgeError::From)?;
            let there = first(to.as_ref(), subject).await.map_err(BridgeError::To)?;
            if here.is_some() && here == there {
                return Err(BridgeError::SameBus);
            }
        }
    }
    Ok(())
}

/// What distinguishes the oldest event of a log from that of any other. A copy has another time.
async fn first(bus: &dyn Bus, subject: Subject) -> Result<Option<String>, BusError> {
    let page = bus.log(subject, &Frontier::default(), 1).await?;
    let name = |LogRecord { position, published_at, event }: &LogRecord| {
        format!("{position:?} {published_at} {}", event.id)
    };
    Ok(page.records.first().map(name))
}
