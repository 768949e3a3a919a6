//! The streams: one per subject. Made where they are missing, checked where they are there.

use ecs_bus::{BusError, Subject};
use ecs_domain::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::{self, ApiError, code};
use crate::drift::{self, Rule, is_on, number, text};
use crate::link::Link;
use crate::message::HEADER_ROOM;

/// The stream that holds a subject's events. The names are a contract with other systems.
pub(crate) fn name(subject: Subject) -> &'static str {
    match subject {
        Subject::Emotions => "emotions",
        Subject::Transactions => "transactions",
        Subject::OffersApproved => "credits",
        Subject::Notifications => "notifications",
        Subject::Evaluations => "evaluations",
        Subject::Alerts => "alerts",
    }
}

/// A stream as the server tells of it.
#[derive(Debug, Deserialize)]
pub(crate) struct Info {
    /// Its settings, by the server's names.
    pub(crate) config: Value,
    /// What is in it.
    pub(crate) state: State,
}

/// What is in a stream.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct State {
    /// How many messages.
    pub(crate) messages: u64,
    /// The oldest one's place; one after the last when there is none.
    pub(crate) first_seq: u64,
    /// The oldest one's time, where there is one.
    first_ts: Timestamp,
    /// The newest one's place, also when it is gone.
    pub(crate) last_seq: u64,
    /// The newest one's time.
    last_ts: Timestamp,
}

impl State {
    /// When the oldest message became durable.
    pub(crate) fn oldest(&self) -> Option<Timestamp> {
        (self.messages > 0).then_some(self.first_ts)
    }

    /// Until when messages are gone. Nothing lies between the last that is gone and the first that is there, so the first
    /// one's time says it, whoever removed them.
    pub(crate) fn gone_until(&self) -> Option<Timestamp> {
        (self.first_seq > 1).then(|| self.oldest().unwrap_or(self.last_ts))
    }

    /// The last place before the first message.
    pub(crate) fn gone_through(&self) -> u64 {
        self.first_seq.saturating_sub(1)
    }
}

/// What the server tells of a stream.
pub(crate) async fn info(link: &Link, stream: &str) -> Result<Info, ApiError> {
    api::ask(link, &format!("STREAM.INFO.{stream}"), &Value::Null).await
}

/// Makes the subject's stream, or checks it. Says whether it takes atomic batches.
pub(crate) async fn open(
    link: &Link,
    subject: Subject,
    replicas: usize,
    max_payload: usize,
) -> Result<bool, BusError> {
    let stream = name(subject);
    let found = made(link, stream, &wanted(subject, replicas)).await?;
    drift::check(&format!("the stream {stream}"), &found.config, &rules(subject, replicas, max_payload))?;
    let atomic = is_on(&found.config, "allow_atomic");
    if !atomic {
        tracing::warn!(
            stream,
            "takes no atomic batches (server before 2.12?); events are published one by one"
        );
    }
    Ok(atomic)
}

/// The stream, made if it wasn't there. Several processes may do so at once.
pub(crate) async fn made(link: &Link, stream: &str, wanted: &Value) -> Result<Info, ApiError> {
    match info(link, stream).await {
        Err(error) if error.is(code::NO_STREAM) => {}
        other => return other,
    }
    match api::ask(link, &format!("STREAM.CREATE.{stream}"), wanted).await {
        Ok(made) => {
            tracing::info!(stream, "made the stream");
            Ok(made)
        }
        // Another process was faster.
        Err(error) if error.is(code::STREAM_EXISTS) => info(link, stream).await,
        Err(error) => Err(error),
    }
}

/// Full streams refuse what is new rather than forget what waits, and nothing ages away: `prune` alone forgets, and spares
/// what waits after a long stop.
fn wanted(subject: Subject, replicas: usize) -> Value {
    json!({
        "name": name(subject),
        "subjects": [subject.as_str()],
        "storage": "file",
        "retention": "limits",
        "discard": "new",
        "max_age": 0,
        "max_msgs": -1,
        "max_bytes": -1,
        "max_msgs_per_subject": -1,
        "max_msg_size": -1,
        "num_replicas": replicas,
        "allow_direct": true,
        "allow_atomic": true,
    })
}

fn rules(subject: Subject, replicas: usize, max_payload: usize) -> Vec<Rule> {
    let mut rules = limits(max_payload);
    rules.extend([
        Rule::must("storage", "file", "what was acknowledged is gone with the server", |config| {
            text(config, "storage") == "file"
        }),
        Rule::must("retention", "limits", "one group's work takes events from the others", |config| {
            text(config, "retention") == "limits"
        }),
        takes(subject.as_str(), "events go elsewhere"),
        Rule::should("subjects", format!("only [\"{subject}\"]"), |config| subjects(config).count() == 1),
        Rule::must("subject_transform", "not set", "events pass the groups by", |config| {
            config.get("subject_transform").is_none_or(Value::is_null)
        }),
        Rule::must("no_ack", "false", "nobody hears whether an event is durable", |config| {
            !is_on(config, "no_ack")
        }),
        Rule::must("sealed", "false", "it takes no events", |config| !is_on(config, "sealed")),
        Rule::must("deny_purge", "false", "payloads are kept for ever", |config| {
            !is_on(config, "deny_purge")
        }),
        Rule::must("allow_direct", "true", "the log can't be read", |config| is_on(config, "allow_direct")),
        Rule::must("persist_mode", "default", "what was acknowledged may not be on disk", |config| {
            text(config, "persist_mode") != "async"
        }),
        Rule::should("allow_atomic", "true", |config| is_on(config, "allow_atomic")),
        copies(replicas),
        Rule::should("num_replicas", replicas.to_string(), move |config| {
            usize::try_from(number(config, "num_replicas")) == Ok(replicas)
        }),
    ]);
    rules
}

