//! The operator's files in TOML: the first byte chooses between a credit policy and a scorecard.
#![no_main]

use ecs_domain::features::Features;
use ecs_fuzz::text;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((kind, rest)) = data.split_first() else { return };
    let Some(text) = text(rest) else { return };
    if kind % 2 == 0 {
        let Ok(policy) = ecs_user_and_credit::parse(text) else { return };
        for risk in [0.0, 0.1, 0.5, 1.0] {
            let _ = policy.terms_for(risk);
        }
    } else if let Ok(scorecard) = ecs_models::parse_scorecard(text) {
        let nobody = Features {
            transaction_count_30d: 0,
            avg_transaction_value_30d: 0.0,
            days_since_last_transaction: None,
            account_age_days: 0.0,
            emotions: None,
        };
        let risk = scorecard.assess(&nobody).risk_score;
        assert!((0.0..=1.0).contains(&risk), "a scorecard that is taken gives a probability: {risk}");
    }
});
