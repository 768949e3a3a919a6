//! The consumers: one durable pull consumer per group, named after it. Made where it is missing, checked where it is there.

use std::time::Duration;

use ecs_bus::{BusError, Group, Subject, SubscribeOptions};
use ecs_domain::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::{self, ApiError, code};
use crate::drift::{self, Rule, is_on, number, text};
use crate::link::Link;
use crate::streams;

/// How many deliveries of a group may be unsettled, those that wait for a retry included. The server's default of 1,000 would
/// cap what batch writers get, and let a thousand waiting retries hold up everything behind them.
const MAX_ACK_PENDING: i64 = 1_000_000;

/// How much longer than a lease the server waits for a word. Members let go of what they can't settle by themselves, and count the
/// attempt; the server's own redelivery is for members that died. It covers the time that a delivery waits for its member.
pub(crate) const SLACK: Duration = Duration::from_secs(5);

/// A consumer as the server tells of it.
#[derive(Debug, Deserialize)]
pub(crate) struct Info {
    /// Its settings, by the server's names.
    config: Value,
    /// Everything up to here is settled.
    pub(crate) ack_floor: Floor,
    /// How many are delivered and not settled.
    pub(crate) num_ack_pending: u64,
    /// How many were never delivered.
    pub(crate) num_pending: u64,
}

/// A place in the stream.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct Floor {
    pub(crate) stream_seq: u64,
}

