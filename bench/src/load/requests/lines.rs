//! Emotions, a thousand a request.

use std::net::SocketAddr;

use anyhow::Context as _;
use serde::Deserialize;

use super::emotions::{Slots, emotion_text};
use super::{Numbers, Requests, request};
use crate::platform::INTERNAL_KEY;
use crate::population::Population;

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
    pub(crate) const EVENTS: u64 = 1_000;

    pub(crate) fn new(population: &Population, address: SocketAddr, connection: u64) -> anyhow::Result<Self> {
        let line = emotion_text() + "\n";
        let key = format!("x-internal-key: {INTERNAL_KEY}");
        let length = line.len() * usize::try_from(Self::EVENTS)?;
        let head = request("/v1/emotions/stream", &key, "application/x-ndjson", length, address);
        Ok(Self {
            slots: Slots::find(&line)?,
            head: head.len(),
            bytes: head.into_bytes(),
            line: line.into_bytes(),
            population: population.clone(),
            numbers: Numbers::of(connection),
        })
    }
}

/// What an upload's answer says.
#[derive(Deserialize)]
struct Answer {
    accepted: u64,
}

impl Requests for Lines {
    fn next(&mut self) -> Option<&[u8]> {
        self.bytes.truncate(self.head);
        for _ in 0..Self::EVENTS {
            let number = self.numbers.next();
            let facts = self.population.facts(number);
            self.slots.fill(&mut self.line, &facts, number);
            self.bytes.extend_from_slice(&self.line);
        }
        Some(&self.bytes)
    }

    /// Lines may be refused one by one, for instance while the bus's window is full.
    fn accepted(&self, body: &[u8]) -> anyhow::Result<u64> {
        let answer: Answer = serde_json::from_slice(body).context("the answer to an upload")?;
        Ok(answer.accepted)
    }
}

#[cfg(test)]
mod tests {
    use ecs_domain::Timestamp;

    use super::*;

    const ADDRESS: ([u8; 4], u16) = ([127, 0, 0, 1], 80);

    #[test]
    fn an_upload_has_the_length_it_announces() {
        let population = Population::new(10, Timestamp::now());
        let mut lines = Lines::new(&population, ADDRESS.into(), 2).unwrap();
        for _ in 0..2 {
            let text = String::from_utf8(lines.next().unwrap().to_vec()).unwrap();
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
            assert_eq!(body.lines().count() as u64, Lines::EVENTS);
        }
    }
}
