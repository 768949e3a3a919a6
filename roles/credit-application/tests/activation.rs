//! The role over the embedded bus and store.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::sync::Arc;
use std::time::Duration;

use ecs_bus::payload::NotificationPayload;
use ecs_bus::{Bus, Event, Frontier, Subject};
use ecs_cache::Cache;
use ecs_credit_application::{CreditApplication, Deps};
use ecs_domain::notification::About;
use ecs_domain::notification::Notification;
use ecs_domain::offer::OfferStatus;
use ecs_domain::{Clock as _, OfferId, UserId};
use ecs_store::{Credit as _, Notifications as _, Outbox as _, PageRequest};
use ecs_work::{Relay, RelayDeps, Wake, retention};
use ecs_work_testkit::FlakyBus;
use ecs_work_testkit::platform::{Platform, acceptance_event, malformed, until};

fn start(platform: &Platform, outbox: Wake) {
    let role = CreditApplication::create(Deps {
        bus: platform.bus.clone(),
        store: platform.store.clone(),
        cache: Cache::none(),
        clock: platform.clock.clone(),
        outbox,
        bus_retention: retention::OTHERS_ON_BUS,
        delivery_limit: 10,
        metrics: ecs_metrics::Metrics::new(),
    });
    role.start(&platform.supervisor);
}

fn start_relay(platform: &Platform, bus: Arc<dyn Bus>, wake: Wake) {
    let (store, clock) = (platform.store.clone(), platform.clock.clone());
    Relay::create(RelayDeps { bus, store, clock, wake }).start(&platform.supervisor);
}

async fn status(platform: &Platform, user: UserId, offer: OfferId) -> OfferStatus {
    platform.store.offer(user, offer).await.unwrap().unwrap().status
}

async fn published(platform: &Platform) -> Vec<Event> {
    let page = platform.bus.log(Subject::Notifications, &Frontier::default(), 1_000).await.unwrap();
    page.records.into_iter().map(|record| record.event).collect()
}

/// Design: known faults, 4.
#[tokio::test(flavor = "multi_thread")]
async fn a_notification_is_not_lost_when_its_publish_fails_after_the_activation() {
    let platform = Platform::open();
    let user = platform.user().await;
    let offer = platform.accepted(user).await;
    let bus = Arc::new(FlakyBus::new(platform.bus.clone(), Subject::Notifications, 5));
    let wake = Wake::new();
    start(&platform, wake.clone());
    start_relay(&platform, bus.clone(), wake.clone());
    until("the offer is active", || async { status(&platform, user, offer).await == OfferStatus::Active })
        .await;
    // The acceptance comes again while the notification still can't be published, as after a crash.
    platform.publish(vec![acceptance_event(user, offer, platform.clock.now())]).await;
    platform.settled(Subject::OffersApproved).await;
    until("the outbox is empty", || async { platform.store.outbox_depth().await.unwrap() == 0 }).await;

    assert_eq!(bus.refusals_left(), 0, "every refusal was met");
    let notifications: Vec<Notification> =
        published(&platform).await.iter().map(|event| NotificationPayload::decode(event).unwrap()).collect();
    assert_eq!(notifications.len(), 1, "the activation made one notification, and it was published once");
    assert_eq!((notifications[0].user, notifications[0].about), (user, About::Offer(offer)));
    platform.store.add_notifications(&notifications, platform.clock.now()).await.unwrap();
    let page = PageRequest { page: 1, page_size: 10 };
    assert_eq!(platform.store.notifications(user, page).await.unwrap().total, 1);
    platform.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_is_activated_once_however_often_its_acceptance_comes() {
    let platform = Platform::open();
    let user = platform.user().await;
    let offer = platform.accepted(user).await;
    let acceptance = acceptance_event(user, offer, platform.clock.now());
    platform.publish(vec![acceptance.clone(); 20]).await;
    let wake = Wake::new();
    start(&platform, wake.clone());
    start_relay(&platform, platform.bus.clone(), wake);
    platform.settled(Subject::OffersApproved).await;
    until("the outbox is empty", || async { platform.store.outbox_depth().await.unwrap() == 0 }).await;
    assert_eq!(published(&platform).await.len(), 1);
    assert!(platform.letters().await.is_empty());
    platform.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_notification_carries_the_request_that_it_goes_back_to() {
    let platform = Platform::open();
    let user = platform.user().await;
    let offer = platform.accepted(user).await;
    let mut acceptance = acceptance_event(user, offer, platform.clock.now());
    acceptance.headers.request_id = Some("r-42".to_owned());
    platform.publish(vec![acceptance]).await;
    start(&platform, Wake::new());
    platform.settled(Subject::OffersApproved).await;
    let rows = platform.store.claim_outbox(10, platform.clock.now(), Duration::from_secs(1)).await.unwrap();
    let notification = rows.iter().find(|row| row.subject == Subject::Notifications.as_str()).unwrap();
    assert_eq!(notification.request_id.as_deref(), Some("r-42"));
    platform.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn acceptances_of_what_cannot_be_activated_become_dead_letters() {
    let platform = Platform::open();
    let (user, other, now) = (platform.user().await, platform.user().await, platform.clock.now());
    let open = platform.offer(user).await.id;
    let of_another = acceptance_event(other, open, now);
    let events = vec![acceptance_event(user, open, now), of_another.clone(), malformed(of_another)];
    platform.publish(events).await;
    start(&platform, Wake::new());
    platform.settled(Subject::OffersApproved).await;
    let mut reasons: Vec<String> = platform.letters().await.into_iter().map(|letter| letter.reason).collect();
    reasons.sort();
    let starts = [
        "its payload is malformed",
        "the store doesn't have it that the customer accepted this offer",
        "the user has no such offer",
    ];
    assert_eq!(reasons.len(), starts.len());
    assert!(reasons.iter().zip(starts).all(|(reason, start)| reason.starts_with(start)), "{reasons:#?}");
    assert_eq!(status(&platform, user, open).await, OfferStatus::Offered);
    platform.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn offers_that_nobody_accepted_expire() {
    let platform = Platform::open();
    let user = platform.user().await;
    let offer = platform.offer(user).await.id;
    platform.clock.advance(Duration::from_secs(8 * 24 * 3600));
    start(&platform, Wake::new());
    until("the offer expired", || async { status(&platform, user, offer).await == OfferStatus::Expired })
        .await;
    platform.drain().await;
}
