//! `ecs decisions verify`: the chain of the decision log, computed again, and each decision held against what was logged of it.

use anyhow::Context as _;
use ecs_client::chain::ChainPiece;
use ecs_client::decisions::DecisionEntry;
use ecs_store::chain::Digest;
use ecs_store::decision_log::{DecisionTotals, LogEntry, Logged, REVIEWED, Standing};
use ecs_web::auth::Log;
use serde::Serialize;

use super::super::chain::{self, ChainedLog, PIECE, Report};
use super::super::reach::Reach;
use super::super::{Outcome, say};
use crate::cli::audit::VerifyArgs;
use crate::settings::Settings;

/// What has become of the decisions and reviews that entries tell of.
#[derive(Debug, Clone, Copy, Default, Serialize)]
struct DecisionChain {
    /// They are there, as they were logged or not.
    there: u64,
    /// They went for their age.
    aged: u64,
    /// They went with their people.
    erased: u64,
}

#[derive(Serialize)]
struct Findings {
    #[serde(flatten)]
    report: Report,
    decisions: DecisionChain,
}

pub(super) async fn run(args: &VerifyArgs, settings: &Settings) -> anyhow::Result<Outcome> {
    let mut decisions = DecisionChain::default();
    let report = chain::check(&mut decisions, args, settings).await?;
    let outcome = if report.faults.is_empty() { Outcome::Fine } else { Outcome::Off };
    let DecisionChain { there, aged, erased } = decisions;
    let more = format!(
        "{there} decisions and reviews are there, {aged} went for their age, {erased} with their people\n"
    );
    let words = report.in_words(DecisionChain::NAME, &more);
    say(&if args.json { serde_json::to_string_pretty(&Findings { report, decisions })? } else { words });
    Ok(outcome)
}

impl ChainedLog for DecisionChain {
    const LOG: Log = Log::Decisions;
    const NAME: &'static str = "the decision log";
    type Entry = DecisionEntry;
    type Digested = LogEntry;

    async fn piece(&self, reach: &Reach, from: u64) -> anyhow::Result<ChainPiece<DecisionEntry>> {
        match reach {
            Reach::Running(client) => {
                client.decision_batches(from).await.context("can't read the decision log")
            }
            Reach::Data(storage) => of_store(storage.store()?.as_ref(), from).await,
        }
    }

    fn digested(entry: &DecisionEntry) -> Option<LogEntry> {
        let DecisionEntry { number, at, act, decision, user, digest, .. } = entry.clone();
        let read = |digits: String| hex::decode(digits).ok().and_then(|bytes| Digest::try_from(bytes).ok());
        let digest = match digest {
            Some(digits) => Some(read(digits)?),
            None => None,
        };
        Some(LogEntry { number, at, act, decision, user, digest, batch: None })
    }

    fn look(&mut self, entry: &DecisionEntry) -> Option<String> {
        let DecisionEntry { act, decision, digest, standing, found, .. } = entry;
        let what = if act == REVIEWED { "review" } else { "decision" };
        match standing.as_deref() {
            Some("there") => {
                self.there += 1;
                let as_logged = found.is_some() && found == digest;
                (!as_logged).then(|| format!("{what} {decision} is not what was logged"))
            }
            Some("aged") => {
                self.aged += 1;
                None
            }
            Some("erased") => {
                self.erased += 1;
                None
            }
            Some(_) => Some(format!("{what} {decision} is gone, and nothing says why")),
            None => None,
        }
    }
}

async fn of_store(store: &dyn ecs_store::Store, from: u64) -> anyhow::Result<ChainPiece<DecisionEntry>> {
    let DecisionTotals { log, unlogged, undecided } = store.decision_totals().await?;
    let mut batches = Vec::new();
    for batch in store.decision_batches(from, PIECE).await? {
        let logged = store.logged(Some(batch.number)).await?;
        batches.push(chain::of_store(batch, logged.into_iter().map(entry).collect()));
    }
    Ok(ChainPiece { unlogged, undecided, ..chain::piece_of(log, batches) })
}

/// An entry of a store, as one that is read over HTTP.
fn entry(Logged { entry, standing }: Logged) -> DecisionEntry {
    let LogEntry { number, at, act, decision, user, digest, batch: _ } = entry;
    let (standing, found) = match standing {
        Some(Standing::There(found)) => (Some("there"), Some(hex::encode(found))),
        Some(Standing::Aged) => (Some("aged"), None),
        Some(Standing::Erased) => (Some("erased"), None),
        Some(Standing::Gone) => (Some("gone"), None),
        None => (None, None),
    };
    let (digest, standing) = (digest.map(hex::encode), standing.map(str::to_owned));
    DecisionEntry { number, at, act, decision, user, digest, standing, found }
}
