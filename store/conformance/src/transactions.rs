//! The fold of transactions.

use ecs_store::Folded;
use futures::future::join_all;

use crate::Harness;
use crate::fixtures::{now, register, transaction, user};

const MORNING: &str = "2026-11-20T08:00:00Z";

/// Repeats, alone or in company, in a row or at the same time, count once.
pub async fn a_transaction_counts_once<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1]).await;
    let [first, second] = [1, 2].map(|id| transaction(1, id, MORNING, 10_050));
    let batch = [first.clone(), second, first];
    let folded = store.fold_transactions(&batch, now()).await.unwrap();
    assert_eq!(folded, [Folded::Counted, Folded::Counted, Folded::Repeated]);
    let more: Vec<_> = (0..40).map(|id| transaction(1, id, MORNING, 10_050)).collect();
    let folds = join_all((0..4).map(|_| store.fold_transactions(&more, now()))).await;
    let counted = folds.into_iter().flat_map(Result::unwrap).filter(|folded| *folded == Folded::Counted);
    assert_eq!(counted.count(), 38);
    let features = store.features(user(1), now()).await.unwrap().unwrap().features;
    assert_eq!(features.transaction_count_30d, 40);
    assert!((features.avg_transaction_value_30d - 100.5).abs() < 1e-9);
}

/// The others of the batch count.
pub async fn transactions_of_unknown_users_are_reported<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1]).await;
    let batch =
        [transaction(9, 1, MORNING, 100), transaction(1, 2, MORNING, 100), transaction(9, 3, MORNING, 1)];
    let folded = store.fold_transactions(&batch, now()).await.unwrap();
    assert_eq!(folded, [Folded::UnknownUser, Folded::Counted, Folded::UnknownUser]);
}
