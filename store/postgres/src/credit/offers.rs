//! Offers: the rows of `credit_limits`.

use std::collections::BTreeMap;

use ecs_domain::offer::{Acceptance, Offer, OfferStatus, Terms};
use ecs_domain::{Money, OfferId, Rate, Timestamp, UserId};
use ecs_store::{
    AcceptResult, ActivateResult, KeptAnswer, OfferPage, OutboxMessage, PageRequest, StoreError,
};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::column::{count, get, micros, unsigned, word};
use crate::engine::{Fault, Flight, Param, Session};
use crate::idempotency::{self, Held};
use crate::outbox::Columns;

pub(crate) mod statements {
    //! The SQL of offers, where the test of the query plans sees it. Amounts and rates travel as whole hundredths.

    macro_rules! select {
        ($which:literal) => {
            concat!(
                "SELECT id AS offer_id, user_id, status, (credit_limit * 100)::bigint AS credit_limit_minor,
            (interest_rate * 100)::bigint AS interest_rate_bp, credit_type, expires_at, accepted_at, activated_at,
            created_at
         FROM credit_limits WHERE ",
                $which
            )
        };
    }

    pub(crate) const FIND: &str = select!("id = $1 AND user_id = $2");
    pub(crate) const BY_IDS: &str = select!("id = ANY ($1::uuid[])");
    /// One statement, so that total and page are of the same moment. Behind the last page the total stands alone.
    pub(crate) const PAGE: &str = "SELECT c.total, o.* FROM
            (SELECT count(*) AS total FROM credit_limits WHERE user_id = $1) c
            LEFT JOIN LATERAL
            (SELECT id AS offer_id, user_id, status, (credit_limit * 100)::bigint AS credit_limit_minor,
                (interest_rate * 100)::bigint AS interest_rate_bp, credit_type, expires_at, accepted_at, activated_at,
                created_at
             FROM credit_limits WHERE user_id = $1 ORDER BY created_at DESC, id DESC LIMIT $2 OFFSET $3) o ON true
         ORDER BY o.created_at DESC, o.offer_id DESC";
    /// Waits for whoever is about to change the offer, and then looks again.
    pub(crate) const ACCEPT: &str = "WITH changed AS (
            UPDATE credit_limits SET status = 'accepted', accepted_at = $3, updated_at = $3
            WHERE id = $1 AND user_id = $2 AND status = 'offered' AND expires_at > $3
            RETURNING id)
         INSERT INTO outbox (event_id, subject, key, payload, schema_version, request_id, traceparent)
         SELECT $4::uuid, $5::text, $6::uuid, $7::bytea, $8::integer, $9::text, $10::text FROM changed";
    pub(crate) const ACTIVATE: &str = "WITH changed AS (
            UPDATE credit_limits SET status = 'active', activated_at = $3, updated_at = $3
            WHERE id = $1 AND user_id = $2 AND status = 'accepted'
            RETURNING id)
         INSERT INTO outbox (event_id, subject, key, payload, schema_version, request_id, traceparent)
         SELECT $4::uuid, $5::text, $6::uuid, $7::bytea, $8::integer, $9::text, $10::text FROM changed";
    /// Leaves alone what somebody has in hand: it is accepted right now, or expires with the next call.
    pub(crate) const EXPIRE: &str = "UPDATE credit_limits SET status = 'expired', updated_at = $1
         WHERE id = ANY (ARRAY(SELECT id FROM credit_limits WHERE status = 'offered' AND expires_at <= $1
            LIMIT $2 FOR UPDATE SKIP LOCKED))";
}

const INSERT: &str = "INSERT INTO credit_limits (id, user_id, status, credit_limit, interest_rate,
        credit_type, expires_at, accepted_at, activated_at, created_at, updated_at)
     SELECT id, user_id, status, limit_minor * 0.01, rate_bp * 0.01, credit_type, expires_at, accepted_at, activated_at,
        created_at, created_at
     FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::bigint[], $5::bigint[], $6::text[], $7::timestamptz[],
            $8::timestamptz[], $9::timestamptz[], $10::timestamptz[])
        AS new (id, user_id, status, limit_minor, rate_bp, credit_type, expires_at, accepted_at, activated_at, created_at)";

