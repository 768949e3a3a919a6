//! What the senders of a simulation share, and an event on its way out.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use ecs_domain::{Timestamp, UserId};
use tokio::time::Instant;

use super::population::{Content, Persona};
use super::story::Story;
use super::{Plan, Tools};
use crate::events::{Emotion, Transaction};
use crate::journal::State;
use crate::{EventKey, Ledger};

/// What the senders of one simulation share.
pub(super) struct Run {
    pub(super) plan: Plan,
    pub(super) tools: Tools,
    pub(super) users: Arc<[UserId]>,
    pub(super) story: Story,
    pub(super) begun: Instant,
    pub(super) next: AtomicU64,
    /// An event that came too late for one upload and waits for the next; whoever holds it gathers.
    pub(super) gathering: tokio::sync::Mutex<Option<Claim>>,
}

/// An event's number, and how long after the start it is due.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claim {
    pub(super) number: u64,
    pub(super) due: Duration,
}

/// An event, ready to be sent as often as it takes.
pub(super) struct Outgoing {
    pub(super) persona: Persona,
    pub(super) ledger: Ledger,
    pub(super) key: EventKey,
    pub(super) body: Body,
}

pub(super) enum Body {
    Emotion(Emotion),
    Transaction(Transaction),
}

impl Run {
    /// The next event that belongs to the plan; `None` when there is none any more.
    pub(super) fn claim(&self) -> Option<Claim> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let due = self.plan.due(number);
        let belongs = self.plan.includes(number, due.max(self.begun.elapsed()))
            && self.story.total().is_none_or(|total| number < total);
        belongs.then_some(Claim { number, due })
    }

    /// Waits until an event is due; `None` when the simulation was stopped meanwhile, else how far behind it is.
    pub(super) async fn wait_until_due(&self, claim: Claim) -> Option<Duration> {
        let at = self.begun + claim.due;
        // Who is behind doesn't wait: a timer would cost a millisecond each time.
        if at > Instant::now() {
            self.tools.stop.run_until_cancelled(tokio::time::sleep_until(at)).await?;
        }
        let behind = match self.plan.rate {
            Some(_) => self.begun.elapsed().saturating_sub(claim.due),
            None => Duration::ZERO,
        };
        self.tools.meter.behind(behind);
        Some(behind)
    }

    /// Makes event `number`, which is about to leave.
    pub(super) fn event(&self, number: u64) -> anyhow::Result<Outgoing> {
        // Microseconds are what the platform keeps.
        let now = Timestamp::from_microsecond(self.tools.clock.now().as_microsecond())?;
        let event = self.story.event(number, now).context("the story has no such event")?;
        let user = *self.users.get(event.user).context("the story names a user that is not there")?;
        let client_id = self.story.client_id(&self.plan, number, &event);
        let (at, persona) = (event.at, event.persona);
        let key = EventKey::derive(user, &client_id, at);
        let (ledger, body) = match event.content {
            Content::Emotion { kind, positivity, intensity, stress } => {
                let client_id = Some(client_id);
                let emotion = Emotion { user, at, kind, positivity, intensity, stress, client_id };
                (Ledger::Emotions, Body::Emotion(emotion))
            }
            Content::Transaction { amount, merchant, category, channel } => {
                let transaction = Transaction {
                    user,
                    amount,
                    client_id: Some(client_id),
                    currency: None,
                    merchant: Some(merchant.to_owned()),
                    category: Some(category.to_owned()),
                    channel: Some(channel.to_owned()),
                    at: Some(at),
                };
                (Ledger::Transactions, Body::Transaction(transaction))
            }
        };
        self.tools.meter.sent(&event, ledger);
        Ok(Outgoing { persona, ledger, key, body })
    }

    /// Notes one fact about an event in the journal, if there is one.
    pub(super) fn note(&self, state: State, ledger: Ledger, key: EventKey) -> anyhow::Result<()> {
        self.note_all(state, ledger, std::iter::once(key))
    }

    /// The same fact about many events.
    pub(super) fn note_all(
        &self,
        state: State,
        ledger: Ledger,
        keys: impl IntoIterator<Item = EventKey>,
    ) -> anyhow::Result<()> {
        let Some(journal) = &self.tools.journal else { return Ok(()) };
        journal.note_all(state, ledger, keys).context("can't write the journal")
    }
}
