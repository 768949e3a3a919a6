//! `ecs audit verify`: the chain of the audit log, computed again.

use anyhow::Context as _;
use ecs_client::audit::SealedEntry;
use ecs_client::chain::ChainPiece;
use ecs_store::audit::Entry;
use ecs_web::auth::Log;

use super::chain::{self, ChainedLog, PIECE};
use super::reach::Reach;
use super::{Outcome, say};
use crate::cli::audit::VerifyArgs;
use crate::settings::Settings;

struct AuditLog;

pub(super) async fn run(args: &VerifyArgs, settings: &Settings) -> anyhow::Result<Outcome> {
    let report = chain::check(&mut AuditLog, args, settings).await?;
    let words = || report.in_words(AuditLog::NAME, "");
    say(&if args.json { serde_json::to_string_pretty(&report)? } else { words() });
    Ok(if report.faults.is_empty() { Outcome::Fine } else { Outcome::Off })
}

impl ChainedLog for AuditLog {
    const LOG: Log = Log::Audit;
    const NAME: &'static str = "the audit log";
    type Entry = SealedEntry;
    type Digested = Entry;

    async fn piece(&self, reach: &Reach, from: u64) -> anyhow::Result<ChainPiece<SealedEntry>> {
        match reach {
            Reach::Running(client) => client.audit_batches(from).await.context("can't read the audit log"),
            Reach::Data(storage) => of_store(storage.store()?.as_ref(), from).await,
        }
    }

    fn digested(entry: &SealedEntry) -> Option<Entry> {
        let SealedEntry { number, at, actor, act, subject, before, after } = entry.clone();
        Some(Entry { number, at, actor, act, subject, before, after, batch: None })
    }
}

async fn of_store(store: &dyn ecs_store::Store, from: u64) -> anyhow::Result<ChainPiece<SealedEntry>> {
    let totals = store.audit_totals().await?;
    let mut batches = Vec::new();
    for batch in store.batches(from, PIECE).await? {
        let entries = store.entries_of(Some(batch.number)).await?.into_iter().map(|entry| {
            let Entry { number, at, actor, act, subject, before, after, batch: _ } = entry;
            SealedEntry { number, at, actor, act, subject, before, after }
        });
        batches.push(chain::of_store(batch, entries.collect()));
    }
    Ok(chain::piece_of(totals, batches))
}
