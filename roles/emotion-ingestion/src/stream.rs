//! Any number of events as JSON lines, published in chunks while the rest of the body still arrives.

use axum::Json;
use axum::body::{Body, HttpBody as _};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use ecs_bus::payload::EmotionPayload;
use ecs_bus::{Event, Headers, PublishError};
use ecs_domain::Violations;
use ecs_web::body::{JsonError, NextFrame, next_frame};
use ecs_web::{IdempotencyKey, Problem, RequestContext};
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use http::StatusCode;

use crate::lines::{Line, Lines};
use crate::tally::Tally;
use crate::wire::Name;
use crate::{Deps, headers, not_published, wire};

/// Reads, publishes and counts. The order of lines is not the order of publishing, which nothing relies on.
pub(crate) async fn receive(
    deps: &Deps,
    context: &RequestContext,
    key: Option<&IdempotencyKey>,
    mut body: Body,
) -> Result<Response, Problem> {
    if body.size_hint().lower() > deps.limits.max_body {
        return Err(too_large(deps));
    }
    let mut upload = Upload::new(deps, context, key);
    let mut read = 0;
    loop {
        tokio::select! {
            biased;
            Some(published) = upload.in_flight.next() => upload.tally.published(published),
            frame = next_frame(&mut body), if upload.in_flight.len() < deps.limits.chunks_in_flight => match frame {
                Ok(NextFrame::End) => break,
                Ok(NextFrame::Data(piece)) => {
                    read += piece.len() as u64;
                    if read > deps.limits.max_body {
                        upload.cut_off("the upload is over its limit", too_large(deps));
                        return upload.finish().await;
                    }
                    upload.take(piece);
                }
                Err(problem) => {
                    upload.cut_off("the upload broke off", problem);
                    return upload.finish().await;
                }
            },
        }
    }
    upload.take_last();
    upload.finish().await
}

fn too_large(deps: &Deps) -> Problem {
    Problem::too_large(format!("an upload may have at most {} bytes", deps.limits.max_body))
}

/// The events of a chunk with their lines.
#[derive(Default)]
struct Chunk {
    lines: Vec<u64>,
    events: Vec<Event>,
    bytes: usize,
}

/// The lines of a chunk with what became of them.
pub(crate) type Published = Vec<(u64, Result<(), PublishError>)>;

struct Upload<'a> {
    deps: &'a Deps,
    context: &'a RequestContext,
    /// Names the lines that don't name themselves.
    key: Option<&'a IdempotencyKey>,
    headers: Headers,
    lines: Lines,
    chunk: Chunk,
    in_flight: FuturesUnordered<BoxFuture<'a, Published>>,
    tally: Tally,
    /// Why the body was not read to its end.
    cut_off: Option<Problem>,
}

impl<'a> Upload<'a> {
    fn new(deps: &'a Deps, context: &'a RequestContext, key: Option<&'a IdempotencyKey>) -> Self {
        Self {
            deps,
            context,
            key,
            headers: headers(context),
            lines: Lines::new(deps.limits.max_line),
            chunk: Chunk::default(),
            in_flight: FuturesUnordered::new(),
            tally: Tally::new(deps.limits.listed_rejections),
            cut_off: None,
        }
    }

    fn take(&mut self, piece: Bytes) {
        self.lines.push(piece);
        while let Some(line) = self.lines.next() {
            self.take_line(&line);
        }
    }

    fn take_last(&mut self) {
        if let Some(line) = self.lines.last() {
            self.take_line(&line);
        }
    }

    fn take_line(&mut self, line: &Line) {
        let Some(content) = &line.content else {
            let limit = self.deps.limits.max_line;
            return self.tally.rejected(line.number, format!("a line may have at most {limit} bytes"), false);
        };
        let name = self.key.map(|key| Name::Line(key, line.number));
        match wire::read(content, name, self.deps.clock.now()) {
            Err(error) => self.tally.rejected(line.number, in_words(error), false),
            Ok(received) => {
                let name = received.client_id.as_deref();
                let trace_id = self.context.trace_id();
                let event = EmotionPayload::event(&received.emotion, name, trace_id, self.headers.clone());
                self.chunk.lines.push(line.number);
                self.chunk.events.push(event);
                self.chunk.bytes += content.len();
                if self.chunk.is_full(self.deps) {
                    self.publish();
                }
            }
        }
    }

    /// Hands the chunk to the bus. It goes on while the body is read further.
    fn publish(&mut self) {
        let Chunk { lines, events, .. } = std::mem::take(&mut self.chunk);
        if events.is_empty() {
            return;
        }
        let bus = &self.deps.bus;
        self.in_flight.push(Box::pin(async move {
            let mut results = bus.publish(events).await.into_iter();
            // A transport that returns too few results has promised nothing for the rest.
            let mut next =
                || results.next().unwrap_or_else(|| Err(PublishError::Unavailable("no result".to_owned())));
            lines.into_iter().map(|line| (line, next())).collect()
        }));
    }

    /// The body can't be read to its end, after part of it may have been published.
    fn cut_off(&mut self, why: &str, problem: Problem) {
        self.cut_off = Some(problem);
        let detail = format!("{why}: this line and those after it were not read");
        self.tally.rejected(self.lines.current(), detail, true);
    }

    async fn finish(mut self) -> Result<Response, Problem> {
        self.publish();
        while let Some(published) = self.in_flight.next().await {
            self.tally.published(published);
        }
        if let Some(problem) = self.cut_off
            && self.tally.accepted() == 0
        {
            return Err(problem);
        }
        if let Some(error) = self.tally.sole_reason() {
            return Err(not_published(error));
        }
        Ok((StatusCode::ACCEPTED, Json(self.tally.into_answer())).into_response())
    }
}

impl Chunk {
    fn is_full(&self, deps: &Deps) -> bool {
        self.events.len() >= deps.limits.chunk_events || self.bytes >= deps.limits.chunk_bytes
    }
}

fn in_words(error: JsonError) -> String {
    match error {
        JsonError::Malformed { column, .. } => format!("the line is not valid JSON: see column {column}"),
        JsonError::Invalid(violations) => in_one_line(violations),
    }
}

fn in_one_line(violations: Violations) -> String {
    let words: Vec<String> =
        violations.into_vec().into_iter().map(|it| format!("{} {}", it.field, it.message)).collect();
    words.join("; ")
}