/// Somebody's wish to move an offer on.
#[derive(Clone, Copy)]
pub(super) struct Wish<'a> {
    pub(super) user: UserId,
    pub(super) offer: OfferId,
    pub(super) now: Timestamp,
    /// What is published if it moves.
    pub(super) message: &'a OutboxMessage,
}

pub(super) async fn find(session: &Session, user: UserId, offer: OfferId) -> Result<Option<Offer>, Fault> {
    let (offer, user) = (offer.uuid(), user.uuid());
    session.query(statements::FIND, &[&offer, &user]).await?.first().map(read).transpose()
}

pub(super) async fn of_ids(session: &Session, ids: &[Uuid]) -> Result<BTreeMap<OfferId, Offer>, Fault> {
    let found = session.query(statements::BY_IDS, &[&ids]).await?;
    found.rows.iter().map(|row| read(row).map(|offer| (offer.id, offer))).collect()
}

pub(super) async fn page(session: &Session, user: UserId, page: PageRequest) -> Result<OfferPage, Fault> {
    let skip = i64::from(page.page.saturating_sub(1)) * i64::from(page.page_size);
    let (user, size) = (user.uuid(), i64::from(page.page_size));
    let found = session.query(statements::PAGE, &[&user, &size, &skip]).await?;
    let total = found.first().map_or(Ok(0), |row| count(row, "total"))?;
    let mut items = Vec::with_capacity(found.rows.len());
    for row in &found.rows {
        if get::<_, Option<Uuid>>(row, "offer_id")?.is_some() {
            items.push(read(row)?);
        }
    }
    Ok(OfferPage { total, items })
}

pub(super) async fn accept(
    session: &Session,
    wish: Wish<'_>,
    answer: Option<&KeptAnswer>,
) -> Result<AcceptResult, Fault> {
    let (changed, found) = change(session, statements::ACCEPT, wish, answer).await?;
    let Some(found) = found else { return Ok(AcceptResult::Unknown) };
    match found.acceptance(wish.now) {
        _ if changed => Ok(AcceptResult::Accepted(found.terms)),
        Acceptance::AlreadyAccepted => Ok(AcceptResult::AlreadyAccepted),
        Acceptance::Expired => Ok(AcceptResult::Expired),
        // It was in no state to be accepted, and is now: only an offer made under our eyes is like that.
        Acceptance::Accept => Err(Fault::Conflict),
    }
}

pub(super) async fn activate(session: &Session, wish: Wish<'_>) -> Result<ActivateResult, Fault> {
    let (changed, found) = change(session, statements::ACTIVATE, wish, None).await?;
    let Some(found) = found else { return Ok(ActivateResult::Unknown) };
    match found.status {
        _ if changed => Ok(ActivateResult::Activated),
        OfferStatus::Active => Ok(ActivateResult::AlreadyActive),
        OfferStatus::Offered | OfferStatus::Expired => Ok(ActivateResult::NotAccepted),
        // It was accepted between the two statements.
        OfferStatus::Accepted => Err(Fault::Conflict),
    }
}

