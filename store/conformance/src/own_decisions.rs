//! Decisions as those read them whom they are about.

use ecs_domain::decision::Decision;
use ecs_store::{ErasureRequest, PageRequest};

use crate::Harness;
use crate::fixtures::{after, approval, decision_id, denial, first_page, new_decision, now, register, user};

/// Pages are cut from one list, and each item is the decision that was made.
pub async fn decisions_are_listed_newest_first<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1, 2]).await;
    let made: Vec<Decision> =
        vec![denial(1, 1, now()), approval(1, 2, after(600)), denial(1, 3, after(1_200))];
    for decision in &made {
        store.record_decision(new_decision(decision.clone()), None).await.unwrap();
    }
    store.record_decision(new_decision(denial(2, 9, after(700))), None).await.unwrap();
    for (page, expect) in [(1, vec![2, 1]), (2, vec![0]), (3, vec![])] {
        let found = store.decisions(user(1), PageRequest { page, page_size: 2 }).await.unwrap();
        let expect: Vec<Decision> = expect.into_iter().map(|at: usize| made[at].clone()).collect();
        assert_eq!((found.total, found.items), (3, expect), "page {page}");
    }
    assert_eq!(store.decision(user(1), decision_id(2)).await.unwrap().as_ref(), Some(&made[1]));
}

/// Knowing an id doesn't make it yours; whoever may read everybody's learns whose it is.
pub async fn anothers_decision_is_unknown<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1, 2]).await;
    store.record_decision(new_decision(denial(1, 1, now())), None).await.unwrap();
    assert_eq!(store.decision(user(2), decision_id(1)).await.unwrap(), None);
    assert_eq!(store.decisions(user(2), first_page()).await.unwrap().total, 0);
    assert_eq!(store.owner_of_decision(decision_id(1)).await.unwrap(), Some(user(1)));
    assert_eq!(store.owner_of_decision(decision_id(2)).await.unwrap(), None);
}

/// Between the end of a key and that of its rows there is nothing to be read, and nothing fails.
pub async fn whoever_has_no_key_any_more_has_no_decisions<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1]).await;
    store.record_decision(new_decision(denial(1, 1, now())), None).await.unwrap();
    let request = ErasureRequest { user: user(1), by: user(1), with_credit: false, now: after(1) };
    store.request_erasure(request).await.unwrap();
    harness.keyring().destroy(user(1), after(2)).await.unwrap();
    assert_eq!(store.decision(user(1), decision_id(1)).await.unwrap(), None);
    let found = store.decisions(user(1), first_page()).await.unwrap();
    assert_eq!((found.total, found.items), (0, Vec::new()));
}
