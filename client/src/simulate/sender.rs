//! One of the senders among whom the events of a simulation are shared out, each event in a request of its own.

use std::sync::Arc;

use tokio::time::Instant;

use super::outgoing::{Body, Outgoing, Run};
use super::summary::Tally;
use crate::events::Received;
use crate::journal::State;
use crate::{CallError, Retries};

/// Takes the next event, waits until it is due, and sends it, until the plan is done.
pub(super) async fn run(run: Arc<Run>) -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    while !run.tools.stop.is_cancelled() {
        let Some(claim) = run.claim() else { break };
        let Some(behind) = run.wait_until_due(claim).await else { break };
        tally.behind = tally.behind.max(behind);
        send(&run, &run.event(claim.number)?, &mut tally).await?;
    }
    Ok(tally)
}

async fn attempt(run: &Run, event: &Outgoing) -> Result<Received, CallError> {
    match &event.body {
        Body::Emotion(emotion) => run.tools.client.emotion(emotion).await,
        Body::Transaction(transaction) => run.tools.client.transaction(transaction).await,
    }
}

/// Sends one event, again and again if it must be, and notes what came of it.
pub(super) async fn send(run: &Run, event: &Outgoing, tally: &mut Tally) -> anyhow::Result<()> {
    run.note(State::Sent, event.ledger, event.key)?;
    tally.sent(event);
    let begun = Instant::now();
    let mut may_have_happened = false;
    let retries = Retries::for_as_long_as(run.plan.patience);
    let outcome = retries
        .run_until(
            &run.tools.stop,
            || attempt(run, event),
            |error| {
                may_have_happened |= error.may_have_happened();
                tally.failed(error);
                run.tools.meter.failed_attempt();
            },
        )
        .await;
    match outcome {
        Ok(received) => {
            run.note(State::Accepted, event.ledger, event.key)?;
            tally.accepted(event.persona, begun.elapsed());
            tally.wrong_ids += u64::from(received.event_id != event.key.event_id);
            run.tools.meter.accepted(1, begun.elapsed());
        }
        Err(CallError::Refused { status, .. }) if status < 500 => {
            if !may_have_happened {
                run.note(State::Refused, event.ledger, event.key)?;
            }
            tally.refused(status);
            run.tools.meter.refused();
        }
        Err(_) => {
            tally.unanswered += 1;
            run.tools.meter.unanswered(1);
        }
    }
    Ok(())
}
