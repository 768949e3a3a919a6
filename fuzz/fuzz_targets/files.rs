//! The operator's files in TOML: the first byte chooses between a credit policy and a scorecard.
#![no_main]

use ecs_domain::features::Features;
use ecs_domain::policy::{Facts, Policy};
use ecs_domain::{Money, Timestamp};
use ecs_fuzz::text;
use libfuzzer_sys::fuzz_target;

const NOBODY: Features = Features {
    transaction_count_30d: 0,
    avg_transaction_value_30d: 0.0,
    days_since_last_transaction: None,
    account_age_days: 0.0,
    emotions: None,
};

fuzz_target!(|data: &[u8]| {
    let Some((kind, rest)) = data.split_first() else { return };
    let Some(text) = text(rest) else { return };
    if kind % 2 == 0 {
        if let Ok(policy) = ecs_work::policies::parse(text) {
            judge(&policy);
        }
    } else if let Ok(scorecard) = ecs_models::parse_scorecard(text) {
        let risk = scorecard.assess(&NOBODY).risk_score;
        assert!((0.0..=1.0).contains(&risk), "a scorecard that is taken gives a probability: {risk}");
    }
});

/// Whatever a policy that is taken says: a higher risk gets no more, and nobody owes more than one may.
fn judge(policy: &Policy) {
    for owed in [0, 1, 1_000_000, i64::MAX] {
        let facts = Facts { exposure: Money::from_minor_units(owed), last_denied_at: None };
        let mut most = i64::MAX;
        for risk in [0.0, 0.1, 0.5, 1.0] {
            let terms = policy.terms(&NOBODY, risk, facts, Timestamp::UNIX_EPOCH);
            let limit = terms.map_or(0, |terms| terms.credit_limit.minor_units());
            assert!((0..=most).contains(&limit), "a higher risk gets more");
            let in_all = policy.exposure.map_or(i64::MAX, |exposure| exposure.max_total.minor_units());
            assert!(limit == 0 || limit.saturating_add(owed) <= in_all, "somebody owes more than one may");
            most = limit;
        }
    }
}
