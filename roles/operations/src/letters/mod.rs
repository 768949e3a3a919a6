//! `/v1/operations/dead-letters`: what was given up, why, and what is done about it.
//!
//! Lists and single letters hold ids, times and reasons. What an event said is in its payload alone, and that is shown
//! only when it is asked for, to those who may also replay and drop.

mod act;
mod counts;
mod filter;
mod list;
mod show;

use ecs_domain::dead_letter::{DeadLetterKind, DeadLetterState};
use ecs_domain::{EventId, Timestamp, UserId};
use ecs_store::Letter;
use ecs_web::openapi::{Id, Instant, one_of};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::schema::ObjectBuilder;

pub(crate) use act::{__path_discard, __path_replay, discard, replay};
pub(crate) use counts::{__path_counts, counts};
pub(crate) use list::{__path_list, list};
pub(crate) use show::{__path_show, show};

/// A dead letter, without what its event said.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DeadLetter, examples(json!({
    "id": 17, "subject": "user.emotions.topic", "group": "emotion-processing",
    "eventId": "7c9e6679-7425-5de9-944b-e07fc1f90ae7", "userId": "0198c1f2-7c3a-7d51-9e0b-5f6a7b8c9d0e",
    "kind": "unknown-user",
    "reason": "no account has this user id; replay the event if there is one by now, else have its sender use the right id, and drop it",
    "givenUpAt": "2026-11-20T14:30:00Z", "attempts": 1, "state": "waiting", "stateChangedAt": null, "replays": 0
})))]
struct LetterView {
    /// Its number, which it keeps when a replayed event fails again.
    id: i64,
    /// The subject that the event was published to.
    subject: String,
    /// The group of workers that gave it up.
    group: String,
    /// The event.
    #[schema(value_type = Id)]
    event_id: EventId,
    /// Whose event it is.
    #[schema(value_type = Id)]
    user_id: UserId,
    /// What kind of trouble it was; for filters and alarms.
    #[schema(schema_with = kinds)]
    kind: &'static str,
    /// What happened, and what can be done about it.
    reason: String,
    /// When it was given up, the last time.
    #[schema(value_type = Instant)]
    given_up_at: Timestamp,
    /// How many failed attempts its history holds.
    attempts: u64,
    /// Whether it waits, was replayed, or was dropped.
    #[schema(schema_with = states)]
    state: &'static str,
    /// When that changed; null when it never did.
    #[schema(required, value_type = Option<Instant>)]
    state_changed_at: Option<Timestamp>,
    /// How often it was replayed.
    replays: u64,
}

impl From<Letter> for LetterView {
    fn from(letter: Letter) -> Self {
        let Letter { id, subject, group, event, key, kind, reason, at, attempts, state, state_at, replays } =
            letter;
        Self {
            id: id.0,
            subject,
            group,
            event_id: event,
            user_id: key,
            kind: kind.as_str(),
            reason,
            given_up_at: at,
            attempts,
            state: state.as_str(),
            state_changed_at: state_at,
            replays,
        }
    }
}

fn kinds() -> ObjectBuilder {
    one_of(DeadLetterKind::ALL.map(DeadLetterKind::as_str)).description(Some("What kind of trouble it was."))
}

fn states() -> ObjectBuilder {
    one_of(DeadLetterState::ALL.map(DeadLetterState::as_str))
        .description(Some("Whether it waits, was replayed, or was dropped."))
}
