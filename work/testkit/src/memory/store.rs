//! Dead letters and an outbox in memory.

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use ecs_domain::{Timestamp, UserId};
use ecs_store::{
    DeadLetterRow, DeadLetters, FullLetter, Letter, LetterCount, LetterFilter, LetterId, Outbox,
    OutboxMessage, OutboxRow, StoreError,
};

/// Dead letters that are only kept: what else can be done with letters is for tests over a real store.
#[derive(Default)]
pub struct Letters {
    /// What was kept, oldest first.
    pub kept: Mutex<Vec<DeadLetterRow>>,
    /// How many of the next calls fail.
    pub failures: Mutex<u32>,
}

impl Letters {
    /// A copy of what was kept.
    #[must_use]
    pub fn all(&self) -> Vec<DeadLetterRow> {
        self.kept.lock().unwrap().clone()
    }
}

#[async_trait]
impl DeadLetters for Letters {
    async fn add_dead_letters(&self, letters: &[DeadLetterRow]) -> Result<(), StoreError> {
        fail(&self.failures)?;
        self.kept.lock().unwrap().extend_from_slice(letters);
        Ok(())
    }

    async fn dead_letters(
        &self,
        _: &LetterFilter,
        _: Option<LetterId>,
        _: usize,
    ) -> Result<Vec<Letter>, StoreError> {
        Err(only_kept())
    }

    async fn dead_letter(&self, _: LetterId) -> Result<Option<FullLetter>, StoreError> {
        Err(only_kept())
    }

    async fn count_dead_letters(&self) -> Result<Vec<LetterCount>, StoreError> {
        Err(only_kept())
    }

    async fn replay_dead_letters(
        &self,
        _: &[LetterId],
        _: UserId,
        _: Timestamp,
    ) -> Result<Vec<LetterId>, StoreError> {
        Err(only_kept())
    }

    async fn drop_dead_letters(
        &self,
        _: &[LetterId],
        _: UserId,
        _: Timestamp,
    ) -> Result<Vec<LetterId>, StoreError> {
        Err(only_kept())
    }

    async fn forget_dead_letters(&self, _: Timestamp, _: usize) -> Result<u64, StoreError> {
        Err(only_kept())
    }
}

/// Rows with the time until which they are claimed.
#[derive(Default)]
pub struct MemoryOutbox {
    rows: Mutex<Vec<(OutboxRow, Timestamp)>>,
    /// How many of the next calls that finish rows fail.
    pub finish_failures: Mutex<u32>,
    /// How many of the next claims fail.
    pub claim_failures: Mutex<u32>,
}

impl MemoryOutbox {
    /// Puts a message in.
    pub fn put(&self, message: OutboxMessage) {
        let OutboxMessage { id, subject, key, payload, schema_version, request_id, traceparent } = message;
        self.put_row(OutboxRow {
            row: 0,
            id,
            subject: subject.to_owned(),
            key,
            payload,
            schema_version,
            request_id,
            traceparent,
        });
    }

    /// Puts a row in; it gets the next number.
    pub fn put_row(&self, mut row: OutboxRow) {
        let mut rows = self.rows.lock().unwrap();
        row.row = i64::try_from(rows.len()).unwrap();
        rows.push((row, Timestamp::MIN));
    }

    /// How many rows there are.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.rows.lock().unwrap().len()
    }
}

#[async_trait]
impl Outbox for MemoryOutbox {
    async fn claim_outbox(
        &self,
        limit: usize,
        now: Timestamp,
        lease: Duration,
    ) -> Result<Vec<OutboxRow>, StoreError> {
        fail(&self.claim_failures)?;
        let mut rows = self.rows.lock().unwrap();
        let free = rows.iter_mut().filter(|(_, until)| *until <= now).take(limit);
        Ok(free
            .map(|(row, until)| {
                *until = now + lease;
                row.clone()
            })
            .collect())
    }

    async fn finish_outbox(&self, done: &[OutboxRow]) -> Result<(), StoreError> {
        fail(&self.finish_failures)?;
        self.rows.lock().unwrap().retain(|(row, _)| done.iter().all(|done| done.row != row.row));
        Ok(())
    }

    async fn outbox_depth(&self) -> Result<u64, StoreError> {
        Ok(self.depth() as u64)
    }
}

fn only_kept() -> StoreError {
    StoreError::Corrupt("letters in memory are only kept".to_owned())
}

fn fail(failures: &Mutex<u32>) -> Result<(), StoreError> {
    let mut failures = failures.lock().unwrap();
    if *failures == 0 {
        return Ok(());
    }
    *failures -= 1;
    Err(StoreError::Unavailable("a test's refusal".to_owned()))
}
