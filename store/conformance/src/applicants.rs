//! What is known of those who apply.

use ecs_domain::consent::Purpose;
use ecs_store::Applicant;
use futures::future::join_all;

use crate::Harness;
use crate::fixtures::{after, approval, denial, new_decision, now, register, transaction, user};

/// Of many applicants at once each is told what the single calls tell of them, and nothing of anybody else.
pub async fn an_applicant_is_what_the_single_calls_tell<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    register(store, 1..=5).await;
    for decision in [denial(1, 101, now()), approval(2, 102, now()), denial(3, 103, after(5))] {
        store.record_decision(new_decision(decision), None).await.unwrap();
    }
    for (of, granted) in [(2, true), (3, false)] {
        store.set_consent(user(of), Purpose::EmotionAnalysis, granted.into(), now()).await.unwrap();
    }
    store.fold_transactions(&[transaction(4, 1, "2026-11-20T11:00:00Z", 500)], now()).await.unwrap();
    let (since, then) = (after(1), after(10));
    let applicants = join_all((1..=6).map(|of| store.applicant(user(of), since, then))).await;
    // Whether a decision stands, whether there was a denial, what was bought, and what was said.
    let rows = [
        (1, false, true, Some(0), None),
        (2, false, false, Some(0), Some(true)),
        (3, true, true, Some(0), Some(false)),
        (4, false, false, Some(1), None),
        (5, false, false, Some(0), None),
        (6, false, false, None, None),
    ];
    for ((of, stands, denied, bought, said), applicant) in rows.into_iter().zip(applicants) {
        let Applicant { standing, facts, features, consent } = applicant.unwrap();
        assert_eq!(standing, store.standing_decision(user(of), since).await.unwrap(), "{of}");
        assert_eq!(facts, store.credit_facts(user(of), then).await.unwrap(), "{of}");
        assert_eq!(features, store.features(user(of), then).await.unwrap(), "{of}");
        assert_eq!(consent, store.consent(user(of), Purpose::EmotionAnalysis).await.unwrap(), "{of}");
        assert_eq!((standing.is_some(), facts.last_denied_at.is_some()), (stands, denied), "{of}");
        let count = features.map(|found| found.features.transaction_count_30d);
        assert_eq!((count, consent.map(|consent| consent.granted)), (bought, said), "{of}");
    }
}
