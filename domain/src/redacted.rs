//! What is never logged, kept from it by its types.
//!
//! Whatever says what somebody feels, owns, owes or is scored by has a `Debug` that names the type and nothing of the value, and no
//! `Display`. So a field that is added to a log in a hurry tells nothing, whatever the level. Who needs the value takes it on
//! purpose, through a field or a method.

/// Gives these types a `Debug` that tells nothing of their values.
#[macro_export]
macro_rules! redacted {
    ($($type:ty => $name:literal),+ $(,)?) => {$(
        impl ::std::fmt::Debug for $type {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(concat!($name, "(…)"))
            }
        }
    )+};
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use crate::decision::{Decision, Denial, Outcome};
    use crate::emotion::{EmotionEvent, EmotionKind, Metrics, StressThreshold, Unit};
    use crate::features::{EmotionFeatures, EmotionMeans, Features};
    use crate::notification::Notification;
    use crate::offer::{CreditType, Offer, OfferStatus, Terms};
    use crate::policy::Facts;
    use crate::reason::Reason;
    use crate::review::{Claim, Conclusion, Review, ReviewOutcome, ReviewText};
    use crate::scorecard::{Assessment, Contribution, Input, Second};
    use crate::transaction::Transaction;
    use crate::user::User;
    use crate::{DecisionId, EventId, Money, OfferId, Rate, ReviewId, Timestamp, TransactionId, UserId};

    /// Every number in what is to be hidden has these digits, and every word this one.
    const DIGITS: &str = "7531";
    const WORD: &str = "marked";

    fn user() -> UserId {
        UserId::new(Uuid::from_u128(1))
    }

    fn at() -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn features() -> Features {
        let means = EmotionMeans { positivity: 0.7531, intensity: 0.7531, stress: 0.7531 };
        let emotions =
            EmotionFeatures { means_7d: Some(means), stress_events_7d: 7_531, stress_events_30d: 7_531 };
        Features {
            transaction_count_30d: 7_531,
            avg_transaction_value_30d: 0.7531,
            days_since_last_transaction: Some(0.7531),
            account_age_days: 0.7531,
            emotions: Some(emotions),
        }
    }

    fn offer() -> Offer {
        Offer {
            id: OfferId::new(Uuid::from_u128(2)),
            user: user(),
            status: OfferStatus::Offered,
            terms: Terms {
                credit_limit: Money::from_minor_units(7_531),
                interest_rate: Rate::from_basis_points(7_531),
                credit_type: CreditType::ShortTerm,
            },
            created_at: at(),
            expires_at: at(),
            accepted_at: None,
            activated_at: None,
        }
    }

    fn second() -> Second {
        Second { risk_score: 0.7531, model_version: WORD.to_owned(), model_digest: WORD.to_owned() }
    }

    fn denial() -> Denial {
        Denial { reasons: vec![Reason::HighStress], text: WORD.to_owned() }
    }

    fn decision(outcome: Outcome) -> Decision {
        let contributions = vec![Contribution { input: Input::AvgStress7d, log_odds: 0.7531 }];
        Decision {
            id: DecisionId::new(Uuid::from_u128(3)),
            user: user(),
            decided_at: at(),
            features: features(),
            assessment: Assessment {
                risk_score: 0.7531,
                model_version: "scorecard-1".to_owned(),
                model_digest: "d1".to_owned(),
                base_log_odds: 0.7531,
                contributions,
                without_emotions: Some(second()),
                challenger: Some(second()),
            },
            facts: Facts { exposure: Money::from_minor_units(7_531), last_denied_at: Some(at()) },
            policy_version: "policy-1".to_owned(),
            policy_digest: "d2".to_owned(),
            outcome,
            approved_without_emotions: Some(true),
            catalogue_version: 1,
        }
    }

    fn emotion() -> EmotionEvent {
        let unit = Unit::new(0.7531).unwrap();
        EmotionEvent {
            id: EventId::new(Uuid::from_u128(4)),
            user: user(),
            occurred_at: at(),
            kind: EmotionKind::new(WORD.to_owned()).unwrap(),
            metrics: Metrics { positivity: unit, intensity: unit, stress: unit },
        }
    }

    fn transaction() -> Transaction {
        Transaction {
            id: TransactionId::new(Uuid::from_u128(5)),
            user: user(),
            amount: Money::from_minor_units(7_531),
            currency: "BRL".parse().unwrap(),
            occurred_at: at(),
            merchant: Some(WORD.to_owned()),
            category: Some(WORD.to_owned()),
            channel: Some(WORD.to_owned()),
            client_id: Some(WORD.to_owned()),
        }
    }

    fn person() -> User {
        User {
            id: user(),
            email: Some(format!("{WORD}@example.com").parse().unwrap()),
            external_id: Some(WORD.to_owned()),
            created_at: at(),
            updated_at: at(),
        }
    }

    fn review() -> Review {
        let explanation = ReviewText::new(WORD.to_owned()).unwrap();
        Review {
            id: ReviewId::new(Uuid::from_u128(6)),
            decision: DecisionId::new(Uuid::from_u128(3)),
            user: user(),
            requested_at: at(),
            due_at: at(),
            comment: Some(explanation.clone()),
            claim: Some(Claim { by: user(), at: at() }),
            conclusion: Some(Conclusion {
                at: at(),
                outcome: ReviewOutcome::Overturned,
                explanation,
                offer: Some(offer().id),
            }),
        }
    }

    #[test]
    fn what_is_never_logged_is_in_no_debug_text() {
        let check = |text: String, expect: &str| {
            // An amount has its point among the digits.
            assert!(!text.replace('.', "").contains(DIGITS) && !text.contains(WORD), "{text}");
            assert!(text.contains(expect), "{text}");
        };
        let metrics = emotion().metrics;
        check(format!("{:?}", metrics.stress), "Unit(…)");
        check(format!("{metrics:#?}"), "Metrics(…)");
        check(format!("{:?}", StressThreshold(metrics.stress)), "StressThreshold");
        check(format!("{:?}", emotion().kind), "EmotionKind(…)");
        check(format!("{:#?}", emotion()), "EmotionEvent");
        check(format!("{:?}", features()), "Features(…)");
        check(format!("{:?}", features().emotions), "EmotionFeatures(…)");
        check(format!("{:?}", features().emotions.and_then(|emotions| emotions.means_7d)), "EmotionMeans(…)");
        check(format!("{:?}", offer().terms.credit_limit), "Money(…)");
        check(format!("{:?}", offer().terms.interest_rate), "Rate(…)");
        check(format!("{:#?}", offer()), "Offered");
        let approved = decision(Outcome::Approved(offer()));
        check(format!("{:#?}", approved.assessment), "scorecard-1");
        check(format!("{:?}", approved.assessment.contributions), "Contribution(…)");
        check(format!("{approved:#?}"), "Approved");
        check(format!("{:#?}", decision(Outcome::Denied(denial()))), "Denied");
        check(format!("{:?}", approved.facts), "Facts(…)");
        check(format!("{:?}", second()), "Second(…)");
        check(format!("{:#?}", transaction()), "BRL");
        check(format!("{:#?}", person()), "Email(…)");
        let Terms { credit_limit, interest_rate, .. } = offer().terms;
        let notification = Notification::of_activation(user(), offer().id, credit_limit, interest_rate, at());
        check(format!("{notification:#?}"), "CreditLimitApplied");
        check(format!("{:#?}", review()), "Review");
    }
}
