//! What customers were told.

use ecs_domain::notification::Notification;
use ecs_domain::{Money, Rate};
use ecs_store::PageRequest;

use crate::Harness;
use crate::fixtures::{after, first_page, now, offer_id, register, user};

/// Redelivered, doubled, at the same time: once.
pub async fn a_notification_is_kept_once<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1]).await;
    let one = notification(1, 1);
    let both = [one.clone(), one.clone()];
    let (a, b) = tokio::join!(store.add_notifications(&both, now()), store.add_notifications(&both, now()));
    let new = a.unwrap().into_iter().chain(b.unwrap()).filter(|is_new| *is_new).count();
    assert_eq!(new, 1);
    let page = store.notifications(user(1), first_page()).await.unwrap();
    assert_eq!((page.total, page.items.len()), (1, 1));
    assert_eq!((page.items[0].sequence, &page.items[0].notification), (1, &one));
}

/// Each user has numbers of their own, from 1, without gaps; the newest comes first.
pub async fn notifications_count_per_user<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1, 2]).await;
    let all =
        [notification(1, 1), notification(2, 2), notification(1, 3), notification(1, 1), notification(1, 4)];
    let new = store.add_notifications(&all, now()).await.unwrap();
    assert_eq!(new, [true, true, true, false, true]);
    for (number, expect) in [(1, vec![(3, 4), (2, 3), (1, 1)]), (2, vec![(1, 2)])] {
        let page = store.notifications(user(number), first_page()).await.unwrap();
        let found: Vec<_> = page.items.iter().map(|item| (item.sequence, item.notification.offer)).collect();
        let expect: Vec<_> =
            expect.into_iter().map(|(sequence, offer)| (sequence, offer_id(offer))).collect();
        assert_eq!(found, expect, "user {number}");
    }
    let second = store.notifications(user(1), PageRequest { page: 2, page_size: 2 }).await.unwrap();
    assert_eq!((second.total, second.items.len(), second.items[0].sequence), (3, 1, 1));
}

/// Unknown users have no notifications, and their neighbours get theirs.
pub async fn a_notification_for_nobody_is_not_kept<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1]).await;
    let new = store.add_notifications(&[notification(9, 1), notification(1, 2)], now()).await.unwrap();
    assert_eq!(new, [false, true]);
    assert_eq!(store.notifications(user(9), first_page()).await.unwrap().total, 0);
}

fn notification(of: u128, offer: u128) -> Notification {
    let (limit, rate) = (Money::from_minor_units(500_001), Rate::from_basis_points(1_425));
    Notification::of_activation(user(of), offer_id(offer), limit, rate, after(5))
}