/// Moves an offer on if it is in the state for it. Returns whether it was, and the offer as it is then.
async fn change(
    session: &Session,
    sql: &'static str,
    wish: Wish<'_>,
    answer: Option<&KeptAnswer>,
) -> Result<(bool, Option<Offer>), Fault> {
    let (offer, user, message) = (wish.offer.uuid(), wish.user.uuid(), Columns::new(wish.message));
    let held = answer.map(Held::new);
    let ids: [Param<'_>; 3] = [&offer, &user, &wish.now];
    let mut flight = session.flight();
    flight.begin();
    let claim = held.as_ref().map(|held| held.lock(&mut flight));
    let change = flight.add(sql, &[&ids[..], &message.params()[..]].concat());
    let find = flight.add(statements::FIND, &ids[..2]);
    if held.is_none() {
        flight.commit();
    }
    let mut answers = flight.send().await?;
    let changed = answers.take(change).changed == 1;
    let found = answers.take(find).first().map(read).transpose()?;
    if let (Some(held), Some(claim)) = (&held, claim) {
        let mut flight = session.flight();
        if changed {
            idempotency::require(&answers.take(claim))?;
            held.keep(&mut flight);
            flight.commit();
        } else {
            flight.roll_back();
        }
        flight.send().await?;
    }
    Ok((changed, found))
}

/// How many offers one transaction lets expire. Whoever wants to accept one of them meanwhile waits.
const PIECE: i64 = 10_000;

/// In pieces, each of them committed by itself.
pub(super) async fn expire(session: &Session, now: &Timestamp) -> Result<u64, Fault> {
    let mut expired = 0;
    loop {
        let mut flight = session.flight();
        flight.begin_long();
        let expire = flight.add(statements::EXPIRE, &[now, &PIECE]);
        flight.commit();
        let piece = flight.send().await?.take(expire).changed;
        expired += piece;
        if piece < unsigned(PIECE) {
            return Ok(expired);
        }
    }
}

/// Offers as the columns of new rows; they must live until their flight is sent.
#[derive(Default)]
pub(super) struct Rows<'a> {
    id: Vec<Uuid>,
    user: Vec<Uuid>,
    status: Vec<&'a str>,
    credit_limit: Vec<i64>,
    interest_rate: Vec<i64>,
    credit_type: Vec<&'a str>,
    expires_at: Vec<Timestamp>,
    accepted_at: Vec<Option<Timestamp>>,
    activated_at: Vec<Option<Timestamp>>,
    created_at: Vec<Timestamp>,
}

impl<'a> Rows<'a> {
    pub(super) fn push(&mut self, offer: &'a Offer) {
        self.id.push(offer.id.uuid());
        self.user.push(offer.user.uuid());
        self.status.push(offer.status.as_str());
        self.credit_limit.push(offer.terms.credit_limit.minor_units());
        self.interest_rate.push(i64::from(offer.terms.interest_rate.basis_points()));
        self.credit_type.push(offer.terms.credit_type.as_str());
        self.expires_at.push(micros(offer.expires_at));
        self.accepted_at.push(offer.accepted_at.map(micros));
        self.activated_at.push(offer.activated_at.map(micros));
        self.created_at.push(micros(offer.created_at));
    }

    /// Keeps them with the flight's transaction, if there are any.
    pub(super) fn insert<'f>(&'f self, flight: &mut Flight<'f>) {
        if self.id.is_empty() {
            return;
        }
        let params: [Param<'f>; 10] = [
            &self.id,
            &self.user,
            &self.status,
            &self.credit_limit,
            &self.interest_rate,
            &self.credit_type,
            &self.expires_at,
            &self.accepted_at,
            &self.activated_at,
            &self.created_at,
        ];
        flight.add(INSERT, &params);
    }
}

/// The offer as it is read again: with whole microseconds.
pub(super) fn as_kept(offer: &Offer) -> Offer {
    Offer {
        created_at: micros(offer.created_at),
        expires_at: micros(offer.expires_at),
        accepted_at: offer.accepted_at.map(micros),
        activated_at: offer.activated_at.map(micros),
        ..offer.clone()
    }
}

/// Reads a row of any statement that names an offer's columns as these here do.
pub(super) fn read(row: &Row) -> Result<Offer, Fault> {
    let basis_points: i64 = get(row, "interest_rate_bp")?;
    let out_of_range = |_| StoreError::Corrupt("the column interest_rate is out of range".to_owned());
    let rate = u32::try_from(basis_points).map_err(out_of_range)?;
    Ok(Offer {
        id: OfferId::new(get(row, "offer_id")?),
        user: UserId::new(get(row, "user_id")?),
        status: word(row, "status")?,
        terms: Terms {
            credit_limit: Money::from_minor_units(get(row, "credit_limit_minor")?),
            interest_rate: Rate::from_basis_points(rate),
            credit_type: word(row, "credit_type")?,
        },
        created_at: get(row, "created_at")?,
        expires_at: get(row, "expires_at")?,
        accepted_at: get(row, "accepted_at")?,
        activated_at: get(row, "activated_at")?,
    })
}
