//! Webhooks: addresses of users, and the deliveries of notifications to them.

use std::time::Duration;

use ecs_domain::notification::Notification;
use ecs_domain::{Money, Rate, Timestamp, WebhookId};
use ecs_store::{
    ATTEMPTS_KEPT, AddedWebhook, Attempt, DeliveryClaim, DeliveryFate, DeliveryState, DisabledBy,
    DueDelivery, NewWebhook, Resent, SealedSecrets, Settled, Settlement, Store, Webhook, WebhookAddress,
    WebhookChange, WebhookDelivery, WebhookRotation,
};
use futures::future::join_all;
use uuid::Uuid;

use crate::Harness;
use crate::fixtures::{after, first_page, now, offer_id, register, user};

/// How many webhooks a user may have in these behaviours.
const MOST: usize = 3;
/// How long a claim lasts, in seconds.
const LEASE: i64 = 60;

/// What was added is found by its user, and by nobody else.
pub async fn a_webhook_is_its_users<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    register(store, [1, 2]).await;
    let first = add(store, 1, 1).await;
    let second = add(store, 1, 2).await;
    assert_eq!((first.disabled, first.failing_since, first.created_at), (None, None, after(1)));
    assert_eq!((&first.at, &first.secrets), (&address(1), &sealed("secret 1", None)));
    assert_eq!(store.webhooks(user(1)).await.unwrap(), [first.clone(), second]);
    assert_eq!(store.webhook(user(1), id(1)).await.unwrap(), Some(first));
    for (of, number) in [(2, 1), (9, 1), (1, 9)] {
        assert_eq!(store.webhook(user(of), id(number)).await.unwrap(), None, "{number} of {of}");
        assert!(!store.remove_webhook(user(of), id(number)).await.unwrap());
        let change =
            WebhookChange { id: id(number), user: user(of), at: None, enabled: Some(false), now: now() };
        assert_eq!(store.change_webhook(change).await.unwrap(), None);
        assert_eq!(store.deliveries(user(of), id(number), first_page()).await.unwrap(), None);
    }
    assert_eq!(store.webhooks(user(2)).await.unwrap(), []);
    assert!(store.remove_webhook(user(1), id(1)).await.unwrap());
    assert!(!store.remove_webhook(user(1), id(1)).await.unwrap());
    assert_eq!(store.webhooks(user(1)).await.unwrap().len(), 1);
}

/// However many come at once.
pub async fn nobody_has_more_webhooks_than_one_may<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(&*store, [1]).await;
    let added = join_all((0..8).map(|number| store.add_webhook(new(1, number), MOST))).await;
    let added = added.into_iter().filter(|added| matches!(added, Ok(AddedWebhook::Added(_)))).count();
    assert_eq!(added, MOST);
    assert_eq!(store.add_webhook(new(1, 20), MOST).await.unwrap(), AddedWebhook::TooMany);
    assert_eq!(store.add_webhook(new(9, 21), MOST).await.unwrap(), AddedWebhook::UnknownUser);
}

/// One for each enabled webhook, however often the notification comes.
pub async fn a_notification_makes_one_delivery_for_each_webhook<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    register(store, [1, 2]).await;
    for number in 1..=3 {
        add(store, 1, number).await;
    }
    enable(store, 3, false).await;
    let told = [notification(1, 1), notification(2, 2), notification(1, 1)];
    store.add_notifications(&told, after(10)).await.unwrap();
    store.add_notifications(&told, after(11)).await.unwrap();
    let mut claimed = claim(store, after(10)).await;
    claimed.sort_by_key(|due| due.webhook.id);
    let seen: Vec<_> =
        claimed.iter().map(|due| (due.webhook.id, &due.notification, due.attempt, due.tries)).collect();
    assert_eq!(seen, [(id(1), &told[0], 1, 1), (id(2), &told[0], 1, 1)]);
    assert_eq!(claimed[0].webhook.secrets, sealed("secret 1", None));
    assert_eq!(log(store, 3).await, []);
}

/// A notification is kept before a webhook comes or goes, or after it; whichever, it fails for neither.
pub async fn webhooks_come_and_go_while_notifications_are_kept<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(&*store, [1]).await;
    for round in 1..=10 {
        let one = [notification(1, round)];
        let (added, kept) =
            tokio::join!(store.add_webhook(new(1, round), MOST), store.add_notifications(&one, now()));
        assert!(matches!(added.unwrap(), AddedWebhook::Added(_)));
        assert_eq!(kept.unwrap(), [true]);
        let another = [notification(1, 100 + round)];
        let (removed, kept) =
            tokio::join!(store.remove_webhook(user(1), id(round)), store.add_notifications(&another, now()));
        assert!(removed.unwrap());
        assert_eq!(kept.unwrap(), [true]);
    }
    assert_eq!(claim(&*store, after(9)).await, [], "deliveries go with their webhook");
}

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

