//! The review of a decision by a person: whoever was decided about by a machine may have somebody look at it who can decide otherwise
//! (LGPD Art. 20, GDPR Art. 22).
//!
//! A review is open until an officer claims it, and claimed until they conclude it. A claim that leads to nothing for
//! [`CLAIM_LASTS`] may be taken over.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::offer::Terms;
use crate::policy::Policy;
use crate::{DecisionId, Money, OfferId, ReviewId, Timestamp, UserId, redacted};

/// Until when a review is to be concluded, counted from its request: what LGPD Art. 19 gives for a complete answer.
pub const DUE_AFTER: Duration = Duration::from_secs(15 * 24 * 60 * 60);

/// How long a claim keeps others away.
pub const CLAIM_LASTS: Duration = Duration::from_secs(24 * 60 * 60);

const MAX_CHARS: usize = 2_000;

/// What a person or an officer writes: 1 to 2,000 characters, not only spaces, and no control characters but line breaks and tabs.
#[derive(Clone, PartialEq, Eq)]
pub struct ReviewText(String);

/// A review.
#[derive(Clone, PartialEq, Eq)]
pub struct Review {
    /// Its id.
    pub id: ReviewId,
    /// Of which decision.
    pub decision: DecisionId,
    /// Whose decision that is, and who asks.
    pub user: UserId,
    /// When they asked.
    pub requested_at: Timestamp,
    /// Until when it is to be concluded.
    pub due_at: Timestamp,
    /// What they have to say.
    pub comment: Option<ReviewText>,
    /// Who looks at it, or did.
    pub claim: Option<Claim>,
    /// What came of it.
    pub conclusion: Option<Conclusion>,
}

/// Who looks at a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// The officer.
    pub by: UserId,
    /// Since when.
    pub at: Timestamp,
}

/// What came of a review.
#[derive(Clone, PartialEq, Eq)]
pub struct Conclusion {
    /// When.
    pub at: Timestamp,
    /// What the officer decided.
    pub outcome: ReviewOutcome,
    /// Why, for the person to read.
    pub explanation: ReviewText,
    /// What is offered instead of what was decided.
    pub offer: Option<OfferId>,
}

/// What an officer decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReviewOutcome {
    /// The decision stays.
    Upheld,
    /// The officer offers something else.
    Overturned,
}

/// Where a review stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReviewState {
    /// Nobody looks at it yet.
    Open,
    /// Somebody does.
    Claimed,
    /// It is over.
    Concluded,
}

/// Why an officer may not do something about a review.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It is of a decision about themselves.
    Own,
    /// Another officer looks at it.
    Taken,
    /// They have not claimed it.
    NotClaimed,
    /// It is over.
    Concluded,
}

redacted!(ReviewText => "ReviewText");

/// Tells which it is and where it stands.
impl fmt::Debug for Review {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut told = f.debug_struct("Review");
        told.field("id", &self.id).field("decision", &self.decision).field("user", &self.user);
        told.field("claim", &self.claim).field("conclusion", &self.conclusion).finish_non_exhaustive()
    }
}

impl fmt::Debug for Conclusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conclusion")
            .field("at", &self.at)
            .field("outcome", &self.outcome)
            .finish_non_exhaustive()
    }
}

impl ReviewText {
    /// The text, or what is wrong with it.
    pub fn new(text: String) -> Result<Self, &'static str> {
        let is_plain = |character: char| !character.is_control() || matches!(character, '\n' | '\r' | '\t');
        if text.chars().nth(MAX_CHARS).is_some() || text.trim().is_empty() || !text.chars().all(is_plain) {
            return Err("must be 1 to 2000 characters of plain text");
        }
        Ok(Self(text))
    }

    /// The text itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Review {
    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> ReviewState {
        match (&self.claim, &self.conclusion) {
            (_, Some(_)) => ReviewState::Concluded,
            (Some(_), None) => ReviewState::Claimed,
            (None, None) => ReviewState::Open,
        }
    }

    /// Whether this officer may look at it from `now` on. Who does already may say so again.
    pub fn may_be_claimed(&self, officer: UserId, now: Timestamp) -> Result<(), Refusal> {
        if officer == self.user {
            return Err(Refusal::Own);
        }
        if self.conclusion.is_some() {
            return Err(Refusal::Concluded);
        }
        let holds = |claim: &Claim| claim.at.saturating_add(CLAIM_LASTS).map_or(true, |end| now < end);
        match &self.claim {
            Some(claim) if claim.by != officer && holds(claim) => Err(Refusal::Taken),
            _ => Ok(()),
        }
    }

    /// Whether this officer may conclude it.
    pub fn may_be_concluded(&self, officer: UserId) -> Result<(), Refusal> {
        if officer == self.user {
            return Err(Refusal::Own);
        }
        if self.conclusion.is_some() {
            return Err(Refusal::Concluded);
        }
        match self.claim {
            Some(claim) if claim.by == officer => Ok(()),
            Some(_) => Err(Refusal::Taken),
            None => Err(Refusal::NotClaimed),
        }
    }
}

/// Whether an officer may offer these terms: a band's rate and type, and at most its limit. So nobody gets a rate that the policy
/// doesn't know, and nobody more than somebody of the least risk.
#[must_use]
pub fn permits(policy: &Policy, terms: &Terms) -> bool {
    terms.credit_limit > Money::ZERO
        && policy.bands.iter().any(|band| {
            band.credit_type == terms.credit_type
                && band.interest_rate == terms.interest_rate
                && terms.credit_limit <= band.credit_limit
        })
}

