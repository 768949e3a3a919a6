//! What connections send. A request is written once; from then on only the bytes that differ are put into it.

use std::io::Write as _;
use std::net::SocketAddr;
use std::ops::Range;

use anyhow::Context as _;
use ecs_domain::UserId;
use serde::Deserialize;

use crate::population::{Facts, KIND, Population, TIME_OF_DAY};

/// Makes one connection's requests, one after the other.
pub(crate) trait Requests: Send + 'static {
    /// The next request, whole.
    fn next(&mut self) -> &[u8];

    /// How many events of the last request an answer of 202 with this body accepts.
    fn accepted(&self, body: &[u8]) -> anyhow::Result<u64>;
}

/// Numbers of events that no other connection uses, nor another load with another `first`.
struct Numbers(u64);

impl Numbers {
    fn of(load: u64, connection: u64) -> Self {
        Self(load << 48 | connection << 32)
    }

    fn next(&mut self) -> u64 {
        self.0 += 1;
        self.0
    }
}

const USER: &str = "uuuuuuuu-uuuu-uuuu-uuuu-uuuuuuuuuuuu";
const NAME: &str = "nnnnnnnnnnnnnnnnnnnn";
const DAY: &str = "yyyy-dd-dd";
const METRICS: [&str; 3] = ["0.ppp", "0.iii", "0.sss"];

/// The text of an emotion event with placeholders.
fn emotion_text() -> String {
    let [positivity, intensity, stress] = METRICS;
    format!(
        r#"{{"userId":"{USER}","timestamp":"{DAY}{TIME_OF_DAY}","emotionEvent":{{"type":"{KIND}","metrics":{{"positivity":{positivity},"intensity":{intensity},"stress_level":{stress}}}}},"eventId":"{NAME}"}}"#
    )
}

/// Where the facts of an event stand in its text.
#[derive(Clone)]
struct Slots {
    user: Range<usize>,
    name: Range<usize>,
    day: Range<usize>,
    metrics: [Range<usize>; 3],
}

impl Slots {
    fn find(text: &str) -> anyhow::Result<Self> {
        let slot = |placeholder: &str| {
            let start = text.find(placeholder).with_context(|| format!("no {placeholder} in the request"))?;
            anyhow::Ok(start..start + placeholder.len())
        };
        let [positivity, intensity, stress] = METRICS;
        let metrics = [slot(positivity)?, slot(intensity)?, slot(stress)?];
        Ok(Self { user: slot(USER)?, name: slot(NAME)?, day: slot(DAY)?, metrics })
    }

    fn fill(&self, text: &mut [u8], facts: &Facts, number: u64) {
        let Facts { user, day, metrics } = facts;
        put_user(text, &self.user, *user);
        put(text, &self.day, format_args!("{day}"));
        put(text, &self.name, format_args!("{number:020}"));
        for (slot, thousandths) in self.metrics.iter().zip(metrics) {
            put(text, slot, format_args!("0.{thousandths:03}"));
        }
    }
}

/// Writes over a placeholder; what is written has its length.
fn put(text: &mut [u8], slot: &Range<usize>, value: std::fmt::Arguments<'_>) {
    if let Some(mut place) = text.get_mut(slot.clone()) {
        // A slice of the right length takes all of it.
        let written = place.write_fmt(value);
        debug_assert!(written.is_ok() && place.is_empty(), "the value doesn't fit its placeholder");
    }
}

fn put_user(text: &mut [u8], slot: &Range<usize>, user: UserId) {
    if let Some(place) = text.get_mut(slot.clone()) {
        user.uuid().hyphenated().encode_lower(place);
    }
}

fn request(path: &str, credentials: &str, media_type: &str, length: usize, address: SocketAddr) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\n{credentials}\r\ncontent-type: {media_type}\r\ncontent-length: {length}\r\n\r\n"
    )
}

/// `POST /v1/emotions/stream` with one event as JSON.
pub(crate) struct Emotions {
    bytes: Vec<u8>,
    slots: Slots,
    population: Population,
    numbers: Numbers,
}

impl Emotions {
    pub(crate) fn new(
        population: &Population,
        address: SocketAddr,
        internal_key: &str,
        load: u64,
        connection: u64,
    ) -> anyhow::Result<Self> {
        let body = emotion_text();
        let key = format!("x-internal-key: {internal_key}");
        let text = request("/v1/emotions/stream", &key, "application/json", body.len(), address) + &body;
        Ok(Self {
            slots: Slots::find(&text)?,
            bytes: text.into_bytes(),
            population: population.clone(),
            numbers: Numbers::of(load, connection),
        })
    }
}

impl Requests for Emotions {
    fn next(&mut self) -> &[u8] {
        let number = self.numbers.next();
        let facts = self.population.facts(number);
        self.slots.fill(&mut self.bytes, &facts, number);
        &self.bytes
    }

