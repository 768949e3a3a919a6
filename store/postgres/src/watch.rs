//! What the watch over decisions has counted, and what it told last.

use async_trait::async_trait;
use ecs_domain::{Day, Timestamp, UserId};
use ecs_store::decision_log::decisions_left;
use ecs_store::watch::{
    AnsweredPage, BinCount, DayCount, Days, KeptStanding, StandingChange, Told, Unwatched, Watch,
    open_answered,
};
use ecs_store::{OutboxMessage, StoreError};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::PostgresStore;
use crate::column::{count, get, limit, micros, signed, unsigned, word};
use crate::decision_log;
use crate::engine::{Call, Fault, Param};
use crate::outbox::Columns;

pub(crate) mod statements {
    //! The SQL of the watch, where the test of the query plans sees it.

    /// Whoever comes second waits for the one row, and then finds that the batch is counted.
    pub(crate) const COUNT: &str = "WITH moved AS (
            UPDATE watch_progress SET batch = $1::bigint WHERE one AND batch = $1::bigint - 1 RETURNING batch),
        added AS (
            INSERT INTO watch_days AS d (day, model, measure, bin, decisions)
            SELECT c.day, c.model, c.measure, c.bin, c.decisions FROM moved,
                unnest($2::date[], $3::text[], $4::text[], $5::smallint[], $6::bigint[])
                    AS c (day, model, measure, bin, decisions)
            ON CONFLICT (day, model, measure, bin) DO UPDATE SET decisions = d.decisions + excluded.decisions)
        SELECT count(*) FROM moved";
    pub(crate) const FORGET: &str = "DELETE FROM watch_days WHERE day < $1";
    pub(crate) const SUMS: &str =
        "SELECT model, measure, bin, sum(decisions)::bigint AS decisions FROM watch_days
         WHERE day >= $1::date AND day < $2::date GROUP BY model, measure, bin";
    pub(crate) const CHANGE: &str = "WITH changed AS (
            UPDATE watch_standings SET standing = $11, since = $12, changes = changes + 1
            WHERE kind = $8 AND model = $9 AND name = $10 AND changes = $13 RETURNING kind)
         INSERT INTO outbox (event_id, subject, key, payload, schema_version, request_id, traceparent)
         SELECT $1::uuid, $2::text, $3::uuid, $4::bytea, $5::integer, $6::text, $7::text FROM changed";
    pub(crate) const PEOPLE: &str = "SELECT a.user_id, a.value, d.approved
         FROM (SELECT user_id, value FROM user_attributes WHERE user_id > $1::uuid ORDER BY user_id LIMIT $2) a
            LEFT JOIN LATERAL (SELECT outcome = 'approved' AS approved FROM decisions
                WHERE user_id = a.user_id AND decided_at >= $3::timestamptz AND decided_at < $4::timestamptz
                ORDER BY decided_at DESC LIMIT 1) d ON true
         ORDER BY a.user_id";
}

const PROGRESS: &str = "SELECT batch FROM watch_progress";
const STANDINGS: &str = "SELECT kind, model, name, standing, since, changes FROM watch_standings";
const TELL: &str = "WITH changed AS (
        INSERT INTO watch_standings (kind, model, name, standing, since, changes)
        VALUES ($8::text, $9::text, $10::text, $11::text, $12::timestamptz, 1)
        ON CONFLICT (kind, model, name) DO NOTHING RETURNING kind)
     INSERT INTO outbox (event_id, subject, key, payload, schema_version, request_id, traceparent)
     SELECT $1::uuid, $2::text, $3::uuid, $4::bytea, $5::integer, $6::text, $7::text FROM changed";

#[async_trait]
impl Watch for PostgresStore {
    async fn unwatched(&self) -> Result<Option<Unwatched>, StoreError> {
        let found = self.primary.run(Call::quick("watch.unwatched"), |session| async move {
            let counted: i64 = session.query(PROGRESS, &[]).await?.only()?;
            let next = unsigned(counted) + 1;
            Ok(decision_log::found_of_batch(&session, next).await?.map(|found| (next, found)))
        });
        let Some((batch, found)) = found.await? else { return Ok(None) };
        Ok(Some(Unwatched { batch, decisions: decisions_left(found, &self.keyring).await? }))
    }

