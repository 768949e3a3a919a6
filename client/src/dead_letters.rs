//! Calls about events that were given up. Looking needs `operations:read`, doing and seeing payloads `operations:write`.

use ecs_domain::{EventId, Timestamp, UserId};
use http::Method;
use http::uri::PathAndQuery;
use serde::{Deserialize, Serialize};

use crate::transport::{Auth, path};
use crate::{CallError, Client};

/// The most letters that one call lists, replays or drops.
pub const MOST: usize = 500;

/// A dead letter, without what its event said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetter {
    /// Its number.
    pub id: i64,
    /// The subject that the event was published to.
    pub subject: String,
    /// The group of workers that gave it up.
    pub group: String,
    /// The event.
    pub event_id: EventId,
    /// Whose event it is.
    pub user_id: UserId,
    /// What kind of trouble it was.
    pub kind: String,
    /// What happened, and what can be done about it.
    pub reason: String,
    /// When it was given up, the last time.
    pub given_up_at: Timestamp,
    /// How many failed attempts its history holds.
    pub attempts: u64,
    /// `waiting`, `replayed` or `dropped`.
    pub state: String,
    /// When that changed.
    pub state_changed_at: Option<Timestamp>,
    /// How often it was replayed.
    pub replays: u64,
}

/// All of a dead letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FullDeadLetter {
    /// What lists have.
    #[serde(flatten)]
    pub letter: DeadLetter,
    /// The failed attempts, oldest first.
    pub history: Vec<FailedAttempt>,
    /// The schema version of the payload.
    pub schema_version: u16,
    /// The request that the event came with.
    pub request_id: Option<String>,
    /// The trace that it belongs to.
    pub traceparent: Option<String>,
    /// The size of the payload, while it is here.
    pub payload_bytes: Option<usize>,
    /// What the event said, when that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<String>,
    /// The same in hexadecimal digits, where it is no text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload_hex: Option<String>,
}

/// A failed attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedAttempt {
    /// When it ended.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
}

/// A page of dead letters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetterPage {
    /// Newest first.
    pub items: Vec<DeadLetter>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<i64>,
}

/// How many dead letters are of one sort.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetterCount {
    /// The subject that the events were published to.
    pub subject: String,
    /// The group that gave them up.
    pub group: String,
    /// What kind of trouble it was.
    pub kind: String,
    /// `waiting`, `replayed` or `dropped`.
    pub state: String,
    /// How many.
    pub count: u64,
}

/// Which letters; what is `None` matches all.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct DeadLetterFilter {
    /// Of this subject.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Of this group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// In this state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// With trouble of this kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// With this text in the reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Of this user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
    /// Of this event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<EventId>,
    /// Given up at or after this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Given up before this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// Which letters something is done about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum DeadLetterChoice {
    /// These, at most [`MOST`].
    Ids {
        /// Their numbers.
        ids: Vec<i64>,
    },
    /// Those that match and wait, newest first, as many as one call takes.
    Matching {
        /// What they have in common.
        filter: DeadLetterFilter,
        /// Only letters with lower numbers: `next` of the call before.
        #[serde(skip_serializing_if = "Option::is_none")]
        before: Option<i64>,
    },
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DeadLettersDone {
    /// The letters about which it was done.
    pub done: Vec<i64>,
    /// The chosen ones about which it could not be done.
    pub skipped: Vec<i64>,
    /// Where to go on: there may be more that match.
    pub next: Option<i64>,
}

#[derive(Deserialize)]
struct Counts {
    counts: Vec<DeadLetterCount>,
}

impl Client {
    /// A page of letters that match, newest first, with numbers below `before`.
    pub async fn dead_letters(
        &self,
        filter: &DeadLetterFilter,
        before: Option<i64>,
        limit: usize,
    ) -> Result<DeadLetterPage, CallError> {
        let mut query = format!("/v1/operations/dead-letters?limit={limit}");
        if let Some(before) = before {
            query.push_str(&format!("&before={before}"));
        }
        for (name, value) in filter.fields() {
            query.push_str(&format!("&{name}={}", escaped(&value)));
        }
        self.get(path(query)?, Auth::Token).await
    }

    /// All of one letter, with what its event said if that is asked for.
    pub async fn dead_letter(&self, id: i64, payload: bool) -> Result<FullDeadLetter, CallError> {
        self.get(path(format!("/v1/operations/dead-letters/{id}?payload={payload}"))?, Auth::Token).await
    }

    /// How many letters there are of each sort.
    pub async fn dead_letter_counts(&self) -> Result<Vec<DeadLetterCount>, CallError> {
        let path = PathAndQuery::from_static("/v1/operations/dead-letter-counts");
        let Counts { counts } = self.get(path, Auth::Token).await?;
        Ok(counts)
    }

    /// Publishes the letters' events again.
    pub async fn replay_dead_letters(&self, choice: &DeadLetterChoice) -> Result<DeadLettersDone, CallError> {
        let path = PathAndQuery::from_static("/v1/operations/dead-letters/replay");
        self.call(Method::POST, path, Auth::Token, choice).await
    }

    /// Gives the letters' events up for good.
    pub async fn drop_dead_letters(&self, choice: &DeadLetterChoice) -> Result<DeadLettersDone, CallError> {
        let path = PathAndQuery::from_static("/v1/operations/dead-letters/drop");
        self.call(Method::POST, path, Auth::Token, choice).await
    }
}

impl DeadLetterFilter {
    /// The fields that are set, as a query has them.
    fn fields(&self) -> impl Iterator<Item = (&'static str, String)> {
        [
            ("subject", self.subject.clone()),
            ("group", self.group.clone()),
            ("state", self.state.clone()),
            ("kind", self.kind.clone()),
            ("reason", self.reason.clone()),
            ("user", self.user.map(|user| user.to_string())),
            ("event", self.event.map(|event| event.to_string())),
            ("since", self.since.map(|since| since.to_string())),
            ("until", self.until.map(|until| until.to_string())),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
    }
}

/// Text as it may stand in a query: all but letters, digits and a few marks by their bytes.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_hold_any_text() {
        let check = |text: &str, expect: &str| assert_eq!(escaped(text), expect);
        check("user.emotions.topic", "user.emotions.topic");
        check("100% of & more", "100%25%20of%20%26%20more");
        check("é", "%C3%A9");
    }

    #[test]
    fn a_filter_says_only_what_is_set() {
        let filter = DeadLetterFilter { kind: Some("gave-up".to_owned()), ..DeadLetterFilter::default() };
        assert_eq!(filter.fields().collect::<Vec<_>>(), [("kind", "gave-up".to_owned())]);
        let choice = DeadLetterChoice::Matching { filter, before: None };
        assert_eq!(serde_json::to_string(&choice).unwrap(), r#"{"filter":{"kind":"gave-up"}}"#);
        let choice = DeadLetterChoice::Ids { ids: vec![1, 2] };
        assert_eq!(serde_json::to_string(&choice).unwrap(), r#"{"ids":[1,2]}"#);
    }
}
