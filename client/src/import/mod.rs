//! Imports a file of transactions over the normal path: every row is a `POST /v1/transactions` under its own date, for
//! a customer who is provisioned when they are first met.
//!
//! A row's id is made of the file's digest and its line number. So two rows that look alike are two purchases, and
//! running an import again, after an interruption or for no reason at all, counts nothing twice. A small state file
//! spares a second run what the first one has done. Rows that can't be sent, and rows that the platform refuses, are
//! listed with line and reason, and the others go on.

mod mapping;
mod reader;
mod report;
mod rows;
mod send;
mod state;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use futures::{Stream, StreamExt};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub use mapping::{Column, Delimiter, Mapping};
pub use report::{RefusedRow, Report};

use crate::{Client, Progress, Retries};
use reader::Fingerprint;
use report::Ledger;
use rows::Row;
use send::{Customers, Sender, Verdict};
use state::{Prefix, Saved};

/// How often the state is written, in rows.
const SAVE_EVERY: u64 = 2_000;

/// An import.
#[derive(Debug, Clone)]
pub struct Import {
    /// The file.
    pub file: PathBuf,
    /// How to read it.
    pub mapping: Mapping,
    /// Where to remember how far it is; `None` to begin at the first row every time.
    pub state: Option<PathBuf>,
    /// The most rows in flight.
    pub in_flight: usize,
    /// How long a row is tried again while the platform is away.
    pub patience: Duration,
}

impl Import {
    /// An import with 256 rows in flight that outlives a minute without the platform.
    #[must_use]
    pub fn new(file: PathBuf, mapping: Mapping) -> Self {
        Self { file, mapping, state: None, in_flight: 256, patience: Duration::from_secs(60) }
    }

    /// Runs the import. The client needs an operator's token with `users:create` and `transactions:write-any`. `stop`
    /// ends it early; the rows in flight are seen through.
    pub async fn run(
        &self,
        client: &Client,
        progress: &dyn Progress,
        stop: &CancellationToken,
    ) -> anyhow::Result<Report> {
        let begun = Instant::now();
        let fingerprint = Fingerprint::of(self.file.clone()).await?;
        let headers = self.mapping.skip_lines + u64::from(self.mapping.header);
        progress.expect("importing".into(), Some(fingerprint.lines.saturating_sub(headers)));
        let client = client.clone().with_retries(Retries::NONE);
        let retries = Retries::for_as_long_as(self.patience);
        let earlier = self.earlier(&client, &fingerprint, retries).await?;
        let halt = stop.child_token();
        let sender = Sender { client, retries, fingerprint, earlier, halt, customers: Customers::default() };
        let mut course = Course::new(self, &sender, progress);
        course.run().await?;
        course.save()?;
        progress.finish();
        let mut report = course.ledger.close(begun.elapsed());
        report.new_customers = sender.customers.created();
        if stop.is_cancelled() && report.interrupted.is_none() {
            report.interrupted = Some("it was stopped".to_owned());
        }
        Ok(report)
    }

    /// Where the earlier run ended, provided that the platform is still the one it spoke to.
    async fn earlier(&self, client: &Client, file: &Fingerprint, retries: Retries) -> anyhow::Result<Saved> {
        let fresh = Saved::nothing(&file.digest, &self.mapping, &client.base_url());
        let Some(path) = &self.state else { return Ok(fresh) };
        let saved = Saved::load(path, fresh.clone())?;
        let Some(witness) = &saved.witness else { return Ok(fresh) };
        let found = retries.run(|| client.provision(Some(&witness.external_id), None), |_| {}).await?;
        if found.user != witness.user {
            tracing::warn!(
                "the platform was set up anew since the earlier import; starting from the first row"
            );
            return Ok(fresh);
        }
        Ok(saved)
    }
}

/// A row on its way, with its number among the rows.
struct Numbered {
    index: u64,
    row: Row,
}

/// An import under way: rows go out in order, answers come back in any.
struct Course<'a> {
    import: &'a Import,
    sender: &'a Sender,
    progress: &'a dyn Progress,
    ledger: Ledger,
    prefix: Prefix,
    /// What is to be remembered.
    saved: Saved,
    unsaved: u64,
}

impl<'a> Course<'a> {
    fn new(import: &'a Import, sender: &'a Sender, progress: &'a dyn Progress) -> Self {
        Self {
            import,
            sender,
            progress,
            ledger: Ledger::default(),
            prefix: Prefix::default(),
            saved: sender.earlier.clone(),
            unsaved: 0,
        }
    }

    async fn run(&mut self) -> anyhow::Result<()> {
        let rows = reader::rows(self.import.file.clone(), self.import.mapping.clone());
        let sender = self.sender;
        let mut answers = std::pin::pin!(
            numbered(rows)
                .take_until(sender.halt.cancelled())
                .map(|row| async move {
                    let numbered = row?;
                    let verdict = sender.send(&numbered.row).await;
                    anyhow::Ok((numbered, verdict))
                })
                .buffer_unordered(self.import.in_flight.max(1))
        );
        while let Some(answer) = answers.next().await {
            let (numbered, verdict) = answer?;
            self.settle(&numbered, verdict);
            if self.unsaved >= SAVE_EVERY {
                self.save()?;
            }
        }
        Ok(())
    }

    /// Enters a row's verdict into the books of the import.
    fn settle(&mut self, Numbered { index, row }: &Numbered, verdict: Verdict) {
        match verdict {
            Verdict::Unanswered(reason) => {
                // The rows in flight are seen through; this one and those after it wait for the next run.
                self.sender.halt.cancel();
                self.ledger.report.interrupted.get_or_insert(format!("line {}: {reason}", row.line));
                return;
            }
            Verdict::Accepted(purchase) => {
                // An earlier run may have had it refused beyond its prefix.
                self.saved.refused.remove(&row.line);
                self.ledger.accept(&purchase, false);
            }
            Verdict::AcceptedBefore(purchase) => self.ledger.accept(&purchase, true),
            Verdict::Unfit(reason) => self.refuse(row.line, reason),
            Verdict::Refused(reason) => {
                self.saved.refused.insert(row.line, reason.clone());
                self.refuse(row.line, reason);
            }
        }
        self.ledger.count(row);
        self.progress.advance(1);
        self.unsaved += 1;
        if let Some(line) = self.prefix.answered(*index, row.line) {
            self.saved.through_line = self.saved.through_line.max(line);
        }
    }

    fn refuse(&mut self, line: u64, reason: String) {
        self.ledger.refuse(line, reason);
        self.progress.note(format!("{} refused", self.ledger.report.refused.len()));
    }

    /// Remembers how far the import is.
    fn save(&mut self) -> anyhow::Result<()> {
        self.unsaved = 0;
        let Some(path) = &self.import.state else { return Ok(()) };
        if self.saved.witness.is_none() {
            self.saved.witness = self.sender.customers.witness();
        }
        self.saved.store(path)
    }
}

/// Counts the rows from 0.
fn numbered(rows: mpsc::Receiver<anyhow::Result<Row>>) -> impl Stream<Item = anyhow::Result<Numbered>> {
    futures::stream::unfold((rows, 0), |(mut rows, index)| async move {
        let row = rows.recv().await?;
        Some((row.map(|row| Numbered { index, row }), (rows, index + 1)))
    })
}

#[cfg(test)]
mod tests;
