//! Deliveries of notifications to webhooks.

use ecs_store::{ATTEMPTS_KEPT, DeliveryClaim, DeliveryFate, DeliveryState, DueDelivery, Resent, Settled};
use futures::future::join_all;

use crate::Harness;
use crate::fixtures::{after, first_page, now, register, user};
use crate::webhooks::{
    LEASE, add, attempt, claim, claiming, enable, id, log, notification, one_delivery, only, settle,
};

/// Many processes claim at once, and each delivery is one's.
pub async fn claims_of_deliveries_do_not_overlap<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(&*store, [1]).await;
    add(&*store, 1, 1).await;
    let told: Vec<_> = (1..=40).map(|offer| notification(1, offer)).collect();
    store.add_notifications(&told, now()).await.unwrap();
    let mut all = Vec::new();
    for _ in 0..40 {
        let claims = join_all((0..4).map(|_| store.claim_deliveries(claiming(after(1), 3)))).await;
        all.extend(claims.into_iter().flat_map(Result::unwrap).map(|due| due.notification.id));
    }
    all.sort();
    let before = all.len();
    all.dedup();
    assert_eq!((all.len(), before), (40, 40));
}

/// Who doesn't settle in time is taken for dead, and settles nothing afterwards.
pub async fn a_claim_of_a_delivery_runs_out<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    one_delivery(store).await;
    let first = only(claim(store, after(10)).await);
    assert_eq!(claim(store, after(10 + LEASE - 1)).await, []);
    let second = only(claim(store, after(10 + LEASE)).await);
    assert_eq!((second.attempt, second.tries, &second.notification), (2, 2, &first.notification));
    assert_eq!(settle(store, &first, DeliveryFate::Delivered, 80).await, None);
    assert_eq!(log(store, 1).await[0].state, DeliveryState::Pending);
    assert_eq!(settle(store, &second, DeliveryFate::Delivered, 81).await, Some(Settled { disabled: None }));
    assert_eq!(settle(store, &second, DeliveryFate::Delivered, 82).await, None, "it was settled before");
    let delivery = log(store, 1).await.remove(0);
    assert_eq!(
        (delivery.state, delivery.attempts, delivery.next_attempt_at),
        (DeliveryState::Delivered, 2, None)
    );
    assert_eq!(delivery.log, [attempt(2, 81, None)]);
}

/// What failed comes again when it is due, and not before.
pub async fn a_failed_attempt_is_made_again<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    one_delivery(store).await;
    let first = only(claim(store, after(10)).await);
    settle(store, &first, DeliveryFate::Retry(after(300)), 11).await.unwrap();
    let waiting = log(store, 1).await.remove(0);
    assert_eq!((waiting.state, waiting.next_attempt_at), (DeliveryState::Pending, Some(after(300))));
    assert_eq!(waiting.log, [attempt(1, 11, Some("status"))]);
    assert_eq!(claim(store, after(299)).await, []);
    let second = only(claim(store, after(300)).await);
    assert_eq!(second.webhook.failing_since, Some(after(11)));
    settle(store, &second, DeliveryFate::Failed, 301).await.unwrap();
    let failed = log(store, 1).await.remove(0);
    assert_eq!((failed.state, failed.attempts, failed.log.len()), (DeliveryState::Failed, 2, 2));
    assert_eq!(claim(store, after(100_000)).await, []);
}

/// Each host has its share, so that one that is slow holds nobody else up.
pub async fn no_host_gets_more_than_its_share<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    register(store, [1, 2]).await;
    add(store, 1, 1).await;
    let slow: Vec<_> = (1..=9).map(|offer| notification(1, offer)).collect();
    store.add_notifications(&slow, after(2)).await.unwrap();
    add(store, 2, 2).await;
    store.add_notifications(&[notification(2, 20)], after(3)).await.unwrap();
    let share = DeliveryClaim { most_per_host: 2, ..claiming(after(4), 8) };
    let hosts =
        |claimed: Vec<DueDelivery>| claimed.into_iter().map(|due| due.webhook.at.host).collect::<Vec<_>>();
    let mut first = hosts(store.claim_deliveries(share.clone()).await.unwrap());
    first.sort();
    assert_eq!(first, ["host1", "host1", "host2"]);
    let busy = DeliveryClaim { busy_hosts: vec!["host1".to_owned()], ..share.clone() };
    assert_eq!(store.claim_deliveries(busy).await.unwrap(), []);
    assert_eq!(hosts(store.claim_deliveries(share).await.unwrap()), ["host1", "host1"]);
}

