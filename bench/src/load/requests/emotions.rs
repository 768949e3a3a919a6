//! Emotions, one a request.

use std::net::SocketAddr;
use std::ops::Range;

use ecs_domain::{Day, UserId};

use super::{NAME, Numbers, Requests, USER, put, put_user, request, slot};
use crate::platform::INTERNAL_KEY;
use crate::population::{Facts, KIND, Population, TIME_OF_DAY};

const DAY: &str = "yyyy-dd-dd";
const METRICS: [&str; 3] = ["0.ppp", "0.iii", "0.sss"];

/// The text of an emotion event with placeholders.
pub(super) fn emotion_text() -> String {
    let [positivity, intensity, stress] = METRICS;
    format!(
        r#"{{"userId":"{USER}","timestamp":"{DAY}{TIME_OF_DAY}","emotionEvent":{{"type":"{KIND}","metrics":{{"positivity":{positivity},"intensity":{intensity},"stress_level":{stress}}}}},"eventId":"{NAME}"}}"#
    )
}

/// Where the facts of an event stand in its text.
#[derive(Clone)]
pub(super) struct Slots {
    user: Range<usize>,
    name: Range<usize>,
    day: Range<usize>,
    metrics: [Range<usize>; 3],
}

impl Slots {
    pub(super) fn find(text: &str) -> anyhow::Result<Self> {
        let [positivity, intensity, stress] = METRICS;
        let metrics = [slot(text, positivity)?, slot(text, intensity)?, slot(text, stress)?];
        Ok(Self { user: slot(text, USER)?, name: slot(text, NAME)?, day: slot(text, DAY)?, metrics })
    }

    pub(super) fn fill(&self, text: &mut [u8], facts: &Facts, number: u64) {
        let Facts { user, day, metrics } = facts;
        put_user(text, &self.user, *user);
        put(text, &self.day, format_args!("{day}"));
        put(text, &self.name, format_args!("{number:020}"));
        for (slot, thousandths) in self.metrics.iter().zip(metrics) {
            put(text, slot, format_args!("0.{thousandths:03}"));
        }
    }
}

/// `POST /v1/emotions/stream` with one event as JSON.
pub(crate) struct Emotions {
    bytes: Vec<u8>,
    slots: Slots,
    population: Population,
    numbers: Numbers,
}

impl Emotions {
    pub(crate) fn new(population: &Population, address: SocketAddr, connection: u64) -> anyhow::Result<Self> {
        let body = emotion_text();
        let key = format!("x-internal-key: {INTERNAL_KEY}");
        let text = request("/v1/emotions/stream", &key, "application/json", body.len(), address) + &body;
        Ok(Self {
            slots: Slots::find(&text)?,
            bytes: text.into_bytes(),
            population: population.clone(),
            numbers: Numbers::of(connection),
        })
    }
}

/// The whole request of one event, for those who follow it.
pub(crate) fn one_emotion(
    user: UserId,
    day: Day,
    number: u64,
    address: SocketAddr,
) -> anyhow::Result<Vec<u8>> {
    let body = emotion_text();
    let key = format!("x-internal-key: {INTERNAL_KEY}");
    let text = request("/v1/emotions/stream", &key, "application/json", body.len(), address) + &body;
    let slots = Slots::find(&text)?;
    let mut bytes = text.into_bytes();
    slots.fill(&mut bytes, &Facts { user, day, metrics: [500, 500, 500] }, number);
    Ok(bytes)
}

impl Requests for Emotions {
    fn next(&mut self) -> Option<&[u8]> {
        let number = self.numbers.next();
        let facts = self.population.facts(number);
        self.slots.fill(&mut self.bytes, &facts, number);
        Some(&self.bytes)
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
        let mut requests = Emotions::new(&population, ADDRESS.into(), 2).unwrap();
        let first = requests.next().unwrap().to_vec();
        let second = String::from_utf8(requests.next().unwrap().to_vec()).unwrap();
        assert_ne!(first, second.as_bytes());
        let (head, body) = second.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
        let number = (2 << 32) + 2;
        let json: serde_json::Value = serde_json::from_str(body).unwrap();
        let emotion = population.emotion(number).unwrap();
        assert_eq!(json["eventId"], name(number));
        assert_eq!(json["userId"], emotion.user.to_string());
        assert_eq!(json["timestamp"].as_str().unwrap().parse::<Timestamp>().unwrap(), emotion.occurred_at);
        let stress = json["emotionEvent"]["metrics"]["stress_level"].as_f64().unwrap();
        assert_eq!(ecs_domain::emotion::Unit::new(stress), Some(emotion.metrics.stress));
    }
}
