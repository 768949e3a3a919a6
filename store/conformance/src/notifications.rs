//! What customers were told.

use ecs_domain::notification::Notification;
use ecs_domain::{Money, NotificationId, Rate};
use ecs_store::{MarkedRead, PageRequest, Store};
use futures::future::join_all;

use crate::Harness;
use crate::fixtures::{after, decision_id, first_page, now, offer_id, register, review_id, user};

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
        let found: Vec<_> =
            page.items.iter().map(|item| (item.sequence, item.notification.about.offer().unwrap())).collect();
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

/// Whoever remembers the last number gets the rest in order, in pages, and nobody else's.
pub async fn a_reader_goes_on_behind_the_last_it_has_seen<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1, 2, 3]).await;
    let mut all: Vec<Notification> = (1..=5).map(|offer| notification(1, offer)).collect();
    all.insert(2, notification(2, 6));
    store.add_notifications(&all, now()).await.unwrap();
    for (number, seen, limit, expect) in [
        (1, 0, 10, vec![1, 2, 3, 4, 5]),
        (1, 0, 2, vec![1, 2]),
        (1, 2, 2, vec![3, 4]),
        (1, 4, 2, vec![5]),
        (1, 5, 2, vec![]),
        (1, u64::MAX, 2, vec![]),
        (1, 0, 0, vec![]),
        (2, 0, 10, vec![1]),
        (3, 0, 10, vec![]),
        (9, 0, 10, vec![]),
    ] {
        let found = store.notifications_after(user(number), seen, limit).await.unwrap();
        let sequences: Vec<u64> = found.iter().map(|item| item.sequence).collect();
        assert_eq!(sequences, expect, "user {number} after {seen}, at most {limit}");
        assert!(found.iter().all(|item| item.notification.user == user(number)));
    }
    let second = store.notifications_after(user(1), 1, 1).await.unwrap();
    assert_eq!((&second[0].notification, second[0].read_at), (&all[1], None));
}

/// One question for everybody who waits; who has nothing, or isn't known, has 0.
pub async fn last_numbers_are_told_for_many_users_at_once<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1, 2, 3]).await;
    store
        .add_notifications(&[notification(1, 1), notification(2, 2), notification(1, 3)], now())
        .await
        .unwrap();
    let users = [9, 2, 3, 1, 2].map(user);
    assert_eq!(store.last_sequences(&users).await.unwrap(), [0, 1, 0, 2, 1]);
    assert_eq!(store.last_sequences(&[]).await.unwrap(), [0; 0]);
}

/// Numbers become visible in order and without a gap, however many write at once: whoever follows has them all.
pub async fn a_follower_misses_nothing_while_many_write<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1, 2]).await;
    const WRITERS: u128 = 8;
    const BATCHES: u128 = 12;
    let write = async |writer: u128| {
        for batch in 0..BATCHES {
            let offer = 10 * (writer * BATCHES + batch);
            // Every batch speaks to both users, in an order of its own, and repeats itself.
            let mut both = [notification(1, offer), notification(2, offer + 1), notification(1, offer)];
            both.rotate_left(usize::try_from(writer % 3).unwrap());
            store.add_notifications(&both, now()).await.unwrap();
        }
    };
    let total = u64::try_from(WRITERS * BATCHES).unwrap();
    let writers = join_all((0..WRITERS).map(write));
    let followers = join_all([1, 2].map(|number| follow(store.as_ref(), number, total)));
    futures::future::join(writers, followers).await;
}

/// Reads like a stream does, until it has seen `total`; what it meets must always be the next.
async fn follow(store: &dyn Store, number: u128, total: u64) {
    let mut seen = 0;
    while seen < total {
        let last = store.last_sequences(&[user(number)]).await.unwrap()[0];
        let page = store.notifications_after(user(number), seen, 7).await.unwrap();
        assert!(last <= seen || !page.is_empty(), "number {last} was told of and isn't there");
        for item in page {
            assert_eq!(item.sequence, seen + 1, "user {number}");
            seen = item.sequence;
        }
        tokio::task::yield_now().await;
    }
}

