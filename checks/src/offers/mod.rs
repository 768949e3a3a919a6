//! The life of offers: what each call on the store does, one after the other.
//!
//! [`Offers`] is the reference that the store's answers under concurrency are held against; [`life::Life`] lets
//! callers, workers and the clock meet over it in every way.

pub mod life;

use std::collections::BTreeMap;

use ecs_domain::offer::OfferStatus;
use stateright::semantics::SequentialSpec;

/// For how many ticks a decision stands.
pub const STANDS: u8 = 2;
/// For how many ticks an offer can be accepted.
pub const OPEN: u8 = 3;

/// All that is known about one user's offers, which go by number.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Offers {
    /// Each decision's tick and offer.
    pub decisions: Vec<(u8, u8)>,
    /// The offers.
    pub offers: BTreeMap<u8, Offer>,
}

/// One offer, and how many messages it has put into the outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Offer {
    /// Where it stands.
    pub status: OfferStatus,
    /// The first tick at which it can't be accepted any more.
    pub expires_at: u8,
    /// Messages that it was accepted.
    pub approved: u8,
    /// Messages that it is active.
    pub notified: u8,
}

/// A call; its last number is the tick at which it is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Call {
    /// Wants to make the offer of this number.
    Decide(u8, u8),
    /// Accepts an offer.
    Accept(u8, u8),
    /// Accepts it in the name of somebody else.
    AcceptAsAnother(u8, u8),
    /// Activates an offer.
    Activate(u8, u8),
    /// Marks what is past its time.
    Expire(u8),
    /// Looks at everything.
    Look,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Answer {
    /// The offer of the decision that stands, and whether it is an earlier one.
    Decided(u8, bool),
    /// Done now.
    Done,
    /// Done before.
    DoneBefore,
    /// It is too late.
    TooLate,
    /// It isn't that far.
    TooEarly,
    /// There is no such offer for this user.
    Unknown,
    /// How many were marked.
    Expired(u64),
    /// Each offer's number, status, and messages.
    Seen(Vec<(u8, OfferStatus, u8, u8)>),
}

impl SequentialSpec for Offers {
    type Op = Call;
    type Ret = Answer;

    fn invoke(&mut self, call: &Call) -> Answer {
        match *call {
            Call::Decide(number, now) => self.decide(number, now),
            Call::Accept(number, now) => self.accept(number, now),
            Call::AcceptAsAnother(..) => Answer::Unknown,
            Call::Activate(number, _) => self.activate(number),
            Call::Expire(now) => self.expire(now),
            Call::Look => self.look(),
        }
    }
}

impl Offers {
    /// The decision that stands at `now`, by its offer.
    #[must_use]
    pub fn standing(&self, now: u8) -> Option<u8> {
        let last = self.decisions.iter().max_by_key(|(at, _)| *at)?;
        (last.0 + STANDS > now).then_some(last.1)
    }

    /// Makes an offer, whatever stands.
    pub fn make(&mut self, number: u8, now: u8) {
        self.decisions.push((now, number));
        let expires_at = now + OPEN;
        self.offers
            .insert(number, Offer { status: OfferStatus::Offered, expires_at, approved: 0, notified: 0 });
    }

    fn decide(&mut self, number: u8, now: u8) -> Answer {
        if let Some(standing) = self.standing(now) {
            return Answer::Decided(standing, true);
        }
        self.make(number, now);
        Answer::Decided(number, false)
    }

    fn accept(&mut self, number: u8, now: u8) -> Answer {
        let Some(offer) = self.offers.get_mut(&number) else { return Answer::Unknown };
        match offer.status {
            OfferStatus::Accepted | OfferStatus::Active => Answer::DoneBefore,
            OfferStatus::Expired => Answer::TooLate,
            OfferStatus::Offered if offer.expires_at <= now => Answer::TooLate,
            OfferStatus::Offered => {
                offer.status = OfferStatus::Accepted;
                offer.approved += 1;
                Answer::Done
            }
        }
    }

    fn activate(&mut self, number: u8) -> Answer {
        let Some(offer) = self.offers.get_mut(&number) else { return Answer::Unknown };
        match offer.status {
            OfferStatus::Offered | OfferStatus::Expired => Answer::TooEarly,
            OfferStatus::Active => Answer::DoneBefore,
            OfferStatus::Accepted => {
                offer.status = OfferStatus::Active;
                offer.notified += 1;
                Answer::Done
            }
        }
    }

    fn expire(&mut self, now: u8) -> Answer {
        let mut expired = 0;
        for offer in self.offers.values_mut() {
            if offer.status == OfferStatus::Offered && offer.expires_at <= now {
                offer.status = OfferStatus::Expired;
                expired += 1;
            }
        }
        Answer::Expired(expired)
    }

    fn look(&self) -> Answer {
        let seen = |(number, offer): (&u8, &Offer)| (*number, offer.status, offer.approved, offer.notified);
        Answer::Seen(self.offers.iter().map(seen).collect())
    }
}
