//! Forgetting what is past its retention.

use std::fmt;

use ecs_bus::{BusError, Subject};
use ecs_store::StoreError;
use ecs_work::retention::{self, Unsettled};

use crate::Deps;

/// Why a sweep ended early. It is tried again when it is next due.
#[derive(Debug)]
pub(crate) enum SweepError {
    Store(StoreError),
    Bus(BusError),
}

impl fmt::Display for SweepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => error.fmt(f),
            Self::Bus(error) => error.fmt(f),
        }
    }
}

/// One sweep. The bus goes first: while it still keeps an event, the store still knows the event's id.
pub(crate) async fn sweep(deps: &Deps, unsettled: Unsettled) -> Result<(), SweepError> {
    let (bus, subject, now) = (deps.bus.as_ref(), Subject::Emotions, deps.clock.now());
    let floor = retention::bus_floor(bus, subject, unsettled, now, deps.bus_retention);
    let floor = floor.await.map_err(SweepError::Bus)?;
    retention::sweep_bus(bus, subject, floor).await.map_err(SweepError::Bus)?;
    let keep = retention::of_emotions(now, deps.raw_retention_days, floor);
    retention::sweep_store(deps.store.as_ref(), keep).await.map_err(SweepError::Store)
}
