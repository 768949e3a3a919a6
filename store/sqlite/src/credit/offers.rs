//! Offers: the rows of `credit_limits`.

use ecs_domain::offer::{Acceptance, Offer, OfferStatus, Terms};
use ecs_domain::{Money, OfferId, Rate, Timestamp, UserId};
use ecs_store::{AcceptResult, ActivateResult, OfferPage, OutboxMessage, PageRequest};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::column::{At, Id, IdText, Word, count, out_of_range};
use crate::engine::Fault;
use crate::outbox;

pub(crate) mod statements {
    //! The SQL of offers, where the test of the query plans sees it.

    pub(crate) const FIND: &str =
        "SELECT id, user_id, status, credit_limit_minor, interest_rate_bp, credit_type,
            expires_at, accepted_at, activated_at, created_at
         FROM credit_limits WHERE id = ?1 AND user_id = ?2";
    pub(crate) const COUNT: &str = "SELECT count(*) FROM credit_limits WHERE user_id = ?1";
    pub(crate) const PAGE: &str =
        "SELECT id, user_id, status, credit_limit_minor, interest_rate_bp, credit_type,
            expires_at, accepted_at, activated_at, created_at
         FROM credit_limits WHERE user_id = ?1 ORDER BY created_at DESC, id DESC LIMIT ?2 OFFSET ?3";
    pub(crate) const ACCEPT: &str =
        "UPDATE credit_limits SET status = 'accepted', accepted_at = ?2, updated_at = ?2 WHERE id = ?1";
    pub(crate) const ACTIVATE: &str =
        "UPDATE credit_limits SET status = 'active', activated_at = ?2, updated_at = ?2 WHERE id = ?1";
    pub(crate) const EXPIRE: &str = "UPDATE credit_limits SET status = 'expired', updated_at = ?1
         WHERE status = 'offered' AND expires_at <= ?1";
}

const INSERT: &str = "INSERT INTO credit_limits (id, user_id, status, credit_limit_minor, interest_rate_bp,
        credit_type, expires_at, accepted_at, activated_at, created_at, updated_at)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?10)";

pub(super) fn find(connection: &Connection, user: UserId, offer: OfferId) -> Result<Option<Offer>, Fault> {
    let mut statement = connection.prepare_cached(statements::FIND)?;
    let ids = params![IdText::new(offer.uuid()), IdText::new(user.uuid())];
    Ok(statement.query_row(ids, read).optional()?)
}

pub(super) fn page(connection: &Connection, user: UserId, page: PageRequest) -> Result<OfferPage, Fault> {
    let user = IdText::new(user.uuid());
    let total = connection.prepare_cached(statements::COUNT)?.query_row([&user], |row| row.get(0))?;
    let skip = i64::from(page.page.saturating_sub(1)) * i64::from(page.page_size);
    let mut statement = connection.prepare_cached(statements::PAGE)?;
    let items = statement.query_map(params![user, page.page_size, skip], read)?;
    Ok(OfferPage { total: count(total), items: items.collect::<Result<_, _>>()? })
}

pub(super) fn insert(connection: &Connection, offer: &Offer) -> Result<(), Fault> {
    connection.prepare_cached(INSERT)?.execute(params![
        IdText::new(offer.id.uuid()),
        IdText::new(offer.user.uuid()),
        offer.status.as_str(),
        offer.terms.credit_limit.minor_units(),
        offer.terms.interest_rate.basis_points(),
        offer.terms.credit_type.as_str(),
        At(offer.expires_at),
        offer.accepted_at.map(At),
        offer.activated_at.map(At),
        At(offer.created_at),
    ])?;
    Ok(())
}

pub(super) fn accept(
    connection: &Connection,
    user: UserId,
    offer: OfferId,
    now: Timestamp,
    message: &OutboxMessage,
) -> Result<AcceptResult, Fault> {
    let Some(found) = find(connection, user, offer)? else { return Ok(AcceptResult::Unknown) };
    match found.acceptance(now) {
        Acceptance::AlreadyAccepted => Ok(AcceptResult::AlreadyAccepted),
        Acceptance::Expired => Ok(AcceptResult::Expired),
        Acceptance::Accept => {
            change(connection, statements::ACCEPT, offer, now)?;
            outbox::insert(connection, message)?;
            Ok(AcceptResult::Accepted(found.terms))
        }
    }
}

pub(super) fn activate(
    connection: &Connection,
    user: UserId,
    offer: OfferId,
    now: Timestamp,
    message: &OutboxMessage,
) -> Result<ActivateResult, Fault> {
    let Some(found) = find(connection, user, offer)? else { return Ok(ActivateResult::Unknown) };
    match found.status {
        OfferStatus::Active => Ok(ActivateResult::AlreadyActive),
        OfferStatus::Offered | OfferStatus::Expired => Ok(ActivateResult::NotAccepted),
        OfferStatus::Accepted => {
            change(connection, statements::ACTIVATE, offer, now)?;
            outbox::insert(connection, message)?;
            Ok(ActivateResult::Activated)
        }
    }
}

pub(super) fn expire(connection: &Connection, now: Timestamp) -> Result<u64, Fault> {
    let expired = connection.prepare_cached(statements::EXPIRE)?.execute([At(now)])?;
    Ok(expired as u64)
}

fn change(connection: &Connection, sql: &str, offer: OfferId, now: Timestamp) -> Result<(), Fault> {
    connection.prepare_cached(sql)?.execute(params![IdText::new(offer.uuid()), At(now)])?;
    Ok(())
}

fn read(row: &Row<'_>) -> rusqlite::Result<Offer> {
    let basis_points: i64 = row.get("interest_rate_bp")?;
    let rate = u32::try_from(basis_points).map_err(|_| out_of_range(basis_points))?;
    Ok(Offer {
        id: OfferId::new(row.get::<_, Id>("id")?.0),
        user: UserId::new(row.get::<_, Id>("user_id")?.0),
        status: row.get::<_, Word<_>>("status")?.0,
        terms: Terms {
            credit_limit: Money::from_minor_units(row.get("credit_limit_minor")?),
            interest_rate: Rate::from_basis_points(rate),
            credit_type: row.get::<_, Word<_>>("credit_type")?.0,
        },
        created_at: row.get::<_, At>("created_at")?.0,
        expires_at: row.get::<_, At>("expires_at")?.0,
        accepted_at: row.get::<_, Option<At>>("accepted_at")?.map(|at| at.0),
        activated_at: row.get::<_, Option<At>>("activated_at")?.map(|at| at.0),
    })
}
