//! A decision that stands, as the cache keeps it.

use bytes::Bytes;
use ecs_domain::Timestamp;
use ecs_domain::consent::Locale;
use ecs_domain::decision::Decision;
use ecs_web::Problem;
use ecs_web::idempotency::Answer;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use super::{answer, standing_since};

/// The answer to whoever asks again, to the byte. It doesn't change but for where its offer stands: that runs out later than the
/// decision, and whoever changes it forgets what is cached.
#[derive(Serialize, Deserialize)]
pub(super) struct Standing {
    decided_at: Timestamp,
    answer: Box<RawValue>,
}

ecs_domain::redacted!(Standing => "Standing");

impl Standing {
    /// The decision as it stands at `now`, told in a language.
    pub(super) fn new(decision: &Decision, locale: Locale, now: Timestamp) -> Result<Self, Problem> {
        let answer = answer::Answer::new(decision, locale, now).repeated();
        let answer = to_raw_value(&answer).map_err(|error| Problem::internal(&error))?;
        Ok(Self { decided_at: decision.decided_at, answer })
    }

    /// Whether it still stands at `now`.
    pub(super) fn stands(&self, now: Timestamp) -> bool {
        self.decided_at > standing_since(now)
    }

    /// The answer to whoever asks in the language that it is told in.
    pub(super) fn into_answer(self, locale: Locale) -> Answer {
        let body = Bytes::from(String::from(Box::<str>::from(self.answer)));
        Answer::written(StatusCode::OK, body).in_language(locale)
    }
}
