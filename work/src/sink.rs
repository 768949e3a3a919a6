//! Dead letters go to the store.

use std::sync::Arc;

use async_trait::async_trait;
use ecs_bus::{DeadLetter, DeadLetterSink, SinkError};
use ecs_metrics::Metrics;
use ecs_store::{DeadLetterRow, DeadLetters};

/// How many dead letters of one batch get a line in the log. A partner that sends for users who aren't there makes
/// thousands, and a log that drowns in them helps nobody.
const LOGGED: usize = 10;

/// Keeps dead letters in the store's table, and counts them.
pub struct StoreSink {
    store: Arc<dyn DeadLetters>,
    metrics: Metrics,
}

impl StoreSink {
    /// A sink into `store`.
    #[must_use]
    pub fn new(store: Arc<dyn DeadLetters>, metrics: Metrics) -> Self {
        Self { store, metrics }
    }
}

#[async_trait]
impl DeadLetterSink for StoreSink {
    async fn keep(&self, letters: Vec<DeadLetter>) -> Result<(), SinkError> {
        for letter in letters.iter().take(LOGGED) {
            report(letter);
        }
        if let Some(more) = letters.len().checked_sub(LOGGED).filter(|more| *more > 0) {
            tracing::warn!(
                more,
                "further events of the same batch become dead letters; the table names them"
            );
        }
        let counted: Vec<_> = letters.iter().map(|letter| (letter.event.subject, letter.kind)).collect();
        let rows: Vec<DeadLetterRow> = letters.into_iter().map(row).collect();
        self.store.add_dead_letters(&rows).await.map_err(|error| SinkError(error.to_string()))?;
        for (subject, kind) in counted {
            self.metrics.dead_lettered(subject.as_str(), kind.as_str(), 1);
        }
        Ok(())
    }
}

/// The line an operator looks for: which event was given up, and why.
fn report(letter: &DeadLetter) {
    tracing::warn!(
        subject = %letter.event.subject,
        group = %letter.group,
        event_id = %letter.event.id,
        user_id = %letter.event.key,
        request_id = letter.event.headers.request_id.as_deref(),
        attempts = letter.history.len(),
        kind = %letter.kind,
        reason = %letter.reason,
        "an event becomes a dead letter"
    );
}

fn row(letter: DeadLetter) -> DeadLetterRow {
    let DeadLetter { event, group, kind, reason, history, at } = letter;
    DeadLetterRow {
        subject: event.subject.as_str().to_owned(),
        group: group.to_string(),
        id: event.id,
        key: event.key,
        kind,
        reason,
        history: history.into_iter().map(|attempt| (attempt.at, attempt.reason)).collect(),
        payload: event.payload,
        schema_version: event.headers.schema_version,
        request_id: event.headers.request_id,
        traceparent: event.headers.traceparent,
        at,
    }
}
