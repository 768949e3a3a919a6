//! A sender that uploads emotions as NDJSON, many lines in one request. Transactions have no such call and go one by one
//! beside it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::{StreamExt, TryStreamExt};
use tokio::time::Instant;

use super::outgoing::{Body, Claim, Outgoing, Run};
use super::sender;
use super::summary::Tally;
use super::verdict::{Verdict, verdicts};
use crate::events::StreamAnswer;
use crate::journal::State;
use crate::{CallError, Ledger, Retries};

/// How long the first line of an upload waits for others.
const LINGER: Duration = Duration::from_secs(1);
/// Transactions that one sender has in flight beside its upload.
const SINGLES_AT_ONCE: usize = 15;
/// Calls that one sender has in flight at most.
pub(super) const CALLS: usize = SINGLES_AT_ONCE + 1;
/// What a line is refused with that can't be read; the platform gives a reason and no status.
const INVALID: u16 = 422;

/// What one sender takes on at a time.
#[derive(Default)]
struct Batch {
    emotions: Vec<Outgoing>,
    transactions: Vec<Outgoing>,
}

impl Batch {
    fn is_empty(&self) -> bool {
        self.emotions.is_empty() && self.transactions.is_empty()
    }

    fn is_full(&self, lines: usize) -> bool {
        self.emotions.len() >= lines || self.transactions.len() >= lines
    }
}

/// Gathers what is due and sends it, until the plan is done.
pub(super) async fn run(run: Arc<Run>, lines: usize) -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    loop {
        let Batch { emotions, transactions } = gather(&run, lines, &mut tally).await?;
        if emotions.is_empty() && transactions.is_empty() {
            return Ok(tally);
        }
        let (uploaded, sent) = tokio::join!(upload(&run, emotions), send_all(&run, transactions));
        tally.add(&uploaded?);
        tally.add(&sent?);
    }
}

/// Takes events in turn until there are enough for an upload, or the first one has waited long enough. One sender
/// gathers at a time, so that uploads are as full as the rate allows.
async fn gather(run: &Run, lines: usize, tally: &mut Tally) -> anyhow::Result<Batch> {
    let mut held = run.gathering.lock().await;
    let mut batch = Batch::default();
    let mut first_due = Duration::ZERO;
    while !batch.is_full(lines) && !run.tools.stop.is_cancelled() {
        let Some(claim) = held.take().or_else(|| run.claim()) else { break };
        if batch.is_empty() {
            first_due = claim.due.max(run.begun.elapsed());
        } else if claim.due > first_due + LINGER {
            *held = Some(claim);
            break;
        }
        let Claim { number, .. } = claim;
        let Some(behind) = run.wait_until_due(claim).await else { break };
        tally.behind = tally.behind.max(behind);
        let event = run.event(number)?;
        match event.ledger {
            Ledger::Emotions => batch.emotions.push(event),
            Ledger::Transactions => batch.transactions.push(event),
        }
    }
    Ok(batch)
}

async fn send_all(run: &Run, events: Vec<Outgoing>) -> anyhow::Result<Tally> {
    futures::stream::iter(events)
        .map(|event| async move {
            let mut tally = Tally::default();
            sender::send(run, &event, &mut tally).await?;
            anyhow::Ok(tally)
        })
        .buffer_unordered(SINGLES_AT_ONCE)
        .try_fold(Tally::default(), |mut sum, tally| async move {
            sum.add(&tally);
            Ok(sum)
        })
        .await
}

/// A line that has no final answer yet.
struct Line {
    event: Outgoing,
    body: Bytes,
    /// Whether an attempt may have got through without our knowing.
    doubtful: bool,
}

/// The lines of an upload that are still open, and what came of the others.
struct Upload<'a> {
    run: &'a Run,
    begun: Instant,
    open: Vec<Line>,
    tally: Tally,
}

