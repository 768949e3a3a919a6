//! Totals of the ledgers and of the offers. Each is one statement, and so one snapshot.

use ecs_domain::OfferId;
use ecs_store::{Ledger, LedgerTotals, OfferBooks};

use crate::column::{count, get};
use crate::engine::{Fault, Session};

pub(crate) mod statements {
    //! The SQL of the totals, where the test of the query plans sees it.

    /// In the aggregates are those, too, whose summaries went for their age.
    pub(crate) const EMOTIONS: &str = "SELECT
        (SELECT coalesce(sum(event_count), 0)::bigint FROM emotional_events_summary)
            + coalesce((SELECT events FROM aged WHERE rows = 'emotion-summaries'), 0) AS in_aggregates,
        (SELECT count(*) FROM emotional_events)
            + (SELECT count(*) FROM emotion_inbox WHERE fate = 1) AS named,
        (SELECT count(*) FROM emotion_inbox WHERE fate = 2) AS discarded,
        (SELECT count(DISTINCT event_id) FROM dead_letters
            WHERE subject = $1 AND state IN ('waiting', 'dropped')) AS dead_lettered";
    /// A transaction's aggregate is its own row.
    pub(crate) const TRANSACTIONS: &str =
        "SELECT t.kept AS in_aggregates, t.kept AS named, 0::bigint AS discarded,
        (SELECT count(DISTINCT event_id) FROM dead_letters
            WHERE subject = $1 AND state IN ('waiting', 'dropped')) AS dead_lettered
     FROM (SELECT count(*) AS kept FROM transactions) t";
    /// The event of an acceptance has the offer's id. A notification that went for its age was one all the same; it was kept after
    /// the activation, so that is older than what went.
    pub(crate) const OFFERS: &str = "SELECT
        (SELECT count(*) FROM credit_limits WHERE status = 'accepted') AS pending,
        (SELECT count(*) FROM credit_limits WHERE status = 'active') AS active,
        (SELECT count(*) FROM credit_limits c WHERE c.status = 'accepted' AND EXISTS (
            SELECT FROM dead_letters d WHERE d.event_id = c.id AND d.subject = 'credit.offers.approved'
                AND d.state <> 'replayed')) AS given_up,
        (SELECT count(*) FROM credit_limits c WHERE c.status = 'active' AND (EXISTS (
            SELECT FROM notifications n WHERE n.offer_id = c.id AND n.type = 'CREDIT_LIMIT_APPLIED')
            OR c.activated_at < (SELECT before FROM aged WHERE rows = 'notifications'))) AS notified,
        ARRAY(SELECT c.id FROM credit_limits c WHERE c.status = 'active' AND NOT EXISTS (
            SELECT FROM notifications n WHERE n.offer_id = c.id AND n.type = 'CREDIT_LIMIT_APPLIED')
            AND c.activated_at >= coalesce((SELECT before FROM aged WHERE rows = 'notifications'), '-infinity')
            LIMIT 100) AS unnotified,
        (SELECT count(*) FROM outbox) AS outbox";
}

/// Of the ledger. Distinct events are counted among the letters: one that two groups gave up is one event of the ledger.
pub(super) async fn of_ledger(session: &Session, ledger: Ledger) -> Result<LedgerTotals, Fault> {
    let sql = match ledger {
        Ledger::Emotions => statements::EMOTIONS,
        Ledger::Transactions => statements::TRANSACTIONS,
    };
    let subject = ledger.subject();
    let mut flight = session.flight();
    flight.begin_long();
    let totals = flight.add(sql, &[&subject]);
    flight.commit();
    let totals = flight.send().await?.take(totals);
    let Some(row) = totals.first() else { return Ok(LedgerTotals::default()) };
    Ok(LedgerTotals {
        in_aggregates: count(row, "in_aggregates")?,
        named: count(row, "named")?,
        discarded: count(row, "discarded")?,
        dead_lettered: count(row, "dead_lettered")?,
    })
}

pub(super) async fn of_offers(session: &Session) -> Result<OfferBooks, Fault> {
    let mut flight = session.flight();
    flight.begin_long();
    let books = flight.add(statements::OFFERS, &[]);
    flight.commit();
    let books = flight.send().await?.take(books);
    let Some(row) = books.first() else { return Ok(OfferBooks::default()) };
    let (pending, active) = (count(row, "pending")?, count(row, "active")?);
    let unnotified: Vec<uuid::Uuid> = get(row, "unnotified")?;
    Ok(OfferBooks {
        accepted: pending + active,
        pending,
        given_up: count(row, "given_up")?,
        active,
        notified: count(row, "notified")?,
        unnotified: unnotified.into_iter().map(OfferId::new).collect(),
        outbox: count(row, "outbox")?,
    })
}
