//! `ecs verify`: the books of a running platform over HTTP, else from its data.

use std::time::Duration;

use anyhow::Context as _;
use async_trait::async_trait;
use ecs_client::check::{self, FateSource, JournalReport};
use ecs_client::{Fate, Journal};
use ecs_domain::Clock as _;
use ecs_work::books::{self, LedgerReport, Report};
use ecs_work::retention;
use serde::Serialize;
use tokio::time::Instant;

use super::reach::Reach;
use super::{Outcome, say};
use crate::cli::VerifyArgs;
use crate::platform::{Storage, SystemClock};
use crate::settings::Settings;

/// How long to wait before asking again about what is pending.
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// Where the books are read.
struct Source {
    reach: Reach,
    /// How many days of raw emotion rows a stopped platform keeps.
    raw_days: u16,
}

#[derive(Serialize)]
struct Findings {
    balances: bool,
    complaints: Vec<String>,
    books: Report,
    #[serde(skip_serializing_if = "Option::is_none")]
    journal: Option<JournalReport>,
}

pub(super) async fn run(args: &VerifyArgs, settings: &Settings) -> anyhow::Result<Outcome> {
    let source = Source { reach: Reach::of(settings).await?, raw_days: settings.retention.raw_emotion_days };
    let findings = findings(args, &source).await;
    source.reach.close().await?;
    let findings = findings?;
    if args.json {
        say(&serde_json::to_string_pretty(&findings)?);
    } else {
        say(&findings.in_words());
    }
    Ok(if findings.balances { Outcome::Fine } else { Outcome::Off })
}

async fn findings(args: &VerifyArgs, source: &Source) -> anyhow::Result<Findings> {
    let deadline = Instant::now() + Duration::from_secs(args.wait);
    let books = loop {
        let books = source.books().await?;
        if is_settled(&books) || Instant::now() >= deadline {
            break books;
        }
        tokio::time::sleep(ASK_AGAIN).await;
    };
    let journal = match &args.journal {
        Some(path) => {
            let contents = Journal::read(path)?;
            let settle = deadline.saturating_duration_since(Instant::now());
            Some(check::journal(&contents.entries, source.fates(), settle).await?)
        }
        None => None,
    };
    let mut complaints = books.complaints();
    complaints.extend(journal.iter().flat_map(JournalReport::complaints));
    Ok(Findings { balances: complaints.is_empty(), complaints, books, journal })
}

fn is_settled(books: &Report) -> bool {
    let pending =
        books.emotions.pending + books.transactions.pending + books.offers.pending + books.offers.outbox;
    pending == 0 && books.offers.notified == books.offers.active
}

impl Source {
    async fn books(&self) -> anyhow::Result<Report> {
        match &self.reach {
            Reach::Running(client) => {
                let books = client.books().await.context("can't read the books")?;
                serde_json::from_value(books).context("the books are not what this version understands")
            }
            Reach::Data(storage) => {
                let now = SystemClock.now();
                let floor = retention::raw_floor(now, self.raw_days);
                Ok(books::balance(storage.bus()?.as_ref(), storage.store()?.as_ref(), now, floor).await?)
            }
        }
    }

    fn fates(&self) -> &dyn FateSource {
        match &self.reach {
            Reach::Running(client) => client.as_ref(),
            Reach::Data(storage) => storage,
        }
    }
}

#[async_trait]
impl FateSource for Storage {
    async fn fates(
        &self,
        ledger: ecs_client::Ledger,
        keys: &[ecs_client::EventKey],
    ) -> anyhow::Result<Vec<Fate>> {
        let keys: Vec<_> = keys.iter().copied().map(store_key).collect();
        let fates = self.store()?.fates(store_ledger(ledger), &keys).await?;
        Ok(fates.into_iter().map(client_fate).collect())
    }

    async fn counted(
        &self,
        ledger: ecs_client::Ledger,
        after: Option<ecs_client::EventKey>,
        limit: usize,
    ) -> anyhow::Result<Vec<ecs_client::EventKey>> {
        let page = self.store()?.counted(store_ledger(ledger), after.map(store_key), limit).await?;
        Ok(page.events.into_iter().map(|(key, _)| client_key(key)).collect())
    }
}

fn store_ledger(ledger: ecs_client::Ledger) -> ecs_store::Ledger {
    match ledger {
        ecs_client::Ledger::Emotions => ecs_store::Ledger::Emotions,
        ecs_client::Ledger::Transactions => ecs_store::Ledger::Transactions,
    }
}

fn store_key(key: ecs_client::EventKey) -> ecs_store::EventKey {
    ecs_store::EventKey { day: key.day, user: key.user_id, id: key.event_id }
}

fn client_key(key: ecs_store::EventKey) -> ecs_client::EventKey {
    ecs_client::EventKey { day: key.day, user_id: key.user, event_id: key.id }
}

fn client_fate(fate: ecs_store::Fate) -> Fate {
    match fate {
        ecs_store::Fate::Counted => Fate::Counted,
        ecs_store::Fate::Discarded => Fate::Discarded,
        ecs_store::Fate::DeadLettered => Fate::DeadLettered,
        ecs_store::Fate::Erased => Fate::Erased,
        ecs_store::Fate::Replayed { .. } => Fate::Pending,
        ecs_store::Fate::Unknown => Fate::Unknown,
    }
}

impl Findings {
    fn in_words(&self) -> String {
        let mut text = format!(
            "{}\n{}\n{}\n",
            ledger_in_words("emotion events", &self.books.emotions),
            ledger_in_words("transactions", &self.books.transactions),
            self.offers_in_words()
        );
        if let Some(journal) = &self.journal {
            let accepted = &journal.accepted;
            text.push_str(&format!(
                "journal         {} sent, {} accepted = {} counted + {} discarded + {} dead-lettered + {} erased + {} \
                 pending + {} missing; of {} unanswered {} arrived\n",
                journal.sent,
                accepted.total,
                accepted.counted,
                accepted.discarded,
                accepted.dead_lettered,
                accepted.erased,
                accepted.pending,
                journal.missing.count,
                journal.unanswered.total,
                journal.unanswered.arrived,
            ));
        }
        for complaint in &self.complaints {
            text.push_str(&format!("OFF: {complaint}\n"));
        }
        text.push_str(if self.balances { "the books balance" } else { "the books DO NOT balance" });
        text
    }

    fn offers_in_words(&self) -> String {
        let offers = &self.books.offers;
        format!(
            "offers          {} accepted = {} active + {} pending ({} of them dead-lettered); {} customers notified; {} in the \
             outbox",
            offers.accepted,
            offers.active,
            offers.pending,
            offers.dead_lettered,
            offers.notified,
            offers.outbox
        )
    }
}

fn ledger_in_words(what: &str, ledger: &LedgerReport) -> String {
    format!(
        "{what:15} {} accepted = {} counted + {} discarded + {} dead-lettered + {} erased + {} pending + {} missing",
        ledger.accepted,
        ledger.counted,
        ledger.discarded,
        ledger.dead_lettered,
        ledger.erased,
        ledger.pending,
        ledger.missing
    )
}