/// 410 disables a webhook at once, failures do after days, and a success ends the row.
pub async fn a_webhook_that_fails_for_good_is_disabled<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    register(store, [1]).await;
    add(store, 1, 1).await;
    let told = [1, 2, 3, 4].map(|offer| notification(1, offer));
    store.add_notifications(&told, now()).await.unwrap();
    let claimed = claim(store, after(10)).await;
    let retry = DeliveryFate::Retry(after(20));
    assert_eq!(settle(store, &claimed[0], retry, 11).await, Some(Settled { disabled: None }));
    assert_eq!(
        settle(store, &claimed[1], DeliveryFate::Delivered, 12).await,
        Some(Settled { disabled: None })
    );
    assert_eq!(find(store, 1).await.failing_since, None, "the row has ended");
    settle(store, &claimed[2], retry, 13).await.unwrap();
    let again = claim(store, after(20)).await;
    let fallen = settle_over(store, &again[0], retry, after(21), after(14)).await;
    assert_eq!(fallen, Some(Settled { disabled: Some(DisabledBy::Failing) }));
    assert_eq!(find(store, 1).await.disabled, Some((after(21), DisabledBy::Failing)));
    assert_eq!(settle(store, &claimed[3], DeliveryFate::Delivered, 22).await, None, "it was given up");
    let states = log(store, 1).await.into_iter().filter(|one| one.state == DeliveryState::Failed).count();
    assert_eq!(states, 3, "all but the one that arrived");
    store.add_notifications(&[notification(1, 5)], after(30)).await.unwrap();
    assert_eq!(claim(store, after(100_000)).await, [], "nothing is made for it any more");

    assert_eq!(enable(store, 1, true).await.failing_since, None);
    store.add_notifications(&[notification(1, 6)], after(40)).await.unwrap();
    let last = only(claim(store, after(41)).await);
    let gone = settle(store, &last, DeliveryFate::Gone, 42).await;
    assert_eq!(gone, Some(Settled { disabled: Some(DisabledBy::Gone) }));
    assert_eq!(find(store, 1).await.disabled, Some((after(42), DisabledBy::Gone)));
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

/// The secret of before holds for a while beside the new one, and secrets are put under another seal only as they were read.
pub async fn secrets_change_with_an_overlap<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    register(store, [1]).await;
    add(store, 1, 1).await;
    let rotate = |of, secret: &str| {
        let secret = secret.as_bytes().to_vec();
        store.rotate_webhook(WebhookRotation { id: id(1), user: user(of), secret, previous_until: after(99) })
    };
    assert_eq!(rotate(2, "another").await.unwrap(), None);
    let second = rotate(1, "second").await.unwrap().unwrap().secrets;
    assert_eq!(second, sealed("second", Some("secret 1")));
    let third = rotate(1, "third").await.unwrap().unwrap().secrets;
    assert_eq!(third, sealed("third", Some("second")));

    let resealed = sealed("under 3", Some("under 2"));
    assert!(!store.reseal_webhook(id(1), &second, &resealed).await.unwrap(), "they are others by now");
    let otherwise = |seal: &'static str| async move {
        let found = store.webhooks_sealed_otherwise(seal.as_bytes(), 10).await.unwrap();
        found.into_iter().map(|webhook| webhook.id).collect::<Vec<_>>()
    };
    assert_eq!(otherwise("under").await, [id(1)]);
    assert!(store.reseal_webhook(id(1), &third, &resealed).await.unwrap());
    assert_eq!(otherwise("under").await, []);
    assert_eq!(find(store, 1).await.secrets, resealed);
    add(store, 1, 2).await;
    assert_eq!(otherwise("under").await, [id(2)], "a webhook without a previous secret");
    assert_eq!(store.webhooks_sealed_otherwise(b"under", 0).await.unwrap(), []);
}