/// What the server tells of a group; `None` where nobody ever joined it.
pub(crate) async fn info(link: &Link, subject: Subject, group: Group) -> Result<Option<Info>, ApiError> {
    let stream = streams::name(subject);
    match api::ask(link, &format!("CONSUMER.INFO.{stream}.{group}"), &Value::Null).await {
        Ok(info) => Ok(Some(info)),
        Err(error) if error.is(code::NO_CONSUMER) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes the group's consumer, or checks it.
pub(crate) async fn open(
    link: &Link,
    subject: Subject,
    group: Group,
    options: SubscribeOptions,
) -> Result<(), BusError> {
    let lease = options.lease.saturating_add(SLACK);
    let found = match info(link, subject, group).await? {
        Some(found) => found,
        None => match write(link, subject, group, "create", &wanted(subject, group, lease)).await {
            // Another member was faster.
            Err(error) if error.is(code::CONSUMER_EXISTS) => info(link, subject, group)
                .await?
                .ok_or_else(|| BusError::Unavailable(format!("the consumer {group} comes and goes")))?,
            made => {
                tracing::info!(%group, %subject, "made the consumer: the group begins with the oldest event");
                made?
            }
        },
    };
    let what = format!("the consumer {group} of the stream {}", streams::name(subject));
    drift::check(&what, &found.config, &rules(subject, options.max_batch))?;
    let Some(longer) = with_lease(&found.config, lease) else { return Ok(()) };
    tracing::info!(%group, ack_wait_ms = lease.as_millis(), "the group's lease grows");
    write(link, subject, group, "update", &longer).await?;
    Ok(())
}

async fn write(
    link: &Link,
    subject: Subject,
    group: Group,
    action: &str,
    config: &Value,
) -> Result<Info, ApiError> {
    let stream = streams::name(subject);
    let body = json!({ "stream_name": stream, "config": config, "action": action });
    api::ask(link, &format!("CONSUMER.CREATE.{stream}.{group}.{subject}"), &body).await
}

/// The same settings with the longer lease, where a member needs one. A lease is never made shorter: the members that joined
/// with it still count on it, and a longer one costs only those nothing who let go by themselves.
fn with_lease(config: &Value, lease: Duration) -> Option<Value> {
    let lease = nanos(lease);
    if number(config, "ack_wait") >= lease {
        return None;
    }
    let mut config = config.clone();
    *config.get_mut("ack_wait")? = lease.into();
    Some(config)
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

fn wanted(subject: Subject, group: Group, lease: Duration) -> Value {
    json!({
        "name": group.0,
        "durable_name": group.0,
        "deliver_policy": "all",
        "ack_policy": "explicit",
        "ack_wait": nanos(lease),
        "max_deliver": -1,
        "filter_subject": subject.as_str(),
        "replay_policy": "instant",
        "max_ack_pending": MAX_ACK_PENDING,
    })
}

fn rules(subject: Subject, max_batch: usize) -> Vec<Rule> {
    let several = i64::try_from(max_batch.saturating_mul(4)).unwrap_or(i64::MAX);
    let mut rules = vec![
        Rule::must("ack_policy", "explicit", "events count as done before they are", |config| {
            text(config, "ack_policy") == "explicit"
        }),
        Rule::must("max_deliver", "-1", "events that fail vanish without a dead letter", |config| {
            number(config, "max_deliver") <= 0
        }),
        Rule::must("backoff", "not set", "deliveries come again while somebody works on them", |config| {
            config.get("backoff").and_then(Value::as_array).is_none_or(Vec::is_empty)
        }),
        Rule::must(
            "max_ack_pending",
            format!("-1, or at least {several}"),
            "retries hold up what follows",
            move |config| !(1..several).contains(&number(config, "max_ack_pending")),
        ),
        Rule::must(
            "filter_subject",
            subject.as_str(),
            "events pass the group by",
            move |config| matches!(text(config, "filter_subject"), filter if filter == subject.as_str() || filter.is_empty()),
        ),
        Rule::must("deliver_policy", "all", "events that were there before pass the group by", |config| {
            text(config, "deliver_policy") == "all"
        }),
        Rule::must("headers_only", "false", "events come without their payload", |config| {
            !is_on(config, "headers_only")
        }),
        Rule::must("mem_storage", "false", "what is done is forgotten with the server", |config| {
            !is_on(config, "mem_storage")
        }),
        Rule::must("deliver_subject", "not set", "nobody can pull", |config| {
            text(config, "deliver_subject").is_empty()
        }),
        Rule::should("max_ack_pending", MAX_ACK_PENDING.to_string(), |config| {
            let most = number(config, "max_ack_pending");
            most <= 0 || most >= MAX_ACK_PENDING
        }),
        Rule::must("priority_policy", "none", "the server refuses what a member asks for", |config| {
            matches!(text(config, "priority_policy"), "" | "none")
        }),
        Rule::should("pause_until", "not set", |config| text(config, "pause_until").is_empty()),
        Rule::should("inactive_threshold", "0", |config| number(config, "inactive_threshold") == 0),
    ];
    rules.extend(["max_batch", "max_expires", "max_bytes"].map(|limit| {
        Rule::must(limit, "0", "the server refuses what a member asks for", move |config| {
            number(config, limit) <= 0
        })
    }));
    rules
}

/// How far a group has come, of a stream and a consumer as they were seen one after the other.
pub(crate) fn settled_through(consumer: Option<&Info>, stream: &streams::State) -> u64 {
    // What is gone from the stream is settled for good, too.
    consumer.map_or(0, |consumer| consumer.ack_floor.stream_seq).max(stream.gone_through())
}

/// How many events a group has not settled.
pub(crate) fn pending(consumer: Option<&Info>, stream: &streams::State) -> u64 {
    consumer.map_or(stream.messages, |consumer| consumer.num_pending + consumer.num_ack_pending)
}

/// When the oldest unsettled event was published, if that can be told without asking for it.
pub(crate) fn oldest_known(settled_through: u64, stream: &streams::State) -> Option<Timestamp> {
    (settled_through == stream.gone_through()).then(|| stream.oldest()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUP: Group = Group("g");

    #[test]
    fn each_setting_that_breaks_a_promise_is_refused_by_its_name() {
        let check = |field: &str, value: Value, refused: bool| {
            let mut config = wanted(Subject::Emotions, GROUP, SLACK);
            config[field] = value;
            let verdict = drift::check("it", &config, &rules(Subject::Emotions, 5_000));
            let named =
                verdict.as_ref().is_err_and(|error| error.to_string().contains(&format!("{field} is ")));
            assert_eq!(named, refused, "{field}: {verdict:?}");
        };
        check("ack_policy", json!("none"), true);
        check("ack_policy", json!("explicit"), false);
        check("max_deliver", json!(5), true);
        check("backoff", json!([1_000_000_000]), true);
        check("max_ack_pending", json!(1_000), true);
        check("max_ack_pending", json!(20_000), false);
        check("max_ack_pending", json!(-1), false);
        check("filter_subject", json!("transactions.topic"), true);
        check("deliver_policy", json!("new"), true);
        check("headers_only", json!(true), true);
        check("mem_storage", json!(true), true);
        check("deliver_subject", json!("push.here"), true);
        check("max_batch", json!(10), true);
        check("inactive_threshold", json!(1), false);
        check("priority_policy", json!("pinned_client"), true);
        check("pause_until", json!("2999-01-01T00:00:00Z"), false);
    }

    #[test]
    fn a_lease_grows_and_never_shrinks() {
        let config = wanted(Subject::Emotions, GROUP, Duration::from_secs(10));
        assert_eq!(with_lease(&config, Duration::from_secs(10)), None);
        assert_eq!(with_lease(&config, Duration::from_secs(9)), None);
        let longer = with_lease(&config, Duration::from_secs(11)).map(|config| number(&config, "ack_wait"));
        assert_eq!(longer, Some(11_000_000_000));
    }
}