/// Uploads lines, and those that were rejected for the moment again under the same ids, until the patience is over.
async fn upload(run: &Run, events: Vec<Outgoing>) -> anyhow::Result<Tally> {
    if events.is_empty() {
        return Ok(Tally::default());
    }
    run.note_all(State::Sent, Ledger::Emotions, events.iter().map(|event| event.key))?;
    let upload = Mutex::new(Upload::new(run, events)?);
    let journal_failed = Mutex::new(None);
    let attempt = || async {
        let body = lock(&upload).body();
        let answer = run.tools.client.upload_emotions(body).await;
        let settled = lock(&upload).settle(answer);
        settled.unwrap_or_else(|error| {
            *lock(&journal_failed) = Some(error);
            Ok(())
        })
    };
    let retries = Retries::for_as_long_as(run.plan.patience);
    let outcome = retries.run_until(&run.tools.stop, attempt, |_| run.tools.meter.failed_attempt()).await;
    if let Some(error) = lock(&journal_failed).take() {
        return Err(error);
    }
    let mut upload = upload.into_inner().unwrap_or_else(PoisonError::into_inner);
    upload.give_up(outcome.err().as_ref())?;
    Ok(upload.tally)
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'a> Upload<'a> {
    fn new(run: &'a Run, events: Vec<Outgoing>) -> anyhow::Result<Self> {
        let mut tally = Tally::default();
        tally.uploads = 1;
        let mut open = Vec::with_capacity(events.len());
        for event in events {
            tally.sent(&event);
            let body = match &event.body {
                Body::Emotion(emotion) => emotion.to_json()?,
                Body::Transaction(_) => anyhow::bail!("transactions can't be uploaded"),
            };
            open.push(Line { event, body, doubtful: false });
        }
        Ok(Self { run, begun: Instant::now(), open, tally })
    }

    /// The open lines, one after the other.
    fn body(&self) -> Bytes {
        let length = self.open.iter().map(|line| line.body.len() + 1).sum();
        let mut body = BytesMut::with_capacity(length);
        for line in &self.open {
            body.extend_from_slice(&line.body);
            body.extend_from_slice(b"\n");
        }
        body.freeze()
    }

    /// Notes what an answer says about the open lines. An error of the call, or lines that are still open, are a reason to
    /// try again; an error of the journal ends the simulation.
    fn settle(&mut self, answer: Result<StreamAnswer, CallError>) -> anyhow::Result<Result<(), CallError>> {
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                self.tally.failed(&error);
                self.open.iter_mut().for_each(|line| line.doubtful |= error.may_have_happened());
                return Ok(Err(error));
            }
        };
        // Without a word for each line any of them may have arrived.
        let verdicts =
            verdicts(self.open.len(), &answer).unwrap_or_else(|| vec![Verdict::Again; self.open.len()]);
        let mut accepted = Vec::new();
        for (mut line, verdict) in std::mem::take(&mut self.open).into_iter().zip(verdicts) {
            match verdict {
                Verdict::Accepted => accepted.push(line.event),
                Verdict::Refused => self.refuse(&line, INVALID)?,
                Verdict::Again => {
                    line.doubtful = true;
                    self.open.push(line);
                }
            }
        }
        self.accept(&accepted)?;
        if self.open.is_empty() {
            return Ok(Ok(()));
        }
        self.tally.failed_lines(self.open.len());
        Ok(Err(CallError::Unavailable { status: 503, retry_after: None }))
    }

    fn accept(&mut self, events: &[Outgoing]) -> anyhow::Result<()> {
        self.run.note_all(State::Accepted, Ledger::Emotions, events.iter().map(|event| event.key))?;
        let took = self.begun.elapsed();
        events.iter().for_each(|event| self.tally.accepted(event.persona, took));
        self.run.tools.meter.accepted(events.len() as u64, took);
        Ok(())
    }

    fn refuse(&mut self, line: &Line, status: u16) -> anyhow::Result<()> {
        if !line.doubtful {
            self.run.note(State::Refused, Ledger::Emotions, line.event.key)?;
        }
        self.tally.refused(status);
        self.run.tools.meter.refused();
        Ok(())
    }

    /// The last attempt is over: what is still open was refused as a whole, or stays unanswered.
    fn give_up(&mut self, error: Option<&CallError>) -> anyhow::Result<()> {
        let open = std::mem::take(&mut self.open);
        if let Some(CallError::Refused { status, .. }) = error
            && *status < 500
        {
            return open.iter().try_for_each(|line| self.refuse(line, *status));
        }
        self.tally.unanswered += open.len() as u64;
        self.run.tools.meter.unanswered(open.len() as u64);
        Ok(())
    }
}