    async fn count_batch(&self, batch: u64, counts: Vec<DayCount>) -> Result<bool, StoreError> {
        let (batch, columns) = (&signed(batch), &CountColumns::new(&counts));
        self.primary
            .run(Call::quick("watch.count"), |session| async move {
                let CountColumns { days, models, measures, bins, decisions } = columns;
                let params: [Param<'_>; 6] = [batch, days, models, measures, bins, decisions];
                Ok(session.query(statements::COUNT, &params).await?.only::<i64>()? > 0)
            })
            .await
    }

    async fn watched(&self, Days { from, until }: Days) -> Result<Vec<BinCount>, StoreError> {
        let (from, until) = (&from, &until);
        self.primary
            .run(Call::quick("watch.sums"), |session| async move {
                let found = session.query(statements::SUMS, &[from, until]).await?;
                let read = found.rows.iter().map(bin_count).collect::<Result<Vec<_>, _>>()?;
                Ok(read.into_iter().flatten().collect())
            })
            .await
    }

    async fn forget_watched(&self, before: Day) -> Result<u64, StoreError> {
        let before = &before;
        self.primary
            .run(Call::quick("watch.forget"), |session| async move {
                Ok(session.query(statements::FORGET, &[before]).await?.changed)
            })
            .await
    }

    async fn standings(&self) -> Result<Vec<KeptStanding>, StoreError> {
        self.primary
            .run(Call::quick("watch.standings"), |session| async move {
                session.query(STANDINGS, &[]).await?.rows.iter().map(standing).collect()
            })
            .await
    }

    async fn change_standing(
        &self,
        change: StandingChange,
        message: OutboxMessage,
    ) -> Result<bool, StoreError> {
        let StandingChange { of, standing, now, seen } = &change;
        let (now, seen, message) = (&micros(*now), &signed(*seen), &Columns::new(&message));
        let (kind, standing) = (&of.kind, &standing.as_str());
        self.primary
            .run(Call::quick("watch.change"), |session| async move {
                let told: [Param<'_>; 5] = [kind, &of.model, &of.name, standing, now];
                let mut params = [&message.params()[..], &told[..]].concat();
                let sql = if *seen == 0 { TELL } else { statements::CHANGE };
                if *seen > 0 {
                    params.push(seen);
                }
                Ok(session.query(sql, &params).await?.changed > 0)
            })
            .await
    }

    /// From the primary: whoever took their consent back is not in it.
    async fn answered_people(
        &self,
        from: Timestamp,
        until: Timestamp,
        after: Option<UserId>,
        most: usize,
    ) -> Result<AnsweredPage, StoreError> {
        let after = &after.map_or_else(Uuid::nil, UserId::uuid);
        let (from, until, at_most) = (&from, &until, &limit(most));
        let found = self.primary.run(Call::quick("watch.people"), |session| async move {
            let page = session.query(statements::PEOPLE, &[after, at_most, from, until]).await?;
            page.rows.iter().map(told).collect::<Result<Vec<_>, Fault>>()
        });
        open_answered(found.await?, most, &self.keyring).await
    }
}

/// Counts as the columns of new rows.
struct CountColumns<'a> {
    days: Vec<Day>,
    models: Vec<&'a str>,
    measures: Vec<&'static str>,
    bins: Vec<i16>,
    decisions: Vec<i64>,
}

impl<'a> CountColumns<'a> {
    fn new(counts: &'a [DayCount]) -> Self {
        Self {
            days: counts.iter().map(|it| it.day).collect(),
            models: counts.iter().map(|it| it.count.model.as_str()).collect(),
            measures: counts.iter().map(|it| it.count.measure.as_str()).collect(),
            bins: counts.iter().map(|it| i16::from(it.count.bin)).collect(),
            decisions: counts.iter().map(|it| signed(it.count.decisions)).collect(),
        }
    }
}

/// `None` of what another version of the program watches.
fn bin_count(row: &Row) -> Result<Option<BinCount>, Fault> {
    let bin: i16 = get(row, "bin")?;
    let bin =
        u8::try_from(bin).map_err(|_| StoreError::Corrupt("the column bin is out of range".to_owned()))?;
    let measure = get::<_, &str>(row, "measure")?.parse().ok();
    let (model, decisions) = (get(row, "model")?, count(row, "decisions")?);
    Ok(measure.map(|measure| BinCount { model, measure, bin, decisions }))
}

fn standing(row: &Row) -> Result<KeptStanding, Fault> {
    Ok(KeptStanding {
        kind: get(row, "kind")?,
        model: get(row, "model")?,
        name: get(row, "name")?,
        standing: word(row, "standing")?,
        since: get(row, "since")?,
        changes: count(row, "changes")?,
    })
}

fn told(row: &Row) -> Result<Told, Fault> {
    Ok(Told {
        user: UserId::new(get(row, "user_id")?),
        attributes: get(row, "value")?,
        approved: get(row, "approved")?,
    })
}
