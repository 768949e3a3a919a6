//! `credit.offers.approved`.

use ecs_domain::offer::Terms;
use ecs_domain::{EventId, Money, OfferId, Rate, Timestamp, UserId};
use serde::{Deserialize, Serialize};

use super::{PayloadError, WireTime, malformed, read, write};
use crate::{Event, Headers, Subject};

/// An offer that its user accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApprovedOffer {
    /// Which offer.
    pub offer: OfferId,
    /// Whose.
    pub user: UserId,
    /// What was accepted.
    pub terms: Terms,
    /// When.
    pub accepted_at: Timestamp,
}

/// `{offerId, userId, creditLimit, interestRate, creditType, acceptedAt}`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OfferPayload {
    offer_id: OfferId,
    user_id: UserId,
    credit_limit: Money,
    interest_rate: Rate,
    credit_type: String,
    accepted_at: WireTime,
}

impl OfferPayload {
    /// The bus event that carries an acceptance. One offer is accepted once, so its id serves as the event's.
    #[must_use]
    pub fn event(approved: &ApprovedOffer, headers: Headers) -> Event {
        let payload = write(&Self {
            offer_id: approved.offer,
            user_id: approved.user,
            credit_limit: approved.terms.credit_limit,
            interest_rate: approved.terms.interest_rate,
            credit_type: approved.terms.credit_type.as_str().to_owned(),
            accepted_at: approved.accepted_at,
        });
        let id = EventId::new(approved.offer.uuid());
        Event { id, subject: Subject::OffersApproved, key: approved.user, payload, headers }
    }

    /// The acceptance that a bus event carries.
    pub fn decode(event: &Event) -> Result<ApprovedOffer, PayloadError> {
        let payload: Self = read(event)?;
        Ok(ApprovedOffer {
            offer: payload.offer_id,
            user: payload.user_id,
            terms: Terms {
                credit_limit: payload.credit_limit,
                interest_rate: payload.interest_rate,
                credit_type: payload
                    .credit_type
                    .parse()
                    .map_err(|()| malformed("creditType is not known")())?,
            },
            accepted_at: payload.accepted_at,
        })
    }
}
