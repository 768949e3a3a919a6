//! One of the senders among whom the events of a simulation are shared out.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use ecs_domain::{Timestamp, UserId};
use tokio::time::Instant;

use super::generator::{Content, Generator};
use super::summary::Tally;
use super::{Plan, Tools};
use crate::events::{Emotion, Received, Transaction};
use crate::journal::State;
use crate::{CallError, EventKey, Ledger, Retries};

/// What the senders of one simulation share.
pub(super) struct Run {
    pub(super) plan: Plan,
    pub(super) tools: Tools,
    pub(super) users: Arc<[UserId]>,
    pub(super) generator: Generator,
    pub(super) begun: Instant,
    pub(super) counters: Counters,
}

/// Numbers that all senders count on together.
#[derive(Default)]
pub(super) struct Counters {
    next: AtomicU64,
    failed_attempts: AtomicU64,
    refused: AtomicU64,
}

/// An event, ready to be sent as often as it takes.
struct Outgoing {
    ledger: Ledger,
    key: EventKey,
    body: Body,
}

enum Body {
    Emotion(Emotion),
    Transaction(Transaction),
}

/// Takes the next event, waits until it is due, and sends it, until the plan is done.
pub(super) async fn run(run: Arc<Run>) -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    while !run.tools.stop.is_cancelled() {
        let number = run.counters.next.fetch_add(1, Ordering::Relaxed);
        let due = run.plan.due(number);
        if !run.plan.includes(number, due.max(run.begun.elapsed())) || !wait_until(&run, due).await {
            break;
        }
        if run.plan.rate.is_some() {
            tally.behind = tally.behind.max(run.begun.elapsed().saturating_sub(due));
        }
        send(&run, &run.event(number)?, &mut tally).await?;
    }
    Ok(tally)
}

/// Waits until an event is due; `false` when the simulation was stopped meanwhile.
async fn wait_until(run: &Run, due: Duration) -> bool {
    let at = run.begun + due;
    // Who is behind doesn't wait: a timer would cost a millisecond each time.
    if at <= Instant::now() {
        return true;
    }
    run.tools.stop.run_until_cancelled(tokio::time::sleep_until(at)).await.is_some()
}

impl Run {
    fn event(&self, number: u64) -> anyhow::Result<Outgoing> {
        let (user, content) = self.generator.event(number, self.users.len());
        let user = *self.users.get(user).context("the generator names a user that is not there")?;
        let client_id = self.plan.client_id(number);
        // Microseconds are what the platform keeps.
        let at = Timestamp::from_microsecond(self.tools.clock.now().as_microsecond())?;
        let key = EventKey::derive(user, &client_id, at);
        Ok(match content {
            Content::Emotion { kind, positivity, intensity, stress } => {
                let client_id = Some(client_id);
                let emotion = Emotion { user, at, kind, positivity, intensity, stress, client_id };
                Outgoing { ledger: Ledger::Emotions, key, body: Body::Emotion(emotion) }
            }
            Content::Transaction { amount, category, channel } => {
                let transaction = Transaction {
                    user,
                    amount,
                    client_id: Some(client_id),
                    currency: None,
                    merchant: None,
                    category: Some(category.to_owned()),
                    channel: Some(channel.to_owned()),
                    at: Some(at),
                };
                Outgoing { ledger: Ledger::Transactions, key, body: Body::Transaction(transaction) }
            }
        })
    }

    async fn attempt(&self, event: &Outgoing) -> Result<Received, CallError> {
        match &event.body {
            Body::Emotion(emotion) => self.tools.client.emotion(emotion).await,
            Body::Transaction(transaction) => self.tools.client.transaction(transaction).await,
        }
    }

    fn note(&self, state: State, event: &Outgoing) -> anyhow::Result<()> {
        let Some(journal) = &self.tools.journal else { return Ok(()) };
        journal.note(state, event.ledger, event.key).context("can't write the journal")
    }

    /// Tells whoever watches when something goes wrong, and leaves them alone otherwise.
    fn tell_trouble(&self) {
        let failed = self.counters.failed_attempts.load(Ordering::Relaxed);
        let refused = self.counters.refused.load(Ordering::Relaxed);
        self.tools.progress.note(format!("{refused} refused, {failed} attempts failed"));
    }
}

/// Sends one event, again and again if it must be, and notes what came of it.
async fn send(run: &Run, event: &Outgoing, tally: &mut Tally) -> anyhow::Result<()> {
    run.note(State::Sent, event)?;
    tally.sent += 1;
    tally.emotions += u64::from(event.ledger == Ledger::Emotions);
    let begun = Instant::now();
    let mut may_have_happened = false;
    let retries = Retries::for_as_long_as(run.plan.patience);
    let outcome = retries
        .run_until(
            &run.tools.stop,
            || run.attempt(event),
            |error| {
                may_have_happened |= error.may_have_happened();
                tally.failed(error);
                run.counters.failed_attempts.fetch_add(1, Ordering::Relaxed);
                run.tell_trouble();
            },
        )
        .await;
    match outcome {
        Ok(received) => {
            run.note(State::Accepted, event)?;
            tally.accepted += 1;
            tally.wrong_ids += u64::from(received.event_id != event.key.event_id);
            tally.latencies.record(begun.elapsed());
        }
        Err(CallError::Refused { status, .. }) if status < 500 => {
            if !may_have_happened {
                run.note(State::Refused, event)?;
            }
            *tally.refused.entry(status).or_default() += 1;
            run.counters.refused.fetch_add(1, Ordering::Relaxed);
            run.tell_trouble();
        }
        Err(_) => tally.unanswered += 1,
    }
    run.tools.progress.advance(1);
    Ok(())
}
