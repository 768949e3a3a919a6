//! Conclusions of reviews in the decision log.

use ecs_store::decision_log::{REVIEWED, Standing};

use crate::fixtures::{after, denial, message, new_decision, now, offer_id, register, review_id, user};
use crate::{Harness, reviews};

/// The log tells of conclusions, too: what one has offered was decided by somebody, and a change of it is told.
pub async fn conclusions_are_logged<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    register(store, [1]).await;
    store.record_decision(new_decision(denial(1, 1, now())), None).await.unwrap();
    reviews::concluded(store, 1, 1).await;
    let whole = async || {
        let logged = store.logged(None).await.unwrap();
        let entry = logged.iter().find(|logged| logged.entry.act == REVIEWED).unwrap();
        assert_eq!(entry.entry.decision, review_id(1).uuid());
        entry.standing == entry.entry.digest.map(Standing::There)
    };
    let totals = store.decision_totals().await.unwrap();
    assert_eq!((totals.unlogged, totals.undecided), (0, 0));
    store.accept_offer(user(1), offer_id(2), after(3), message(1, 3), None).await.unwrap();
    assert!(whole().await);
    for (change, back) in [
        (
            "decision_reviews SET explanation = explanation || 'A'",
            "decision_reviews SET explanation = substr(explanation, 1, length(explanation) - 1)",
        ),
        ("credit_limits SET credit_type = 'SHORT_TERM'", "credit_limits SET credit_type = 'LONG_TERM'"),
    ] {
        harness.run(&format!("UPDATE {change}")).await;
        assert!(!whole().await, "{change}");
        harness.run(&format!("UPDATE {back}")).await;
        assert!(whole().await, "{back}");
    }
    let batch = store.seal_decisions(after(4), 10).await.unwrap().unwrap();
    assert_eq!(batch.entries, 2);
    harness.run("DELETE FROM decision_reviews").await;
    let logged = store.logged(Some(batch.number)).await.unwrap();
    assert_eq!(logged.last().unwrap().standing, Some(Standing::Gone));
    assert_eq!(store.decision_totals().await.unwrap().undecided, 1, "nobody has made the offer");
}