/// What was given up or has arrived is sent again when its user wants it, with a schedule of its own and the same notification.
pub async fn a_delivery_is_resent<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    let told = one_delivery(store).await;
    let resend = |of, number, at| store.resend_delivery(user(of), id(number), told.id, after(at));
    let first = only(claim(store, after(10)).await);
    let Resent::Due(leased) = resend(1, 1, 11).await.unwrap() else { panic!("it is there") };
    assert_eq!(leased.next_attempt_at, Some(after(10 + LEASE)), "it is being attempted");
    settle(store, &first, DeliveryFate::Retry(after(9_000)), 12).await.unwrap();
    let Resent::Due(due) = resend(1, 1, 13).await.unwrap() else { panic!("it is there") };
    assert_eq!((due.state, due.next_attempt_at, due.attempts), (DeliveryState::Pending, Some(after(13)), 1));
    let second = only(claim(store, after(13)).await);
    assert_eq!((second.attempt, second.tries), (2, 2), "its schedule goes on");
    settle(store, &second, DeliveryFate::Delivered, 14).await.unwrap();
    resend(1, 1, 15).await.unwrap();
    let third = only(claim(store, after(15)).await);
    assert_eq!((third.attempt, third.tries, &third.notification), (3, 1, &told), "its schedule begins anew");
    settle(store, &third, DeliveryFate::Failed, 16).await.unwrap();
    for (of, number) in [(2, 1), (1, 2)] {
        assert_eq!(resend(of, number, 17).await.unwrap(), Resent::Unknown);
    }
    let other = notification(1, 9).id;
    assert_eq!(store.resend_delivery(user(1), id(1), other, after(17)).await.unwrap(), Resent::Unknown);
    enable(store, 1, false).await;
    assert_eq!(resend(1, 1, 18).await.unwrap(), Resent::Disabled);
    assert_eq!(claim(store, after(100_000)).await, []);
}

/// Only the newest attempts are remembered, and numbered through.
pub async fn a_log_of_attempts_has_an_end<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    one_delivery(store).await;
    for round in 0..25 {
        let due = only(claim(store, after(10 + round)).await);
        settle(store, &due, DeliveryFate::Retry(after(11 + round)), 10 + round).await.unwrap();
    }
    let delivery = log(store, 1).await.remove(0);
    let numbers: Vec<u32> = delivery.log.iter().map(|attempt| attempt.number).collect();
    assert_eq!((delivery.attempts, numbers.len(), numbers.last()), (25, ATTEMPTS_KEPT, Some(&25)));
    assert!(numbers.is_sorted());
}

/// Deliveries that came to an end go some time later; those that are pending stay.
pub async fn old_deliveries_go<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    register(store, [1]).await;
    add(store, 1, 1).await;
    for (offer, at) in [(1, 10), (2, 20), (3, 30)] {
        store.add_notifications(&[notification(1, offer)], after(at)).await.unwrap();
    }
    for due in claim(store, after(40)).await.iter().take(2) {
        settle(store, due, DeliveryFate::Delivered, 41).await.unwrap();
    }
    let page = store.deliveries(user(1), id(1), first_page()).await.unwrap().unwrap();
    let made: Vec<_> = page.items.iter().map(|delivery| delivery.created_at).collect();
    assert_eq!((page.total, made), (3, vec![after(30), after(20), after(10)]), "newest first");
    for (since, most, expect) in [(10, 9, 0), (40, 1, 1), (20, 9, 0), (40, 9, 1), (40, 9, 0)] {
        assert_eq!(store.forget_deliveries(after(since), most).await.unwrap(), expect, "since {since}");
    }
    assert_eq!(log(store, 1).await.len(), 1);
}

/// Whoever attempted something when the store is opened is dead where only one process may have it open.
pub async fn reopening_keeps_deliveries<H: Harness>() {
    let harness = H::start().await;
    let told = one_delivery(&*harness.store()).await;
    claim(&*harness.store(), after(10)).await;
    let harness = harness.reopen().await;
    let store = &*harness.store();
    let again = if H::is_shared() { 10 + LEASE } else { 10 };
    let second = only(claim(store, after(again)).await);
    assert_eq!((&second.notification, second.attempt), (&told, 2));
    let dead = DueDelivery { attempt: 1, ..second };
    assert_eq!(settle(store, &dead, DeliveryFate::Delivered, 90).await, None);
}
