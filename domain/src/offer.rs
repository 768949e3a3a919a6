//! Credit offers and their life cycle.

use std::fmt;
use std::str::FromStr;

use crate::{Money, OfferId, Rate, Timestamp, UserId};

/// An offer, and what became of it: a row of `credit_limits`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Its id.
    pub id: OfferId,
    /// To whom it was made.
    pub user: UserId,
    /// Where it stands.
    pub status: OfferStatus,
    /// What was offered.
    pub terms: Terms,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it can no longer be accepted.
    pub expires_at: Timestamp,
    /// When it was accepted.
    pub accepted_at: Option<Timestamp>,
    /// When the credit became usable.
    pub activated_at: Option<Timestamp>,
}

/// Limit, rate and type of a credit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// How much may be drawn.
    pub credit_limit: Money,
    /// Percent per year.
    pub interest_rate: Rate,
    /// Short or long term.
    pub credit_type: CreditType,
}

/// How long the credit runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreditType {
    /// Up to a year.
    ShortTerm,
    /// More than a year.
    LongTerm,
}

/// Where an offer stands. `Offered → Accepted → Active`, or `Offered → Expired`; nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OfferStatus {
    /// Made, and open until it expires.
    Offered,
    /// Accepted; a worker will activate it.
    Accepted,
    /// The credit is usable.
    Active,
    /// Not accepted in time.
    Expired,
}

/// What comes of the wish to accept an offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acceptance {
    /// It is accepted now.
    Accept,
    /// It was accepted before.
    AlreadyAccepted,
    /// It is too late.
    Expired,
}

impl Offer {
    /// Whether an offer can be accepted at `now`. One that expires at this very instant can't.
    #[must_use]
    pub fn acceptance(&self, now: Timestamp) -> Acceptance {
        match self.status_at(now) {
            OfferStatus::Offered => Acceptance::Accept,
            OfferStatus::Accepted | OfferStatus::Active => Acceptance::AlreadyAccepted,
            OfferStatus::Expired => Acceptance::Expired,
        }
    }

    /// Where the offer stands at `now`: an open one past its time is expired, whether or not its row says so yet.
    #[must_use]
    pub fn status_at(&self, now: Timestamp) -> OfferStatus {
        self.status.at(now, self.expires_at)
    }
}

impl OfferStatus {
    /// The same of an offer that had this status when it was read.
    #[must_use]
    pub fn at(self, now: Timestamp, expires_at: Timestamp) -> Self {
        match self {
            Self::Offered if expires_at <= now => Self::Expired,
            status => status,
        }
    }
}

macro_rules! named {
    ($type:ident { $($variant:ident => $name:literal),+ $(,)? }) => {
        impl $type {
            /// Its name in payloads and tables.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $type {
            type Err = ();

            fn from_str(name: &str) -> Result<Self, Self::Err> {
                match name { $($name => Ok(Self::$variant),)+ _ => Err(()) }
            }
        }
    };
}

named!(CreditType { ShortTerm => "SHORT_TERM", LongTerm => "LONG_TERM" });
named!(OfferStatus { Offered => "offered", Accepted => "accepted", Active => "active", Expired => "expired" });

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn offer(status: OfferStatus) -> Offer {
        Offer {
            id: OfferId::new(Uuid::from_u128(1)),
            user: UserId::new(Uuid::from_u128(2)),
            status,
            terms: Terms {
                credit_limit: Money::from_minor_units(100_000),
                interest_rate: Rate::from_basis_points(1425),
                credit_type: CreditType::ShortTerm,
            },
            created_at: "2026-11-01T00:00:00Z".parse().unwrap(),
            expires_at: "2026-11-08T00:00:00Z".parse().unwrap(),
            accepted_at: None,
            activated_at: None,
        }
    }

    #[test]
    fn an_offer_is_accepted_once_and_in_time() {
        let check = |status, now: &str, expect| {
            assert_eq!(offer(status).acceptance(now.parse().unwrap()), expect, "{status} at {now}");
        };
        check(OfferStatus::Offered, "2026-11-07T23:59:59Z", Acceptance::Accept);
        check(OfferStatus::Offered, "2026-11-08T00:00:00Z", Acceptance::Expired);
        check(OfferStatus::Expired, "2026-11-02T00:00:00Z", Acceptance::Expired);
        check(OfferStatus::Accepted, "2026-11-09T00:00:00Z", Acceptance::AlreadyAccepted);
        check(OfferStatus::Active, "2026-11-09T00:00:00Z", Acceptance::AlreadyAccepted);
    }
}
