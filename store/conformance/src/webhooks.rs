//! Webhooks: addresses that users have their notifications sent to.

use std::time::Duration;

use ecs_domain::notification::Notification;
use ecs_domain::{Money, Rate, Timestamp, WebhookId};
use ecs_store::{
    AddedWebhook, Attempt, DeliveryClaim, DeliveryFate, DeliveryState, DisabledBy, DueDelivery, NewWebhook,
    SealedSecrets, Settled, Settlement, Store, Webhook, WebhookAddress, WebhookChange, WebhookDelivery,
    WebhookRotation,
};
use futures::future::join_all;
use uuid::Uuid;

use crate::Harness;
use crate::fixtures::{after, first_page, now, offer_id, register, user};

/// How many webhooks a user may have in these behaviours.
const MOST: usize = 3;
/// How long a claim lasts, in seconds.
pub(crate) const LEASE: i64 = 60;

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

pub(crate) fn id(number: u128) -> WebhookId {
    WebhookId::new(Uuid::from_u128(0x40cc_0000_0000_4000_8000_0000_0000_0000 + number))
}

pub(crate) fn address(number: u128) -> WebhookAddress {
    WebhookAddress { url: format!("https://host{number}/hooks"), host: format!("host{number}") }
}

pub(crate) fn sealed(current: &str, previous: Option<&str>) -> SealedSecrets {
    let previous = previous.map(|previous| (previous.as_bytes().to_vec(), after(99)));
    SealedSecrets { current: current.as_bytes().to_vec(), previous }
}

pub(crate) fn new(of: u128, number: u128) -> NewWebhook {
    let secret = format!("secret {number}").into_bytes();
    let seconds = i64::try_from(number).unwrap();
    NewWebhook { id: id(number), user: user(of), at: address(number), secret, now: after(seconds) }
}

pub(crate) async fn add(store: &dyn Store, of: u128, number: u128) -> Webhook {
    match store.add_webhook(new(of, number), MOST).await.unwrap() {
        AddedWebhook::Added(webhook) => *webhook,
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn find(store: &dyn Store, number: u128) -> Webhook {
    store.webhook(user(1), id(number)).await.unwrap().unwrap()
}

pub(crate) async fn enable(store: &dyn Store, number: u128, enabled: bool) -> Webhook {
    let change =
        WebhookChange { id: id(number), user: user(1), at: None, enabled: Some(enabled), now: after(5) };
    let changed = store.change_webhook(change).await.unwrap().unwrap();
    assert_eq!(changed.disabled, (!enabled).then_some((after(5), DisabledBy::User)));
    changed
}

/// A user with a webhook and a notification.
pub(crate) async fn one_delivery(store: &dyn Store) -> Notification {
    register(store, [1, 2]).await;
    add(store, 1, 1).await;
    let told = notification(1, 1);
    store.add_notifications(std::slice::from_ref(&told), after(2)).await.unwrap();
    told
}

pub(crate) fn claiming(now: Timestamp, most: usize) -> DeliveryClaim {
    let lease = Duration::from_secs(LEASE.unsigned_abs());
    DeliveryClaim { now, lease, most, most_per_host: most, busy_hosts: Vec::new() }
}

pub(crate) async fn claim(store: &dyn Store, now: Timestamp) -> Vec<DueDelivery> {
    store.claim_deliveries(claiming(now, 100)).await.unwrap()
}

pub(crate) fn only(mut claimed: Vec<DueDelivery>) -> DueDelivery {
    assert_eq!(claimed.len(), 1, "{claimed:?}");
    claimed.remove(0)
}

pub(crate) fn attempt(number: u32, at: i64, error: Option<&str>) -> Attempt {
    let status = Some(if error.is_some() { 500 } else { 204 });
    Attempt { number, at: after(at), status, error: error.map(str::to_owned), millis: 7 }
}

pub(crate) async fn settle(
    store: &dyn Store,
    due: &DueDelivery,
    fate: DeliveryFate,
    at: i64,
) -> Option<Settled> {
    settle_over(store, due, fate, after(at), after(-1_000)).await
}

pub(crate) async fn settle_over(
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

pub(crate) async fn log(store: &dyn Store, number: u128) -> Vec<WebhookDelivery> {
    store.deliveries(user(1), id(number), first_page()).await.unwrap().unwrap().items
}

pub(crate) fn notification(of: u128, offer: u128) -> Notification {
    let (limit, rate) = (Money::from_minor_units(500_001), Rate::from_basis_points(1_425));
    Notification::of_activation(user(of), offer_id(offer), limit, rate, after(5))
}
