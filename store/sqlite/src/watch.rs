//! What the watch over decisions has counted, and what it told last.

use async_trait::async_trait;
use ecs_domain::{Day, Timestamp, UserId};
use ecs_store::decision_log::decisions_left;
use ecs_store::watch::{
    AnsweredPage, BinCount, DayCount, Days, KeptStanding, StandingChange, Told, Unwatched, Watch,
    open_answered,
};
use ecs_store::{OutboxMessage, StoreError};
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use uuid::Uuid;

use crate::SqliteStore;
use crate::column::{At, Id, IdText, Word, count, day_number, limit};
use crate::decision_log;
use crate::engine::{Fault, Size};
use crate::outbox;

pub(crate) mod statements {
    //! The SQL of the watch, where the test of the query plans sees it.

    pub(crate) const ADD: &str =
        "INSERT INTO watch_days (day, model, measure, bin, decisions) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (day, model, measure, bin) DO UPDATE SET decisions = decisions + excluded.decisions";
    pub(crate) const FORGET: &str = "DELETE FROM watch_days WHERE day < ?1";
    pub(crate) const SUMS: &str = "SELECT model, measure, bin, sum(decisions) FROM watch_days
         WHERE day >= ?1 AND day < ?2 GROUP BY model, measure, bin";
    pub(crate) const CHANGE: &str =
        "UPDATE watch_standings SET standing = ?4, since = ?5, changes = changes + 1
         WHERE kind = ?1 AND model = ?2 AND name = ?3 AND changes = ?6";
    pub(crate) const TOLD: &str =
        "SELECT user_id, value FROM user_attributes WHERE user_id > ?1 ORDER BY user_id LIMIT ?2";
    pub(crate) const LAST_ANSWER: &str = "SELECT outcome = 'approved' FROM decisions
         WHERE user_id = ?1 AND decided_at >= ?2 AND decided_at < ?3 ORDER BY decided_at DESC LIMIT 1";
}

const PROGRESS: &str = "SELECT batch FROM watch_progress";
const ADVANCE: &str = "UPDATE watch_progress SET batch = ?1 WHERE one = 1 AND batch = ?1 - 1";
const STANDINGS: &str = "SELECT kind, model, name, standing, since, changes FROM watch_standings";
const TELL: &str = "INSERT INTO watch_standings (kind, model, name, standing, since, changes)
     VALUES (?1, ?2, ?3, ?4, ?5, 1) ON CONFLICT (kind, model, name) DO NOTHING";

#[async_trait]
impl Watch for SqliteStore {
    async fn unwatched(&self) -> Result<Option<Unwatched>, StoreError> {
        let found = self.read("watch.unwatched", |connection| {
            let counted: i64 = connection.prepare_cached(PROGRESS)?.query_row([], |row| row.get(0))?;
            let next = count(counted) + 1;
            Ok(decision_log::found_of_batch(connection, next)?.map(|found| (next, found)))
        });
        let Some((batch, found)) = found.await? else { return Ok(None) };
        Ok(Some(Unwatched { batch, decisions: decisions_left(found, &self.keyring).await? }))
    }

    async fn count_batch(&self, batch: u64, counts: Vec<DayCount>) -> Result<bool, StoreError> {
        self.write_sized("watch.count", Size::Large, move |connection| {
            if connection.prepare_cached(ADVANCE)?.execute([limit_of(batch)])? == 0 {
                return Ok(false);
            }
            let mut add = connection.prepare_cached(statements::ADD)?;
            for DayCount { day, count: it } in counts {
                let decisions = limit_of(it.decisions);
                add.execute(params![day_number(day), it.model, it.measure.as_str(), it.bin, decisions])?;
            }
            Ok(true)
        })
        .await
    }