    fn accepted(&self, _: &[u8]) -> anyhow::Result<u64> {
        Ok(1)
    }
}

/// `POST /v1/emotions/stream` with many events as JSON lines.
pub(crate) struct Lines {
    bytes: Vec<u8>,
    head: usize,
    line: Vec<u8>,
    slots: Slots,
    population: Population,
    numbers: Numbers,
}

impl Lines {
    /// Events in one upload.
    pub(crate) const EVENTS: u64 = 5_000;

    pub(crate) fn new(
        population: &Population,
        address: SocketAddr,
        internal_key: &str,
        load: u64,
        connection: u64,
    ) -> anyhow::Result<Self> {
        let line = emotion_text() + "\n";
        let key = format!("x-internal-key: {internal_key}");
        let length = line.len() * usize::try_from(Self::EVENTS)?;
        let head = request("/v1/emotions/stream", &key, "application/x-ndjson", length, address);
        Ok(Self {
            slots: Slots::find(&line)?,
            head: head.len(),
            bytes: head.into_bytes(),
            line: line.into_bytes(),
            population: population.clone(),
            numbers: Numbers::of(load, connection),
        })
    }
}

/// What an upload's answer says.
#[derive(Deserialize)]
struct Answer {
    accepted: u64,
}

impl Requests for Lines {
    fn next(&mut self) -> &[u8] {
        self.bytes.truncate(self.head);
        for _ in 0..Self::EVENTS {
            let number = self.numbers.next();
            let facts = self.population.facts(number);
            self.slots.fill(&mut self.line, &facts, number);
            self.bytes.extend_from_slice(&self.line);
        }
        &self.bytes
    }

    /// Lines may be refused one by one, for instance while the bus's window is full.
    fn accepted(&self, body: &[u8]) -> anyhow::Result<u64> {
        let answer: Answer = serde_json::from_slice(body).context("the answer to an upload")?;
        Ok(answer.accepted)
    }
}

/// `POST /v1/transactions`, each connection one user with their own token.
pub(crate) struct Transactions {
    bytes: Vec<u8>,
    name: Range<usize>,
    numbers: Numbers,
}

impl Transactions {
    pub(crate) fn new(
        user: UserId,
        token: &str,
        address: SocketAddr,
        load: u64,
        connection: u64,
    ) -> anyhow::Result<Self> {
        let body = format!(
            r#"{{"userId":"{user}","amount":129.90,"transactionId":"{NAME}","merchant":"Padaria Central","category":"groceries","channel":"card"}}"#
        );
        let token = format!("authorization: Bearer {token}");
        let text = request("/v1/transactions", &token, "application/json", body.len(), address) + &body;
        let start = text.find(NAME).context("no transactionId in the request")?;
        Ok(Self {
            name: start..start + NAME.len(),
            bytes: text.into_bytes(),
            numbers: Numbers::of(load, connection),
        })
    }
}

impl Requests for Transactions {
    fn next(&mut self) -> &[u8] {
        put(&mut self.bytes, &self.name, format_args!("{:020}", self.numbers.next()));
        &self.bytes
    }

    fn accepted(&self, _: &[u8]) -> anyhow::Result<u64> {
        Ok(1)
    }
}

#[cfg(test)]
mod tests {
    use ecs_domain::Timestamp;

    use super::*;
    use crate::population::name;

    const ADDRESS: ([u8; 4], u16) = ([127, 0, 0, 1], 80);

    #[test]
    fn a_request_says_what_the_event_of_its_number_is() {
        let population = Population::new(10, Timestamp::now());
        let mut requests = Emotions::new(&population, ADDRESS.into(), "key", 1, 2).unwrap();
        let first = requests.next().to_vec();
        let second = String::from_utf8(requests.next().to_vec()).unwrap();
        assert_ne!(first, second.as_bytes());
        let (head, body) = second.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
        let number = (1 << 48) + (2 << 32) + 2;
        let json: serde_json::Value = serde_json::from_str(body).unwrap();
        let emotion = population.emotion(number).unwrap();
        assert_eq!(json["eventId"], name(number));
        assert_eq!(json["userId"], emotion.user.to_string());
        assert_eq!(json["timestamp"].as_str().unwrap().parse::<Timestamp>().unwrap(), emotion.occurred_at);
        let stress = json["emotionEvent"]["metrics"]["stress_level"].as_f64().unwrap();
        assert_eq!(ecs_domain::emotion::Unit::new(stress), Some(emotion.metrics.stress));
    }

    #[test]
    fn an_upload_has_the_length_it_announces() {
        let population = Population::new(10, Timestamp::now());
        let mut lines = Lines::new(&population, ADDRESS.into(), "key", 1, 2).unwrap();
        for _ in 0..2 {
            let text = String::from_utf8(lines.next().to_vec()).unwrap();
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
            assert_eq!(body.lines().count() as u64, Lines::EVENTS);
        }
    }
}
