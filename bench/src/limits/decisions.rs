//! The store's limits of a decision: the statements that any decision over these tables has to run, in a loop.
//!
//! They read the account, the transactions and the emotions of one user after the other, look whether a decision stands, and
//! write the decision with its offer; a batch of them shares one transaction. They ask nobody whether the user consents,
//! look only once whether a decision stands, score nothing, read nothing back and answer nobody. What they write are
//! decisions that the platform made in the same round, under new ids.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use ecs_domain::{Timestamp, UserId, utc_day};
use jiff::{SignedDuration, ToSpan as _};
use rusqlite::{Connection, params};
use uuid::Uuid;

use super::{open, per_second, text};

const ACCOUNT: &str = "SELECT created_at FROM users WHERE id = ?1";
const TRANSACTIONS: &str =
    "SELECT count(*), sum(amount_minor / 100), sum(amount_minor % 100), max(occurred_at)
     FROM transactions WHERE user_id = ?1 AND occurred_at > ?2 AND occurred_at <= ?3";
const EMOTIONS: &str =
    "SELECT sum(event_count), sum(stress_event_count), sum(positivity_sum), sum(intensity_sum),
        sum(stress_sum)
     FROM emotional_events_summary WHERE user_id = ?1 AND summary_date >= ?2 AND summary_date <= ?3";
const STANDING: &str = "SELECT id FROM decisions WHERE user_id = ?1 AND decided_at > ?2
     ORDER BY decided_at DESC LIMIT 1";
const OFFER: &str = "INSERT INTO credit_limits (id, user_id, status, credit_limit_minor, interest_rate_bp,
        credit_type, expires_at, created_at, updated_at)
     VALUES (?1, ?2, 'offered', ?3, ?4, ?5, ?6, ?7, ?7)";
const DECISION: &str =
    "INSERT INTO decisions (id, user_id, decided_at, outcome, reason, offer_id, risk_score,
        model_version, policy_version, features, contributions)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
const MADE: &str =
    "SELECT outcome, reason, risk_score, model_version, policy_version, features, contributions,
        credit_limit_minor, interest_rate_bp, credit_type
     FROM decisions LEFT JOIN credit_limits ON credit_limits.id = offer_id LIMIT 500";
const OFFERS: &str = "SELECT id, user_id FROM credit_limits LIMIT 500";
const LOOK: &str = "SELECT status, expires_at FROM credit_limits WHERE id = ?1 AND user_id = ?2";

/// A decision that the platform made, without its ids.
pub(crate) struct Made {
    outcome: String,
    reason: Option<String>,
    risk_score: f64,
    model_version: String,
    policy_version: String,
    features: String,
    contributions: String,
    /// Limit, rate and type.
    offer: Option<(i64, i64, String)>,
}

/// Some of the decisions in a store, as many denials among them as there are.
pub(crate) fn made(store: &Path) -> anyhow::Result<Vec<Made>> {
    let connection = open(store)?;
    let mut statement = connection.prepare(MADE)?;
    let made = statement.query_map([], |row| {
        let (limit, rate): (Option<i64>, Option<i64>) = (row.get(7)?, row.get(8)?);
        let kind: Option<String> = row.get(9)?;
        Ok(Made {
            outcome: row.get(0)?,
            reason: row.get(1)?,
            risk_score: row.get(2)?,
            model_version: row.get(3)?,
            policy_version: row.get(4)?,
            features: row.get(5)?,
            contributions: row.get(6)?,
            offer: limit.zip(rate).zip(kind).map(|((limit, rate), kind)| (limit, rate, kind)),
        })
    })?;
    let made = made.collect::<Result<Vec<_>, _>>()?;
    anyhow::ensure!(!made.is_empty(), "the platform made no decision");
    Ok(made)
}

