//! The letters, wherever they are.

use anyhow::Context as _;
use ecs_client::dead_letters::{
    DeadLetter, DeadLetterChoice, DeadLetterCount, DeadLetterFilter, DeadLetterPage, DeadLettersDone,
    FailedAttempt, FullDeadLetter,
};
use ecs_store::{FullLetter, Letter, LetterFilter, LetterId};
use ecs_work::Wake;
use ecs_work::dead_letters::{Action, Choice, Desk, Done, MOST};

use crate::commands::reach::Reach;
use crate::operator::OPERATOR;
use crate::platform::{Storage, SystemClock};

/// Answers in the words of the client, whoever was asked.
pub(super) struct Source(pub(super) Reach);

impl Source {
    pub(super) async fn page(
        &self,
        filter: &DeadLetterFilter,
        before: Option<i64>,
        limit: usize,
    ) -> anyhow::Result<DeadLetterPage> {
        let storage = match &self.0 {
            Reach::Running(client) => {
                return client
                    .dead_letters(filter, before, limit)
                    .await
                    .context("can't list the dead letters");
            }
            Reach::Data(storage) => storage,
        };
        let letters =
            storage.store()?.dead_letters(&store_filter(filter)?, before.map(LetterId), limit).await?;
        let next = letters.last().filter(|_| letters.len() == limit).map(|letter| letter.id.0);
        Ok(DeadLetterPage { items: letters.into_iter().map(client_letter).collect(), next })
    }

    pub(super) async fn letter(&self, id: i64, payload: bool) -> anyhow::Result<FullDeadLetter> {
        match &self.0 {
            Reach::Running(client) => {
                client.dead_letter(id, payload).await.with_context(|| format!("dead letter {id}"))
            }
            Reach::Data(storage) => {
                let found = storage.store()?.dead_letter(LetterId(id)).await?;
                Ok(client_full(found.with_context(|| format!("there is no dead letter {id}"))?, payload))
            }
        }
    }

    pub(super) async fn counts(&self) -> anyhow::Result<Vec<DeadLetterCount>> {
        let storage = match &self.0 {
            Reach::Running(client) => {
                return client.dead_letter_counts().await.context("can't count the dead letters");
            }
            Reach::Data(storage) => storage,
        };
        let counts = storage.store()?.count_dead_letters().await?.into_iter();
        let counts = counts.map(|ecs_store::LetterCount { subject, group, kind, state, count }| {
            DeadLetterCount { subject, group, kind: kind.to_string(), state: state.to_string(), count }
        });
        Ok(counts.collect())
    }

    pub(super) async fn act(
        &self,
        action: Action,
        choice: DeadLetterChoice,
    ) -> anyhow::Result<DeadLettersDone> {
        match (&self.0, action) {
            (Reach::Running(client), Action::Replay) => {
                client.replay_dead_letters(&choice).await.context("can't replay")
            }
            (Reach::Running(client), Action::Drop) => {
                client.drop_dead_letters(&choice).await.context("can't drop")
            }
            (Reach::Data(storage), action) => on_storage(storage, action, choice).await,
        }
    }
}

/// What is replayed waits in the outbox for the next start.
async fn on_storage(
    storage: &Storage,
    action: Action,
    choice: DeadLetterChoice,
) -> anyhow::Result<DeadLettersDone> {
    let choice = match choice {
        DeadLetterChoice::Ids { ids } => Choice::Ids(ids.into_iter().map(LetterId).collect()),
        DeadLetterChoice::Matching { filter, before } => {
            Choice::Matching { filter: store_filter(&filter)?, before: before.map(LetterId), limit: MOST }
        }
    };
    let store = storage.store()?.as_ref();
    let desk = Desk { store, clock: &SystemClock, outbox: &Wake::new(), operator: OPERATOR };
    let Done { done, skipped, next } = desk.act(action, choice).await?;
    let numbers = |ids: Vec<LetterId>| ids.into_iter().map(|id| id.0).collect();
    Ok(DeadLettersDone { done: numbers(done), skipped: numbers(skipped), next: next.map(|id| id.0) })
}

fn store_filter(filter: &DeadLetterFilter) -> anyhow::Result<LetterFilter> {
    let word = |text: &Option<String>| text.as_deref().map(str::to_owned);
    let state = word(&filter.state).map(|state| state.parse()).transpose();
    let kind = word(&filter.kind).map(|kind| kind.parse()).transpose();
    Ok(LetterFilter {
        subject: filter.subject.clone(),
        group: filter.group.clone(),
        state: state.map_err(anyhow::Error::msg)?,
        kind: kind.map_err(anyhow::Error::msg)?,
        reason: filter.reason.clone(),
        key: filter.user,
        event: filter.event,
        since: filter.since,
        until: filter.until,
    })
}

fn client_letter(letter: Letter) -> DeadLetter {
    let Letter { id, subject, group, event, key, kind, reason, at, attempts, state, state_at, replays } =
        letter;
    DeadLetter {
        id: id.0,
        subject,
        group,
        event_id: event,
        user_id: key,
        kind: kind.to_string(),
        reason,
        given_up_at: at,
        attempts,
        state: state.to_string(),
        state_changed_at: state_at,
        replays,
    }
}

fn client_full(full: FullLetter, with_payload: bool) -> FullDeadLetter {
    let FullLetter { letter, history, payload, schema_version, request_id, traceparent } = full;
    let payload_bytes = payload.as_deref().map(<[u8]>::len);
    let shown = payload.filter(|_| with_payload);
    let text = shown.as_deref().and_then(|bytes| std::str::from_utf8(bytes).ok()).map(str::to_owned);
    FullDeadLetter {
        letter: client_letter(letter),
        history: history.into_iter().map(|(at, reason)| FailedAttempt { at, reason }).collect(),
        schema_version,
        request_id,
        traceparent,
        payload_bytes,
        payload_hex: shown.as_deref().filter(|_| text.is_none()).map(hex::encode),
        payload: text,
    }
}