macro_rules! named {
    ($type:ident { $($variant:ident => $name:literal),+ $(,)? }) => {
        impl $type {
            /// Every one there is.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// Its name in requests, answers and tables.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }
        }

        impl FromStr for $type {
            type Err = ();

            fn from_str(name: &str) -> Result<Self, Self::Err> {
                Self::ALL.iter().copied().find(|one| one.as_str() == name).ok_or(())
            }
        }
    };
}

named!(ReviewOutcome { Upheld => "upheld", Overturned => "overturned" });
named!(ReviewState { Open => "open", Claimed => "claimed", Concluded => "concluded" });

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::Rate;
    use crate::offer::CreditType;
    use crate::policy::Band;

    const PERSON: u128 = 1;
    const OFFICER: u128 = 2;
    const OTHER: u128 = 3;

    fn user(number: u128) -> UserId {
        UserId::new(Uuid::from_u128(number))
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn review(claimed_by: Option<u128>, is_concluded: bool) -> Review {
        let (now, explanation) = (at("2026-11-20T12:00:00Z"), ReviewText::new("because".to_owned()).unwrap());
        Review {
            id: ReviewId::new(Uuid::from_u128(7)),
            decision: DecisionId::new(Uuid::from_u128(8)),
            user: user(PERSON),
            requested_at: now,
            due_at: now.saturating_add(DUE_AFTER).unwrap(),
            comment: None,
            claim: claimed_by.map(|by| Claim { by: user(by), at: now }),
            conclusion: is_concluded.then_some(Conclusion {
                at: now,
                outcome: ReviewOutcome::Upheld,
                explanation,
                offer: None,
            }),
        }
    }

    #[test]
    fn one_officer_at_a_time_looks_at_a_decision_and_never_their_own() {
        let check = |review: &Review, officer, now: &str, expect| {
            assert_eq!(review.may_be_claimed(user(officer), at(now)), expect, "{review:?} {officer} {now}");
        };
        let (soon, later) = ("2026-11-21T11:59:59Z", "2026-11-21T12:00:00Z");
        check(&review(None, false), OFFICER, soon, Ok(()));
        check(&review(None, false), PERSON, soon, Err(Refusal::Own));
        check(&review(Some(OFFICER), false), OFFICER, soon, Ok(()));
        check(&review(Some(OFFICER), false), OTHER, soon, Err(Refusal::Taken));
        check(&review(Some(OFFICER), false), OTHER, later, Ok(()));
        check(&review(Some(OFFICER), true), OFFICER, later, Err(Refusal::Concluded));
    }

    #[test]
    fn who_concludes_a_review_has_claimed_it() {
        let check = |review: &Review, officer, expect| {
            assert_eq!(review.may_be_concluded(user(officer)), expect, "{review:?} {officer}");
        };
        check(&review(Some(OFFICER), false), OFFICER, Ok(()));
        check(&review(Some(OFFICER), false), OTHER, Err(Refusal::Taken));
        check(&review(Some(OFFICER), false), PERSON, Err(Refusal::Own));
        check(&review(None, false), OFFICER, Err(Refusal::NotClaimed));
        check(&review(Some(OFFICER), true), OFFICER, Err(Refusal::Concluded));
    }

    #[test]
    fn a_review_is_open_then_claimed_then_concluded() {
        let states = [review(None, false), review(Some(OFFICER), false), review(Some(OFFICER), true)];
        assert_eq!(
            states.map(|review| review.state()),
            [ReviewState::Open, ReviewState::Claimed, ReviewState::Concluded]
        );
        for state in ReviewState::ALL {
            assert_eq!(state.as_str().parse(), Ok(*state));
        }
        assert_eq!("Upheld".parse::<ReviewOutcome>(), Err(()));
    }

    #[test]
    fn an_officer_offers_what_a_band_offers_or_less() {
        let band = |max_risk, limit, rate| Band {
            max_risk,
            credit_limit: Money::from_minor_units(limit),
            interest_rate: Rate::from_basis_points(rate),
            credit_type: CreditType::ShortTerm,
        };
        let bands = vec![band(0.2, 900, 1_000), band(0.5, 100, 2_000)];
        let policy = Policy {
            version: "test".to_owned(),
            digest: String::new(),
            made_for: Vec::new(),
            cut_off: 0.5,
            bands,
            knock_outs: Vec::new(),
            exposure: None,
            cool_down: None,
            rounding: crate::policy::Rounding {
                limit_step: Money::from_minor_units(1),
                rate_step: Rate::from_basis_points(1),
            },
        };
        let check = |limit, rate, credit_type, expect| {
            let (credit_limit, interest_rate) =
                (Money::from_minor_units(limit), Rate::from_basis_points(rate));
            let terms = Terms { credit_limit, interest_rate, credit_type };
            assert_eq!(permits(&policy, &terms), expect, "{limit} at {rate}");
        };
        check(900, 1_000, CreditType::ShortTerm, true);
        check(1, 1_000, CreditType::ShortTerm, true);
        check(100, 2_000, CreditType::ShortTerm, true);
        check(101, 2_000, CreditType::ShortTerm, false);
        check(901, 1_000, CreditType::ShortTerm, false);
        check(100, 1_500, CreditType::ShortTerm, false);
        check(100, 1_000, CreditType::LongTerm, false);
        check(0, 1_000, CreditType::ShortTerm, false);
        check(-1, 1_000, CreditType::ShortTerm, false);
    }

    #[test]
    fn a_text_is_plain_and_of_bounded_length() {
        let check =
            |text: &str, expect: bool| assert_eq!(ReviewText::new(text.to_owned()).is_ok(), expect, "{text}");
        check("Há um erro:\n\tsou eu.", true);
        check(&"é".repeat(2_000), true);
        check(&"é".repeat(2_001), false);
        check("", false);
        check(" \n", false);
        check("a\u{0}b", false);
    }
}