/// Decides about one user after the other, `batch` of them in a transaction, until the time is over or everybody had
/// their turn. The first tenth of both doesn't count.
pub(crate) fn decide(
    store: &Path,
    users: &[UserId],
    made: &[Made],
    batch: usize,
    time: Duration,
) -> anyhow::Result<f64> {
    let connection = open(store)?;
    let (warm_up, counted) = users.split_at(users.len() / 10);
    let mut made = made.iter().cycle();
    let mut run = |users: &[UserId], time: Duration| -> anyhow::Result<f64> {
        let (started, mut decided) = (Instant::now(), 0);
        for batch in users.chunks(batch.max(1)) {
            if started.elapsed() >= time {
                break;
            }
            transact(&connection, batch, &mut made)?;
            decided += batch.len() as u64;
        }
        Ok(per_second(decided, started.elapsed()))
    };
    run(warm_up, time / 10)?;
    run(counted, time)
}

fn transact<'a>(
    connection: &Connection,
    users: &[UserId],
    made: &mut impl Iterator<Item = &'a Made>,
) -> anyhow::Result<()> {
    connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
    for user in users {
        let (user, now) = (user.to_string(), Timestamp::now());
        read(connection, &user, now)?;
        write(connection, &user, now, made.next().context("no decisions to copy")?)?;
    }
    connection.prepare_cached("COMMIT")?.execute([])?;
    Ok(())
}

fn read(connection: &Connection, user: &str, now: Timestamp) -> rusqlite::Result<()> {
    let month_ago = text(now - SignedDuration::from_hours(30 * 24));
    let today = utc_day(now);
    let _: String = connection.prepare_cached(ACCOUNT)?.query_row([user], |row| row.get(0))?;
    let mut transactions = connection.prepare_cached(TRANSACTIONS)?;
    let _: (i64, Option<String>) =
        transactions.query_row(params![user, month_ago, text(now)], |row| Ok((row.get(0)?, row.get(3)?)))?;
    let mut emotions = connection.prepare_cached(EMOTIONS)?;
    for days in [7, 30] {
        let first = today.saturating_sub((days - 1).days()).to_string();
        let window = params![user, first, today.to_string()];
        let _: (Option<i64>, Option<i64>) =
            emotions.query_row(window, |row| Ok((row.get(0)?, row.get(4)?)))?;
    }
    Ok(())
}

fn write(connection: &Connection, user: &str, now: Timestamp, made: &Made) -> anyhow::Result<()> {
    let five_minutes_ago = text(now - SignedDuration::from_mins(5));
    let stands = connection.prepare_cached(STANDING)?.exists([user, &five_minutes_ago])?;
    anyhow::ensure!(!stands, "a user had their turn twice");
    let (now, week) = (text(now), text(now + SignedDuration::from_hours(7 * 24)));
    let offer = made.offer.as_ref().map(|_| Uuid::now_v7().to_string());
    if let Some((limit, rate, kind)) = &made.offer {
        connection.prepare_cached(OFFER)?.execute(params![offer, user, limit, rate, kind, week, now])?;
    }
    connection.prepare_cached(DECISION)?.execute(params![
        Uuid::now_v7().to_string(),
        user,
        now,
        made.outcome,
        made.reason,
        offer,
        made.risk_score,
        made.model_version,
        made.policy_version,
        made.features,
        made.contributions,
    ])?;
    Ok(())
}

/// Reads one offer after the other from a store, by id and user, for some time.
pub(crate) fn look(store: &Path, time: Duration) -> anyhow::Result<f64> {
    let connection = open(store)?;
    let mut offers = connection.prepare(OFFERS)?;
    let offers = offers.query_map([], |row| Ok([row.get(0)?, row.get(1)?]))?;
    let offers = offers.collect::<Result<Vec<[String; 2]>, _>>()?;
    anyhow::ensure!(!offers.is_empty(), "the platform offered nothing");
    let mut statement = connection.prepare(LOOK)?;
    let (started, mut read) = (Instant::now(), 0_u64);
    while started.elapsed() < time {
        for [offer, user] in &offers {
            let _: (String, String) =
                statement.query_row(params![offer, user], |row| Ok((row.get(0)?, row.get(1)?)))?;
        }
        read += offers.len() as u64;
    }
    Ok(per_second(read, started.elapsed()))
}
