//! Totals of the ledgers and of the offers. Each is read over one snapshot.

use ecs_domain::OfferId;
use ecs_store::{Ledger, LedgerTotals, OfferBooks};
use rusqlite::{Connection, params};

use crate::column::{Id, count};
use crate::engine::Fault;
use crate::folds::{COUNTED, DISCARDED};

/// With those whose summaries went for their age.
const SUMMARISED: &str = "SELECT coalesce(sum(event_count), 0)
        + coalesce((SELECT events FROM aged WHERE rows = 'emotion-summaries'), 0) FROM emotional_events_summary";
const RAW: &str = "SELECT count(*) FROM emotional_events";
const IDS: &str = "SELECT count(*) FROM emotion_inbox WHERE fate = ?1";
const TRANSACTIONS: &str = "SELECT count(*) FROM transactions";
/// Distinct events: one that two groups gave up is one event of the ledger.
const DEAD_LETTERS: &str =
    "SELECT count(DISTINCT event_id) FROM dead_letters WHERE subject = ?1 AND state <> 'replayed'";
const WITH_STATUS: &str = "SELECT count(*) FROM credit_limits WHERE status = ?1";
/// The event of an acceptance has the offer's id.
const GIVEN_UP: &str = "SELECT count(*) FROM credit_limits c WHERE c.status = 'accepted'
     AND EXISTS (SELECT 1 FROM dead_letters d
        WHERE d.event_id = c.id AND d.subject = 'credit.offers.approved' AND d.state <> 'replayed')";
/// A notification that went for its age was one all the same. It was kept after the activation, so it is older than what went.
const NOTIFIED: &str = "SELECT count(*) FROM credit_limits c WHERE c.status = 'active'
     AND (EXISTS (SELECT 1 FROM notifications n WHERE n.offer_id = c.id AND n.type = 'CREDIT_LIMIT_APPLIED')
        OR c.activated_at < (SELECT before FROM aged WHERE rows = 'notifications'))";
const UNNOTIFIED: &str = "SELECT c.id FROM credit_limits c WHERE c.status = 'active'
     AND NOT EXISTS (SELECT 1 FROM notifications n WHERE n.offer_id = c.id AND n.type = 'CREDIT_LIMIT_APPLIED')
     AND c.activated_at >= coalesce((SELECT before FROM aged WHERE rows = 'notifications'), '') LIMIT 100";

pub(super) fn of_ledger(connection: &Connection, ledger: Ledger) -> Result<LedgerTotals, Fault> {
    let number =
        |sql: &str| -> Result<u64, Fault> { Ok(count(connection.query_row(sql, [], |row| row.get(0))?)) };
    let ids =
        |fate: i64| -> Result<u64, Fault> { Ok(count(connection.query_row(IDS, [fate], |row| row.get(0))?)) };
    let dead_lettered = count(connection.query_row(DEAD_LETTERS, [ledger.subject()], |row| row.get(0))?);
    match ledger {
        Ledger::Emotions => Ok(LedgerTotals {
            in_aggregates: number(SUMMARISED)?,
            named: number(RAW)? + ids(COUNTED)?,
            discarded: ids(DISCARDED)?,
            dead_lettered,
        }),
        // A transaction's aggregate is its own row.
        Ledger::Transactions => {
            let kept = number(TRANSACTIONS)?;
            Ok(LedgerTotals { in_aggregates: kept, named: kept, discarded: 0, dead_lettered })
        }
    }
}

pub(super) fn of_offers(connection: &Connection) -> Result<OfferBooks, Fault> {
    let with_status = |status: &str| -> Result<u64, Fault> {
        Ok(count(connection.query_row(WITH_STATUS, params![status], |row| row.get(0))?))
    };
    let (pending, active) = (with_status("accepted")?, with_status("active")?);
    let mut unnotified = connection.prepare_cached(UNNOTIFIED)?;
    let unnotified = unnotified.query_map([], |row| Ok(OfferId::new(row.get::<_, Id>(0)?.0)))?;
    Ok(OfferBooks {
        accepted: pending + active,
        pending,
        given_up: count(connection.query_row(GIVEN_UP, [], |row| row.get(0))?),
        active,
        notified: count(connection.query_row(NOTIFIED, [], |row| row.get(0))?),
        unnotified: unnotified.collect::<Result<_, _>>()?,
        outbox: count(connection.query_row(crate::outbox::DEPTH, [], |row| row.get(0))?),
    })
}
