//! Reading a stream by place, and forgetting its oldest events.

use std::time::Duration;

use async_nats::header::{NATS_LAST_SEQUENCE, NATS_SEQUENCE, NATS_TIME_STAMP};
use async_nats::{HeaderMap, Message, Request, StatusCode};
use ecs_bus::{BusError, LogRecord, Position, Subject};
use ecs_domain::Timestamp;
use futures::StreamExt;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::{self, ApiError};
use crate::link::Link;
use crate::{message, streams};

/// How many bytes one request brings at most.
const LARGEST_PAGE: usize = 16 << 20;
/// How many events one request brings at most.
const LONGEST_PAGE: usize = 10_000;

/// Reads at most `limit` events from `first` on. Fewer mean that the log ended there.
pub(crate) async fn read(
    link: &Link,
    subject: Subject,
    first: u64,
    limit: usize,
    patience: Duration,
) -> Result<Vec<LogRecord>, BusError> {
    let mut records: Vec<LogRecord> = Vec::new();
    let mut next = first.max(1);
    while records.len() < limit {
        let count = (limit - records.len()).min(LONGEST_PAGE);
        let page = tokio::time::timeout(patience, page(link, subject, next, count)).await;
        let page = page.map_err(|_| BusError::Unavailable("NATS does not send the log".to_owned()))??;
        let Some(last) = page.last() else { break };
        next = last.position.offset + 1;
        records.extend(page);
    }
    Ok(records)
}

/// One answer of the server: some events, or none at the end of the log.
async fn page(link: &Link, subject: Subject, first: u64, count: usize) -> Result<Vec<LogRecord>, BusError> {
    let lost = |error: &dyn std::fmt::Display| BusError::Unavailable(error.to_string());
    let inbox = link.client.new_inbox();
    let mut answers = link.client.subscribe(inbox.clone()).await.map_err(|error| lost(&error))?;
    let request = json!({
        "seq": first,
        "batch": count,
        "max_bytes": LARGEST_PAGE,
        "next_by_subj": subject.as_str(),
    });
    let to = format!("$JS.API.DIRECT.GET.{}", streams::name(subject));
    let sent = link.client.publish_with_reply(to, inbox, request.to_string().into()).await;
    sent.map_err(|error| lost(&error))?;
    let mut records = Vec::new();
    while records.len() < count {
        let answer = answers.next().await.ok_or_else(|| lost(&"the connection to NATS is closed"))?;
        match answer.status {
            None | Some(StatusCode::OK) => {}
            Some(StatusCode::NO_RESPONDERS) => return Err(lost(&"JetStream is not there")),
            // Nothing is left: 404 at once, 204 after the last one.
            Some(_) => break,
        }
        // Servers before 2.11 know no batches, say nothing of what is left, and send one event.
        let single = answer.headers.as_ref().is_none_or(|headers| headers.get("Nats-Num-Pending").is_none());
        let before = records.last().map_or(0, |record: &LogRecord| record.position.offset);
        if !single && !follows(answer.headers.as_ref(), before) {
            // The connection was lost and came back while the server was sending.
            return Err(lost(&"a part of the log was lost on its way"));
        }
        records.push(record(subject, answer)?);
        if single {
            break;
        }
    }
    Ok(records)
}

fn record(subject: Subject, answer: Message) -> Result<LogRecord, BusError> {
    let Message { headers, payload, .. } = answer;
    let place = headers.as_ref().and_then(place);
    let (sequence, published_at) =
        place.ok_or_else(|| BusError::Corrupt("NATS does not say where an event stands".to_owned()))?;
    let event = message::event(subject, sequence, headers.as_ref(), payload);
    Ok(LogRecord { position: Position::single(sequence), published_at, event })
}

fn place(headers: &HeaderMap) -> Option<(u64, Timestamp)> {
    let sequence = headers.get_last(NATS_SEQUENCE)?.as_str().parse().ok()?;
    let published_at = headers.get_last(NATS_TIME_STAMP)?.as_str().parse().ok()?;
    Some((sequence, published_at))
}

/// Whether an event of a page comes right behind the one before it; 0 stands for none.
fn follows(headers: Option<&HeaderMap>, before: u64) -> bool {
    let told = headers.and_then(|headers| headers.get_last(NATS_LAST_SEQUENCE));
    told.is_some_and(|told| told.as_str().parse() == Ok(before))
}

/// Place and time of the first event at or behind a place; `None` when there is none, or none that the server that answers has
/// seen yet: one of several may be some milliseconds behind.
pub(crate) async fn first_from(
    link: &Link,
    subject: Subject,
    sequence: u64,
) -> Result<Option<(u64, Timestamp)>, BusError> {
    let to = format!("$JS.API.DIRECT.GET.{}", streams::name(subject));
    let wanted = json!({ "seq": sequence, "next_by_subj": subject.as_str() });
    let answer = link.client.send_request(to, Request::new().payload(wanted.to_string().into())).await;
    let answer = answer.map_err(|error| BusError::Unavailable(error.to_string()))?;
    match answer.status {
        None | Some(StatusCode::OK) => {}
        Some(StatusCode::NOT_FOUND) => return Ok(None),
        Some(status) => return Err(BusError::Unavailable(format!("NATS does not show an event: {status}"))),
    }
    let place = answer.headers.as_ref().and_then(place);
    place.map(Some).ok_or_else(|| BusError::Corrupt("NATS does not say where an event stands".to_owned()))
}

/// Forgets what was published before `before`. Whole files go at once on the server, so there is no need for small steps.
pub(crate) async fn forget(link: &Link, subject: Subject, before: Timestamp) -> Result<u64, BusError> {
    let state = streams::info(link, streams::name(subject)).await?.state;
    if state.oldest().is_none_or(|oldest| oldest >= before) {
        return Ok(0);
    }
    // Places rise with time: the first place that stays is found by halving. A place may be empty, and says nothing of its
    // neighbours; then the next event speaks for it. Where nobody has seen any, everything stays.
    let (mut gone, mut stays) = (state.first_seq, state.last_seq + 1);
    while gone + 1 < stays {
        let middle = gone + (stays - gone) / 2;
        match first_from(link, subject, middle).await? {
            Some((place, at)) if at < before => gone = place.min(stays - 1),
            Some(_) | None => stays = middle,
        }
    }
    let purge = format!("STREAM.PURGE.{}", streams::name(subject));
    let Purged { purged } = api::ask::<Purged>(link, &purge, &json!({ "seq": stays })).await?;
    Ok(purged)
}

#[derive(Deserialize)]
struct Purged {
    purged: u64,
}

/// Whether JetStream answers for a subject.
pub(crate) async fn ping(link: &Link, subject: Subject, limit: Duration) -> Result<(), ApiError> {
    let what = format!("STREAM.INFO.{}", streams::name(subject));
    api::ask_within::<streams::Info>(link, &what, &Value::Null, Some(limit)).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_with_a_hole_is_noticed() {
        let check = |told: Option<&str>, before: u64, expect: bool| {
            let mut headers = HeaderMap::new();
            if let Some(told) = told {
                headers.insert(NATS_LAST_SEQUENCE, told);
            }
            assert_eq!(follows(Some(&headers), before), expect, "{told:?} behind {before}");
        };
        check(Some("0"), 0, true);
        check(Some("7"), 7, true);
        check(Some("8"), 7, false);
        check(Some("4"), 0, false);
        check(None, 0, false);
    }
}
