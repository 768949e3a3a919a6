//! Finding the event that a batch fails over, so that its batch-mates go through.

use std::panic::AssertUnwindSafe;

use ecs_bus::{Delivery, Outcome};
use futures::FutureExt as _;

use crate::{BackOff, Failure, Handler};

/// The reason of an event over which the handler panicked.
const CRASHED: &str = "a fault of the platform: its worker crashed over this event, and the log has the crash; report \
                       it, and replay the event with a version that has it mended";
const REPORT: &str = "report it, and replay the event with a version that has it mended";

/// Something that all events need is away: in words, for the log.
#[derive(Debug)]
pub(crate) struct Outage(pub(crate) String);

/// The outcomes of a batch. A part that fails is halved until single events fail alone: one poison event among `n`
/// costs about `2·log2(n)` calls of the handler. Those that fail alone are retried, each by its own count of attempts.
pub(crate) async fn outcomes(
    handler: &dyn Handler,
    batch: &[Delivery],
    retry: BackOff,
) -> Result<Vec<Outcome>, Outage> {
    let mut outcomes = Vec::with_capacity(batch.len());
    // Parts are taken from the end, the left half of a split before the right one: outcomes come in the batch's order.
    let mut parts = vec![batch];
    while let Some(part) = parts.pop() {
        match (guarded(handler, part).await, part) {
            (Ok(settled), _) => outcomes.extend(settled),
            (Err(Failure::Outage(reason)), _) => return Err(Outage(reason)),
            (Err(Failure::Batch(_)), []) => {}
            (Err(Failure::Batch(reason)), [alone]) => outcomes.push(again(alone, reason, retry)),
            (Err(Failure::Batch(_)), part) => {
                let (left, right) = part.split_at(part.len() / 2);
                parts.extend([right, left]);
            }
        }
    }
    Ok(outcomes)
}

/// Calls the handler; a panic and a wrong number of outcomes are failures of the batch.
async fn guarded(handler: &dyn Handler, part: &[Delivery]) -> Result<Vec<Outcome>, Failure> {
    // The panic's own words may quote the event, so they stay out of reasons, which are kept and logged.
    let caught = AssertUnwindSafe(handler.handle(part)).catch_unwind().await;
    let outcomes = caught.unwrap_or_else(|_| Err(Failure::Batch(CRASHED.to_owned())))?;
    if outcomes.len() == part.len() {
        return Ok(outcomes);
    }
    let (answered, of) = (outcomes.len(), part.len());
    Err(Failure::Batch(format!(
        "a fault of the platform: its worker settled {answered} of {of} events; {REPORT}"
    )))
}

fn again(delivery: &Delivery, reason: String, retry: BackOff) -> Outcome {
    let event = &delivery.event;
    let after = retry.delay(delivery.attempt, event.id.uuid().as_u64_pair().1);
    tracing::warn!(
        subject = %event.subject,
        event_id = %event.id,
        user_id = %event.key,
        request_id = event.headers.request_id.as_deref(),
        attempt = delivery.attempt,
        retry_after_ms = after.as_millis(),
        reason,
        "an event failed"
    );
    Outcome::Retry { after, reason }
}