/// Pending deliveries go where their webhook goes from now on.
pub async fn a_webhook_moves_with_its_deliveries<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    one_delivery(store).await;
    let at = Some(address(7));
    let change = WebhookChange { id: id(1), user: user(1), at, enabled: None, now: after(5) };
    assert_eq!(store.change_webhook(change).await.unwrap().unwrap().at, address(7));
    let busy = DeliveryClaim { busy_hosts: vec!["host7".to_owned()], ..claiming(after(6), 8) };
    assert_eq!(store.claim_deliveries(busy).await.unwrap(), []);
    assert_eq!(only(claim(store, after(6)).await).webhook.at, address(7));
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

fn id(number: u128) -> WebhookId {
    WebhookId::new(Uuid::from_u128(0x40cc_0000_0000_4000_8000_0000_0000_0000 + number))
}

fn address(number: u128) -> WebhookAddress {
    WebhookAddress { url: format!("https://host{number}/hooks"), host: format!("host{number}") }
}

fn sealed(current: &str, previous: Option<&str>) -> SealedSecrets {
    let previous = previous.map(|previous| (previous.as_bytes().to_vec(), after(99)));
    SealedSecrets { current: current.as_bytes().to_vec(), previous }
}

fn new(of: u128, number: u128) -> NewWebhook {
    let secret = format!("secret {number}").into_bytes();
    let seconds = i64::try_from(number).unwrap();
    NewWebhook { id: id(number), user: user(of), at: address(number), secret, now: after(seconds) }
}

async fn add(store: &dyn Store, of: u128, number: u128) -> Webhook {
    match store.add_webhook(new(of, number), MOST).await.unwrap() {
        AddedWebhook::Added(webhook) => webhook,
        other => panic!("{other:?}"),
    }
}

async fn find(store: &dyn Store, number: u128) -> Webhook {
    store.webhook(user(1), id(number)).await.unwrap().unwrap()
}

async fn enable(store: &dyn Store, number: u128, enabled: bool) -> Webhook {
    let change =
        WebhookChange { id: id(number), user: user(1), at: None, enabled: Some(enabled), now: after(5) };
    let changed = store.change_webhook(change).await.unwrap().unwrap();
    assert_eq!(changed.disabled, (!enabled).then_some((after(5), DisabledBy::User)));
    changed
}

/// A user with a webhook and a notification.
async fn one_delivery(store: &dyn Store) -> Notification {
    register(store, [1, 2]).await;
    add(store, 1, 1).await;
    let told = notification(1, 1);
    store.add_notifications(std::slice::from_ref(&told), after(2)).await.unwrap();
    told
}

fn claiming(now: Timestamp, most: usize) -> DeliveryClaim {
    let lease = Duration::from_secs(LEASE.unsigned_abs());
    DeliveryClaim { now, lease, most, most_per_host: most, busy_hosts: Vec::new() }
}

async fn claim(store: &dyn Store, now: Timestamp) -> Vec<DueDelivery> {
    store.claim_deliveries(claiming(now, 100)).await.unwrap()
}

fn only(mut claimed: Vec<DueDelivery>) -> DueDelivery {
    assert_eq!(claimed.len(), 1, "{claimed:?}");
    claimed.remove(0)
}

fn attempt(number: u32, at: i64, error: Option<&str>) -> Attempt {
    let status = Some(if error.is_some() { 500 } else { 204 });
    Attempt { number, at: after(at), status, error: error.map(str::to_owned), millis: 7 }
}

async fn settle(store: &dyn Store, due: &DueDelivery, fate: DeliveryFate, at: i64) -> Option<Settled> {
    settle_over(store, due, fate, after(at), after(-1_000)).await
}

async fn settle_over(
    store: &dyn Store,
    due: &DueDelivery,
    fate: DeliveryFate,
    at: Timestamp,
    failing_floor: Timestamp,
) -> Option<Settled> {
    let error = (fate != DeliveryFate::Delivered).then_some("status");
    let settlement = Settlement {
        webhook: due.webhook.id,
        user: due.webhook.user,
        notification: due.notification.id,
        attempt: Attempt { at, ..attempt(due.attempt, 0, error) },
        fate,
        failing_floor,
    };
    store.settle_delivery(settlement).await.unwrap()
}

async fn log(store: &dyn Store, number: u128) -> Vec<WebhookDelivery> {
    store.deliveries(user(1), id(number), first_page()).await.unwrap().unwrap().items
}

fn notification(of: u128, offer: u128) -> Notification {
    let (limit, rate) = (Money::from_minor_units(500_001), Rate::from_basis_points(1_425));
    Notification::of_activation(user(of), offer_id(offer), limit, rate, after(5))
}