    async fn watched(&self, Days { from, until }: Days) -> Result<Vec<BinCount>, StoreError> {
        self.read("watch.sums", move |connection| {
            let mut statement = connection.prepare_cached(statements::SUMS)?;
            let found = statement.query_map([day_number(from), day_number(until)], |row| {
                Ok((row.get(0)?, row.get::<_, String>(1)?, row.get(2)?, row.get(3)?))
            })?;
            let found: Vec<(String, String, u8, i64)> = found.collect::<Result<_, _>>()?;
            // What another version of the program watches is none of this one's.
            let known = |(model, measure, bin, sum): (String, String, u8, i64)| {
                let measure = measure.parse().ok()?;
                Some(BinCount { model, measure, bin, decisions: count(sum) })
            };
            Ok(found.into_iter().filter_map(known).collect())
        })
        .await
    }

    async fn forget_watched(&self, before: Day) -> Result<u64, StoreError> {
        self.write("watch.forget", move |connection| {
            let went = connection.prepare_cached(statements::FORGET)?.execute([day_number(before)])?;
            Ok(u64::try_from(went).unwrap_or(u64::MAX))
        })
        .await
    }

    async fn standings(&self) -> Result<Vec<KeptStanding>, StoreError> {
        self.read("watch.standings", |connection| {
            let mut statement = connection.prepare_cached(STANDINGS)?;
            Ok(statement.query_map([], standing)?.collect::<Result<_, _>>()?)
        })
        .await
    }

    async fn change_standing(
        &self,
        change: StandingChange,
        message: OutboxMessage,
    ) -> Result<bool, StoreError> {
        self.write("watch.change", move |connection| {
            let StandingChange { of, standing, now, seen } = &change;
            let changed = match seen {
                0 => connection.prepare_cached(TELL)?.execute(params![
                    of.kind,
                    of.model,
                    of.name,
                    standing.as_str(),
                    At(*now)
                ])?,
                seen => connection.prepare_cached(statements::CHANGE)?.execute(params![
                    of.kind,
                    of.model,
                    of.name,
                    standing.as_str(),
                    At(*now),
                    limit_of(*seen)
                ])?,
            };
            if changed > 0 {
                outbox::insert(connection, &message)?;
            }
            Ok(changed > 0)
        })
        .await
    }

    async fn answered_people(
        &self,
        from: Timestamp,
        until: Timestamp,
        after: Option<UserId>,
        most: usize,
    ) -> Result<AnsweredPage, StoreError> {
        let found = self.read("watch.people", move |connection| people(connection, from, until, after, most));
        open_answered(found.await?, most, &self.keyring).await
    }
}

fn people(
    connection: &Connection,
    from: Timestamp,
    until: Timestamp,
    after: Option<UserId>,
    most: usize,
) -> Result<Vec<Told>, Fault> {
    let after = IdText::new(after.map_or_else(Uuid::nil, UserId::uuid));
    let mut told = connection.prepare_cached(statements::TOLD)?;
    let told =
        told.query_map(params![after, limit(most)], |row| Ok((row.get::<_, Id>(0)?.0, row.get(1)?)))?;
    let told: Vec<(Uuid, String)> = told.collect::<Result<_, _>>()?;
    let mut answer = connection.prepare_cached(statements::LAST_ANSWER)?;
    let mut people = Vec::with_capacity(told.len());
    for (user, attributes) in told {
        let times = params![IdText::new(user), At(from), At(until)];
        let approved = answer.query_row(times, |row| row.get(0)).optional()?;
        people.push(Told { user: UserId::new(user), attributes, approved });
    }
    Ok(people)
}

fn standing(row: &Row<'_>) -> rusqlite::Result<KeptStanding> {
    Ok(KeptStanding {
        kind: row.get(0)?,
        model: row.get(1)?,
        name: row.get(2)?,
        standing: row.get::<_, Word<_>>(3)?.0,
        since: row.get::<_, At>(4)?.0,
        changes: count(row.get(5)?),
    })
}

/// A count as a column holds it.
fn limit_of(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