/// The first time stands, and lists and followers tell it.
pub async fn reading_is_noted_once<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1]).await;
    let all = [1, 2].map(|offer| notification(1, offer));
    store.add_notifications(&all, now()).await.unwrap();
    let id = all[0].id;
    let first = store.mark_notification_read(user(1), id, after(10)).await.unwrap().unwrap();
    assert_eq!((first.sequence, first.read_at, &first.notification), (1, Some(after(10)), &all[0]));
    let again = store.mark_notification_read(user(1), id, after(20)).await.unwrap();
    assert_eq!(again, Some(first.clone()));
    // A notification that arrives again stays read.
    assert_eq!(store.add_notifications(&all, after(30)).await.unwrap(), [false, false]);
    let page = store.notifications(user(1), first_page()).await.unwrap();
    assert_eq!((page.total, page.unread), (2, 1));
    assert_eq!((page.items[0].read_at, &page.items[1]), (None, &first));
    assert_eq!(store.notifications_after(user(1), 0, 1).await.unwrap(), [first]);
}

/// Everything up to the number, whatever was read before, and nothing behind it.
pub async fn reading_up_to_a_number_marks_all_of_them<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1, 2]).await;
    let all: Vec<Notification> = (1..=4).map(|offer| notification(1, offer)).collect();
    store.add_notifications(&all, now()).await.unwrap();
    store.add_notifications(&[notification(2, 9)], now()).await.unwrap();
    store.mark_notification_read(user(1), all[1].id, after(10)).await.unwrap().unwrap();
    for (up_to, at, marked, unread) in
        [(0, 11, 0, 3), (3, 12, 2, 1), (3, 13, 0, 1), (u64::MAX, 14, 1, 0), (u64::MAX, 15, 0, 0)]
    {
        let found = store.mark_notifications_read(user(1), up_to, after(at)).await.unwrap();
        assert_eq!(found, MarkedRead { marked, unread }, "up to {up_to}");
    }
    let page = store.notifications(user(1), first_page()).await.unwrap();
    let read: Vec<_> = page.items.iter().map(|item| item.read_at).collect();
    assert_eq!(read, [14, 12, 10, 12].map(|at| Some(after(at))), "newest first");
    assert_eq!(store.notifications(user(2), first_page()).await.unwrap().unread, 1);
    let nobody = store.mark_notifications_read(user(9), 1, now()).await.unwrap();
    assert_eq!(nobody, MarkedRead { marked: 0, unread: 0 });
}

/// Another's notification looks like one that isn't there.
pub async fn only_their_user_marks_notifications<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1, 2]).await;
    let one = notification(1, 1);
    store.add_notifications(std::slice::from_ref(&one), now()).await.unwrap();
    let unknown = NotificationId::of_activation(offer_id(7));
    for (number, id) in [(2, one.id), (9, one.id), (1, unknown)] {
        assert_eq!(store.mark_notification_read(user(number), id, now()).await.unwrap(), None);
    }
    assert_eq!(store.notifications(user(1), first_page()).await.unwrap().unread, 1);
}

fn notification(of: u128, offer: u128) -> Notification {
    let (limit, rate) = (Money::from_minor_units(500_001), Rate::from_basis_points(1_425));
    Notification::of_activation(user(of), offer_id(offer), limit, rate, after(5))
}

/// Each comes back with what it speaks of, and neither takes the other's number.
pub async fn a_notification_speaks_of_an_offer_or_a_decision<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1]).await;
    let concluded = Notification::of_conclusion(user(1), review_id(1), decision_id(1), now());
    let both = [notification(1, 1), concluded];
    assert_eq!(store.add_notifications(&both, now()).await.unwrap(), [true, true]);
    assert_eq!(store.add_notifications(&both, now()).await.unwrap(), [false, false]);
    let told = store.notifications_after(user(1), 0, 10).await.unwrap();
    assert_eq!(told.iter().map(|stored| stored.sequence).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(told.into_iter().map(|stored| stored.notification).collect::<Vec<_>>(), both);
}