fn subjects(config: &Value) -> impl Iterator<Item = &str> {
    config.get("subjects").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// The rule that a stream takes what is sent to a subject.
pub(crate) fn takes(subject: &'static str, promise: &'static str) -> Rule {
    Rule::must("subjects", format!("[\"{subject}\"]"), promise, move |config| {
        subjects(config).any(|listed| listed == subject)
    })
}

/// The rule that a stream has as many copies as durable means here: with fewer, an acknowledgement says less.
pub(crate) fn copies(replicas: usize) -> Rule {
    let wanted = format!("at least {replicas}");
    Rule::must("num_replicas", wanted, "fewer servers have what was acknowledged", move |config| {
        usize::try_from(number(config, "num_replicas")).is_ok_and(|copies| copies >= replicas)
    })
}

/// What may end an event's time in the stream, besides us.
fn limits(max_payload: usize) -> Vec<Rule> {
    let refuses_new = |config: &Value| text(config, "discard") == "new";
    let forgets = "events go before they were worked on";
    vec![
        Rule::must("max_age", "0", forgets, |config| number(config, "max_age") == 0),
        Rule::must("max_msgs", "-1, or discard new", forgets, move |config| {
            number(config, "max_msgs") <= 0 || refuses_new(config)
        }),
        Rule::must("max_bytes", "-1, or discard new", forgets, move |config| {
            number(config, "max_bytes") <= 0 || refuses_new(config)
        }),
        Rule::must("max_msgs_per_subject", "-1", forgets, |config| {
            number(config, "max_msgs_per_subject") <= 0
        }),
        Rule::should("discard", "new", refuses_new),
        Rule::must("max_msg_size", "-1, or room for the largest payload", "large events are refused", {
            let needed = i64::try_from(max_payload + HEADER_ROOM).unwrap_or(i64::MAX);
            move |config| !(1..needed).contains(&number(config, "max_msg_size"))
        }),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_we_make_is_what_we_want() {
        for subject in Subject::ALL {
            let rules = rules(subject, 1, 1 << 20);
            assert!(drift::check("it", &wanted(subject, 1), &rules).is_ok());
        }
    }

    #[test]
    fn each_setting_that_breaks_a_promise_is_refused_by_its_name() {
        let check = |field: &str, value: Value, refused: bool| {
            let mut config = wanted(Subject::Emotions, 1);
            config[field] = value;
            let verdict = drift::check("it", &config, &rules(Subject::Emotions, 1, 1_000));
            let named =
                verdict.as_ref().is_err_and(|error| error.to_string().contains(&format!("{field} is ")));
            assert_eq!(named, refused, "{field}: {verdict:?}");
        };
        check("storage", json!("memory"), true);
        check("retention", json!("workqueue"), true);
        check("retention", json!("interest"), true);
        check("subjects", json!(["other"]), true);
        check("subjects", json!(["user.emotions.topic", "other"]), false);
        check("max_age", json!(1_000_000_000), true);
        check("max_msgs", json!(100), false);
        check("max_bytes", json!(100), false);
        check("max_msgs_per_subject", json!(1), true);
        check("max_msg_size", json!(2_000), true);
        check("max_msg_size", json!(4_000), false);
        check("no_ack", json!(true), true);
        check("sealed", json!(true), true);
        check("deny_purge", json!(true), true);
        check("allow_direct", json!(false), true);
        check("persist_mode", json!("async"), true);
        check("allow_atomic", json!(false), false);
        check("num_replicas", json!(3), false);
        check("num_replicas", json!(0), true);
        check("subject_transform", json!({"src": "user.emotions.topic", "dest": "x"}), true);
        check("discard", json!("old"), false);
        let mut forgetful = wanted(Subject::Emotions, 1);
        forgetful["discard"] = json!("old");
        forgetful["max_bytes"] = json!(100);
        assert!(drift::check("it", &forgetful, &rules(Subject::Emotions, 1, 1_000)).is_err());
    }

    #[test]
    fn what_is_gone_is_told_by_what_is_left() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let state = |messages, first_seq, last_seq| State {
            messages,
            first_seq,
            first_ts: at(10),
            last_seq,
            last_ts: at(20),
        };
        assert_eq!(state(0, 0, 0).gone_until(), None);
        assert_eq!(state(5, 1, 5).gone_until(), None);
        assert_eq!((state(5, 4, 8).gone_until(), state(5, 4, 8).gone_through()), (Some(at(10)), 3));
        assert_eq!((state(0, 9, 8).gone_until(), state(0, 9, 8).oldest()), (Some(at(20)), None));
    }
}
