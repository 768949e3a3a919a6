//! PostgreSQL's limit of a decision: the rows that any decision over these tables has to read and write, for many people at once.
//!
//! A batch is one transaction, committed and flushed. It reads accounts, transactions, emotions, consents, what stands and what is owed
//! in two statements, and when their answers are there it writes offers, decisions and entries of the decision log in three. It locks
//! nobody, asks of nobody whether they are being erased, opens no key, scores nothing, seals no log and answers nobody. What it writes are
//! decisions that the platform made in the same round, under new ids.

mod made;
mod statements;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ecs_domain::consent::Purpose;
use ecs_domain::{Day, Timestamp, UserId, utc_day};
use futures::future::try_join_all;
use jiff::{SignedDuration, ToSpan as _};
use tokio::try_join;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Statement};
use uuid::Uuid;

use super::per_second;
use crate::engines;
use made::{Columns, Offers};
pub(crate) use made::{Made, made};

/// How many transactions are under way at once, and how many people each is about. Wider ones with few people, as whoever groups
/// nothing has many connections.
pub(crate) const SHAPES: [Shape; 4] = [
    Shape { writers: 16, batch: 1 },
    Shape { writers: 8, batch: 16 },
    Shape { writers: 4, batch: 64 },
    Shape { writers: 4, batch: 256 },
];
/// How long a decision stands before another may be made.
const STANDS_FOR: SignedDuration = SignedDuration::from_mins(5);
const MONTH: SignedDuration = SignedDuration::from_hours(30 * 24);
const OFFERED_FOR: SignedDuration = SignedDuration::from_hours(7 * 24);

type Param<'a> = &'a (dyn ToSql + Sync);

/// How decisions are grouped.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) writers: usize,
    pub(crate) batch: usize,
}

/// Decides about one user after the other until the time is over or everybody had their turn. The first tenth of both doesn't count.
pub(crate) async fn decide(
    url: &str,
    users: &[UserId],
    made: &[Made],
    shape: Shape,
    time: Duration,
) -> anyhow::Result<f64> {
    let mut writers = Vec::new();
    for _ in 0..shape.writers {
        writers.push(Writer::open(url).await?);
    }
    let (warm_up, counted) = users.split_at(users.len() / 10);
    run(&writers, warm_up, made, shape.batch, time / 10).await?;
    let started = Instant::now();
    let decided = run(&writers, counted, made, shape.batch, time).await?;
    Ok(per_second(decided, started.elapsed()))
}

/// Each writer takes the next batch that nobody has. Returns about how many people it was.
async fn run(
    writers: &[Writer],
    users: &[UserId],
    made: &[Made],
    batch: usize,
    time: Duration,
) -> anyhow::Result<u64> {
    let (started, next) = (Instant::now(), AtomicUsize::new(0));
    let work = async |writer: &Writer| {
        let mut decided = 0;
        while started.elapsed() < time {
            let first = next.fetch_add(batch, Ordering::Relaxed);
            let Some(batch) = users.get(first..users.len().min(first + batch)).filter(|it| !it.is_empty())
            else {
                break;
            };
            writer.transact(&Columns::new(batch, made, first)).await?;
            decided += batch.len() as u64;
        }
        anyhow::Ok(decided)
    };
    Ok(try_join_all(writers.iter().map(work)).await?.into_iter().sum())
}

/// A connection with its statements prepared.
struct Writer {
    client: Client,
    features: Statement,
    standing: Statement,
    offers: Statement,
    decisions: Statement,
    entries: Statement,
}

impl Writer {
    async fn open(url: &str) -> anyhow::Result<Self> {
        let client = engines::connect(url).await?;
        Ok(Self {
            features: client.prepare(statements::FEATURES).await?,
            standing: client.prepare(statements::STANDING).await?,
            offers: client.prepare(statements::OFFERS).await?,
            decisions: client.prepare(statements::DECISIONS).await?,
            entries: client.prepare(statements::ENTRIES).await?,
            client,
        })
    }

    /// What is sent together is sent in this order, for each of them is sent when it is first polled.
    async fn transact(&self, columns: &Columns<'_>) -> anyhow::Result<()> {
        let now = Timestamp::from_microsecond(Timestamp::now().as_microsecond())?;
        self.read(&columns.users, now).await?;
        let at = now.as_microsecond();
        let decisions: [Param<'_>; 14] = [
            &columns.ids,
            &columns.users,
            &columns.outcomes,
            &columns.reasons,
            &columns.offer_ids,
            &columns.risk_scores,
            &columns.model_versions,
            &columns.model_digests,
            &columns.policy_versions,
            &columns.policy_digests,
            &columns.features,
            &columns.contributions,
            &columns.records,
            &now,
        ];
        let entries: [Param<'_>; 4] = [&columns.ids, &columns.users, &columns.digests, &at];
        try_join!(
            self.offer(&columns.offers, now),
            self.client.execute(&self.decisions, &decisions),
            self.client.execute(&self.entries, &entries),
            self.client.batch_execute("COMMIT"),
        )?;
        Ok(())
    }

    async fn offer(&self, offers: &Offers<'_>, now: Timestamp) -> Result<u64, tokio_postgres::Error> {
        let Offers { ids, users, limits, rates, kinds } = offers;
        if ids.is_empty() {
            return Ok(0);
        }
        let week = now + OFFERED_FOR;
        self.client.execute(&self.offers, &[ids, users, limits, rates, kinds, &now, &week]).await
    }

    async fn read(&self, users: &[Uuid], now: Timestamp) -> anyhow::Result<()> {
        let (client, today) = (&self.client, utc_day(now));
        let first = |days: i64| -> Day { today.saturating_sub((days - 1).days()) };
        let (since, month, week, stands) = (now - MONTH, first(30), first(7), now - STANDS_FOR);
        let purpose = Purpose::EmotionAnalysis.as_str();
        let features: [Param<'_>; 6] = [&users, &since, &now, &month, &week, &today];
        let standing: [Param<'_>; 4] = [&users, &purpose, &now, &stands];
        let (_, features, standing) = try_join!(
            client.batch_execute("BEGIN ISOLATION LEVEL READ COMMITTED"),
            client.query(&self.features, &features),
            client.query(&self.standing, &standing),
        )?;
        let stand = standing.iter().filter(|row| row.get(5)).count();
        anyhow::ensure!(stand == 0, "{stand} users had their turn twice");
        anyhow::ensure!(
            features.len() == users.len() && standing.len() == users.len(),
            "of {} users {} were found",
            users.len(),
            features.len()
        );
        Ok(())
    }
}
