//! The books over the embedded bus and store: they balance on a platform at work, and every kind of trouble shows.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ecs_bus::payload::{EmotionPayload, NotificationPayload, OfferPayload, TransactionPayload};
use ecs_bus::{Bus as _, Delivery, Event, Headers, Outcome, Subject, SubscribeOptions};
use ecs_domain::consent::{ConsentRule, Purpose};
use ecs_domain::dead_letter::DeadLetterKind;
use ecs_domain::emotion::{StressThreshold, Unit};
use ecs_domain::notification::Notification;
use ecs_domain::{Clock as _, Day, EventId, OfferId, UserId};
use ecs_store::{
    Books, Consents as _, CountedPage, Credit as _, DeadLetterRow, DeadLetters as _, EmotionRules, EventKey,
    Fate, Folded, Folds as _, Ledger, LedgerTotals, LetterFilter, LetterId, Notifications as _, OfferBooks,
    StoreError, SummaryMismatch,
};
use ecs_work::ageing::{self, Lifetimes};
use ecs_work::books::{self, Report};
use ecs_work::consume::{self, ConsumeDeps, Failure, Handler};
use ecs_work::{Decoded, OnFailure, OnStop, Relay, RelayDeps, Wake, decoded, outbox_message, retention};
use ecs_work_testkit::platform::{Platform, acceptance_event, emotion, malformed, terms, transaction, until};
use rusqlite::Connection;
use tokio_util::sync::CancellationToken;

/// Does what the four worker roles do, no more than the books need.
struct Work {
    platform: Arc<Platform>,
    subject: Subject,
    wake: Wake,
}

impl Work {
    async fn emotions(&self, batch: &[Delivery]) -> Result<Vec<Outcome>, Failure> {
        let decoded = Decoded::of(batch, EmotionPayload::decode);
        let now = self.platform.clock.now();
        let rules = EmotionRules {
            consent: ConsentRule::Assumed,
            stress: StressThreshold(Unit::new(0.7).unwrap()),
            raw_floor: retention::raw_floor(now, 30),
        };
        let fates = self.platform.store.fold_emotions(decoded.items(), rules, now).await?;
        Ok(decoded.outcomes(fates.into_iter().map(outcome)))
    }

    async fn transactions(&self, batch: &[Delivery]) -> Result<Vec<Outcome>, Failure> {
        let decoded = Decoded::of(batch, TransactionPayload::decode);
        let fates = self.platform.store.fold_transactions(decoded.items(), self.platform.clock.now()).await?;
        Ok(decoded.outcomes(fates.into_iter().map(outcome)))
    }

    async fn offers(&self, batch: &[Delivery]) -> Result<Vec<Outcome>, Failure> {
        for delivery in batch {
            let approved = OfferPayload::decode(&delivery.event).unwrap();
            activate(&self.platform, approved.user, approved.offer).await;
            self.wake.wake();
        }
        Ok(vec![Outcome::Ack; batch.len()])
    }

    async fn notifications(&self, batch: &[Delivery]) -> Result<Vec<Outcome>, Failure> {
        let decoded = Decoded::of(batch, NotificationPayload::decode);
        self.platform.store.add_notifications(decoded.items(), self.platform.clock.now()).await?;
        Ok(vec![Outcome::Ack; batch.len()])
    }
}

#[async_trait]
impl Handler for Work {
    async fn handle(&self, batch: &[Delivery]) -> Result<Vec<Outcome>, Failure> {
        match self.subject {
            Subject::Emotions => self.emotions(batch).await,
            Subject::Transactions => self.transactions(batch).await,
            Subject::OffersApproved => self.offers(batch).await,
            Subject::Notifications => self.notifications(batch).await,
            Subject::Evaluations | Subject::Alerts => Ok(batch.iter().map(|_| Outcome::Ack).collect()),
        }
    }
}

fn outcome(fate: Folded) -> Outcome {
    if fate == Folded::UnknownUser { decoded::unknown_user() } else { Outcome::Ack }
}

async fn activate(platform: &Platform, user: UserId, offer: OfferId) {
    let now = platform.clock.now();
    let notification =
        Notification::of_activation(user, offer, terms().credit_limit, terms().interest_rate, now);
    let message = outbox_message(&NotificationPayload::event(&notification, Headers::current()));
    platform.store.activate_offer(user, offer, now, message).await.unwrap();
}

/// Starts the workers of `subjects` and the relay.
fn start(platform: &Arc<Platform>, subjects: &[Subject]) {
    let wake = Wake::new();
    for &subject in subjects {
        let deps = ConsumeDeps::new(platform.bus.clone(), platform.store.clone(), platform.clock.clone());
        let work = Arc::new(Work { platform: Arc::clone(platform), subject, wake: wake.clone() });
        let options = SubscribeOptions { linger: Duration::from_millis(1), ..SubscribeOptions::default() };
        let run = consume::run(deps, subject, options.into(), work, platform.supervisor.token());
        platform.supervisor.spawn(subject.as_str(), OnFailure::StopProcess, OnStop::Wait, run);
    }
    let (bus, store, clock) = (platform.bus.clone(), platform.store.clone(), platform.clock.clone());
    Relay::create(RelayDeps { bus, store, clock, wake }).start(&platform.supervisor);
}

async fn balance(platform: &Platform) -> Report {
    let now = platform.clock.now();
    let floor = retention::raw_floor(now, 30);
    books::balance(platform.bus.as_ref(), platform.store.as_ref(), now, floor).await.unwrap()
}

/// A platform that did some of everything and came to rest.
async fn settled_platform() -> (Arc<Platform>, UserId, OfferId) {
    let platform = Arc::new(Platform::open());
    let user = platform.user().await;
    let now = platform.clock.now();
    platform.publish((0..20).map(|n| emotion(user, &format!("e{n}"), now)).collect()).await;
    platform.publish((0..10).map(|n| transaction(user, &format!("t{n}"), now)).collect()).await;
    let offer = platform.accepted(user).await;
    start(&platform, &Subject::ALL);
    for subject in Subject::ALL {
        platform.settled(subject).await;
    }
    until("the customer is told", || async {
        balance(&platform).await.offers.notified == 1 && balance(&platform).await.offers.outbox == 0
    })
    .await;
    platform.drain().await;
    (platform, user, offer)
}

fn tamper(platform: &Platform, file: &str, sql: &str) {
    let connection = Connection::open(platform.folder.path().join(file)).unwrap();
    assert!(connection.execute(sql, []).unwrap() > 0, "nothing to tamper with: {sql}");
}

/// What is tampered with is found, and nothing else is complained about.
async fn check(file: &str, sql: &str, expected: &[&str]) {
    let (platform, ..) = settled_platform().await;
    assert_eq!(balance(&platform).await.complaints(), [""; 0]);
    tamper(&platform, file, sql);
    let complaints = balance(&platform).await.complaints();
    assert_eq!(complaints.len(), expected.len(), "{sql}: {complaints:#?}");
    for (complaint, expected) in complaints.iter().zip(expected) {
        assert!(complaint.contains(expected), "{sql}: {complaint}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_accepted_event_is_counted_discarded_dead_lettered_or_pending() {
    let platform = Arc::new(Platform::open());
    let (user, silent, now) = (platform.user().await, platform.user().await, platform.clock.now());
    let stranger = UserId::new(uuid::Uuid::new_v4());
    platform.store.set_consent(silent, Purpose::EmotionAnalysis, false.into(), now).await.unwrap();
    let mut emotions: Vec<_> = (0..7).map(|n| emotion(user, &format!("e{n}"), now)).collect();
    emotions.extend([emotion(user, "e0", now), emotion(silent, "s", now), emotion(stranger, "x", now)]);
    emotions.push(emotion(user, "old", "2025-08-19T12:00:00Z".parse().unwrap()));
    emotions.push(malformed(emotion(user, "bad", now)));
    platform.publish(emotions).await;
    // The repeated one comes under another day, as one without a time of its own does.
    let later = now + Duration::from_secs(86_400);
    let transactions =
        vec![transaction(user, "t", now), transaction(user, "t", later), transaction(stranger, "t", now)];
    platform.publish(transactions).await;

    let before = balance(&platform).await;
    assert_eq!((before.emotions.accepted, before.emotions.pending), (11, 11));
    start(&platform, &[Subject::Emotions, Subject::Transactions]);
    platform.settled(Subject::Emotions).await;
    platform.settled(Subject::Transactions).await;

    let report = balance(&platform).await;
    assert_eq!(report.complaints(), [""; 0]);
    let sums = |ledger: &books::LedgerReport| {
        [ledger.accepted, ledger.counted, ledger.discarded, ledger.dead_lettered, ledger.pending]
    };
    assert_eq!(sums(&report.emotions), [11, 8, 1, 2, 0]);
    assert_eq!(sums(&report.transactions), [2, 1, 0, 1, 0]);
    assert_eq!((report.emotions.in_aggregates, report.emotions.named), (8, 8));
    platform.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_event_is_missed() {
    let sql = "DELETE FROM emotional_events WHERE event_id = (SELECT min(event_id) FROM emotional_events)";
    let missing = "1 emotion events were accepted and settled, but the store has not heard of them: event ";
    check("store.db", sql, &[missing, "counts 20 events, the rows of that day are 19"]).await;
    let sql = "DELETE FROM transactions WHERE id = (SELECT min(id) FROM transactions)";
    check("store.db", sql, &["1 transactions were accepted and settled, but the store has not heard"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_count_without_an_event_is_found() {
    let sql = "DELETE FROM log_emotions WHERE position = (SELECT min(position) FROM log_emotions)";
    check("bus.db", sql, &["1 emotion events are counted, but were never accepted: event "]).await;
    let sql = "DELETE FROM log_transactions WHERE position = (SELECT max(position) FROM log_transactions)";
    check("bus.db", sql, &["1 transactions are counted, but were never accepted: event "]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_summary_that_counted_twice_is_found() {
    let sql = "UPDATE emotional_events_summary SET event_count = event_count + 1";
    check("store.db", sql, &["counts 21 events, the rows of that day are 20"]).await;
    let sql = "UPDATE emotional_events_summary SET event_count = event_count - 1";
    let short = "the store names 20 counted emotion events, but the aggregates count only 19";
    check("store.db", sql, &[short, "counts 19 events, the rows of that day are 20"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_who_was_never_told_is_found() {
    check("store.db", "DELETE FROM notifications", &["the customers of 1 active offers were never told"])
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_that_nothing_will_activate_is_found() {
    let sql = "UPDATE credit_limits SET status = 'accepted', activated_at = NULL";
    check("store.db", sql, &["1 accepted offers wait for an activation that is neither in the outbox"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_in_the_outbox_or_on_the_bus_is_no_complaint() {
    let platform = Arc::new(Platform::open());
    let user = platform.user().await;
    let offer = platform.accepted(user).await;
    let report = balance(&platform).await;
    assert_eq!((report.offers.accepted, report.offers.pending, report.complaints().len()), (1, 1, 0));

    activate(&platform, user, offer).await;
    start(&platform, &[Subject::OffersApproved]);
    until("the outbox is empty", || async { balance(&platform).await.offers.outbox == 0 }).await;
    let report = balance(&platform).await;
    assert_eq!((report.offers.active, report.offers.notified), (1, 0));
    assert_eq!(report.complaints(), [""; 0], "the notification is on the bus");
    platform.drain().await;
}

/// A letter about `event`, as its group would keep it.
async fn give_up(platform: &Platform, event: Event) -> LetterId {
    let (now, reason) = (platform.clock.now(), "a test gave it up".to_owned());
    let letter = DeadLetterRow {
        subject: event.subject.as_str().to_owned(),
        group: event.subject.group().to_string(),
        id: event.id,
        key: event.key,
        kind: DeadLetterKind::GaveUp,
        history: vec![(now, reason.clone())],
        reason,
        payload: event.payload,
        schema_version: 1,
        request_id: None,
        traceparent: None,
        at: now,
    };
    platform.store.add_dead_letters(&[letter]).await.unwrap();
    let newest = platform.store.dead_letters(&LetterFilter::default(), None, 1).await.unwrap();
    newest[0].id
}

#[tokio::test(flavor = "multi_thread")]
async fn an_activation_that_was_given_up_is_accounted_for_and_can_be_replayed() {
    let (platform, user, offer) = settled_platform().await;
    tamper(&platform, "store.db", "UPDATE credit_limits SET status = 'accepted', activated_at = NULL");
    assert_eq!(balance(&platform).await.complaints().len(), 1, "nothing will activate it");
    let event = acceptance_event(user, offer, platform.clock.now());
    let letter = give_up(&platform, event).await;
    let report = balance(&platform).await;
    assert_eq!((report.complaints().len(), report.offers.pending, report.offers.dead_lettered), (0, 1, 1));
    platform
        .store
        .replay_dead_letters(&[letter], ecs_domain::UserId::new(uuid::Uuid::nil()), platform.clock.now())
        .await
        .unwrap();
    let report = balance(&platform).await;
    assert_eq!((report.complaints().len(), report.offers.dead_lettered), (0, 0), "it is in the outbox");
    let (bus, store, clock) = (platform.bus.clone(), platform.store.clone(), platform.clock.clone());
    let relay = Relay::create(RelayDeps { bus, store, clock, wake: Wake::new() });
    assert_eq!(relay.pass(&CancellationToken::new()).await.unwrap(), 1);
    assert_eq!(balance(&platform).await.complaints(), [""; 0], "it is on the bus");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notification_that_was_given_up_is_accounted_for_until_it_is_replayed_and_lost() {
    let (platform, user, offer) = settled_platform().await;
    tamper(&platform, "store.db", "DELETE FROM notifications");
    assert_eq!(balance(&platform).await.complaints().len(), 1, "nobody told the customer");
    let now = platform.clock.now();
    let terms = terms();
    let notification = Notification::of_activation(user, offer, terms.credit_limit, terms.interest_rate, now);
    let event = NotificationPayload::event(&notification, Headers::current());
    let letter = give_up(&platform, event.clone()).await;
    assert_eq!(balance(&platform).await.complaints(), [""; 0], "a letter waits");
    platform
        .store
        .replay_dead_letters(&[letter], ecs_domain::UserId::new(uuid::Uuid::nil()), now)
        .await
        .unwrap();
    assert_eq!(balance(&platform).await.complaints(), [""; 0], "it is in the outbox");
    platform.publish(vec![event]).await;
    tamper(&platform, "store.db", "DELETE FROM outbox");
    assert_eq!(balance(&platform).await.complaints(), [""; 0], "it is on the bus, behind its old place");
    tamper(&platform, "bus.db", "DELETE FROM log_notifications WHERE position > 1");
    let complaints = balance(&platform).await.complaints();
    assert!(complaints.len() == 1 && complaints[0].contains("were never told"), "{complaints:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_platform_at_full_load_raises_no_false_alarm() {
    let platform = Arc::new(Platform::open());
    let users = [platform.user().await, platform.user().await, UserId::new(uuid::Uuid::new_v4())];
    start(&platform, &Subject::ALL);
    let sender = Arc::clone(&platform);
    let load = tokio::spawn(async move {
        for round in 0..60 {
            let now = sender.clock.now();
            let names = (0..50).map(|n| (users[n % 3], format!("{round}-{}", n % 45)));
            let names: Vec<_> = names.collect();
            sender.publish(names.iter().map(|(user, name)| emotion(*user, name, now)).collect()).await;
            sender.publish(names.iter().map(|(user, name)| transaction(*user, name, now)).collect()).await;
            sender.accepted(users[0]).await;
        }
    });
    let mut rounds = 0;
    while !load.is_finished() || rounds < 10 {
        let report = balance(&platform).await;
        assert_eq!(report.complaints(), [""; 0]);
        rounds += 1;
    }
    load.await.unwrap();
    for subject in [Subject::Emotions, Subject::Transactions, Subject::OffersApproved] {
        platform.settled(subject).await;
    }
    until("all customers are told", || async { balance(&platform).await.offers.notified == 60 }).await;
    let report = balance(&platform).await;
    assert_eq!(report.complaints(), [""; 0]);
    assert_eq!((report.emotions.accepted, report.emotions.pending), (60 * 45, 0));
    assert_eq!(report.emotions.counted + report.emotions.dead_lettered, 60 * 45);
    platform.drain().await;
    platform.bus.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_between_two_looks_raises_no_false_alarm() {
    let platform = Arc::new(Platform::open());
    let restless = Restless(Arc::clone(&platform), platform.user().await);
    for round in 0..3 {
        restless.stir().await;
        let now = platform.clock.now();
        let floor = retention::raw_floor(now, 30);
        let report = books::balance(platform.bus.as_ref(), &restless, now, floor).await.unwrap();
        assert_eq!(report.complaints(), [""; 0], "round {round}");
    }
}

/// A store in which something is published and counted before each of the books' own reads.
struct Restless(Arc<Platform>, UserId);

impl Restless {
    async fn stir(&self) {
        let now = self.0.clock.now();
        let name = uuid::Uuid::new_v4().to_string();
        let (felt, bought) = (emotion(self.1, &name, now), transaction(self.1, &name, now));
        let emotions = [EmotionPayload::decode(&felt).unwrap()];
        let transactions = [TransactionPayload::decode(&bought).unwrap()];
        self.0.publish(vec![felt, bought]).await;
        let (consent, stress) = (ConsentRule::Assumed, StressThreshold(Unit::new(0.7).unwrap()));
        let rules = EmotionRules { consent, stress, raw_floor: retention::raw_floor(now, 30) };
        self.0.store.fold_emotions(&emotions, rules, now).await.unwrap();
        self.0.store.fold_transactions(&transactions, now).await.unwrap();
    }
}

#[async_trait]
impl Books for Restless {
    async fn fates(&self, ledger: Ledger, keys: &[EventKey]) -> Result<Vec<Fate>, StoreError> {
        self.stir().await;
        self.0.store.fates(ledger, keys).await
    }

    async fn letter_fates(&self, subject: &str, events: &[EventId]) -> Result<Vec<Fate>, StoreError> {
        self.stir().await;
        self.0.store.letter_fates(subject, events).await
    }

    async fn counted(
        &self,
        ledger: Ledger,
        after: Option<EventKey>,
        limit: usize,
    ) -> Result<CountedPage, StoreError> {
        self.stir().await;
        self.0.store.counted(ledger, after, limit).await
    }

    async fn ledger_totals(&self, ledger: Ledger) -> Result<LedgerTotals, StoreError> {
        self.stir().await;
        self.0.store.ledger_totals(ledger).await
    }

    async fn summary_mismatches(&self, floor: Day, limit: u32) -> Result<Vec<SummaryMismatch>, StoreError> {
        self.stir().await;
        self.0.store.summary_mismatches(floor, limit).await
    }

    async fn offer_books(&self) -> Result<OfferBooks, StoreError> {
        self.stir().await;
        self.0.store.offer_books().await
    }
}

/// After two years all that is left is the credit and its decision, and nothing is missed.
#[tokio::test(flavor = "multi_thread")]
async fn what_went_for_its_age_is_not_missed() {
    let (platform, ..) = settled_platform().await;
    let before = balance(&platform).await;
    platform.clock.advance(Duration::from_secs(800 * 24 * 60 * 60));
    let now = platform.clock.now();
    let floor = retention::before(now, retention::OTHERS_ON_BUS);
    for subject in Subject::ALL {
        retention::sweep_bus(platform.bus.as_ref(), subject, floor).await.unwrap();
    }
    let store = platform.store.as_ref();
    retention::sweep_store(store, retention::of_emotions(now, 30, floor)).await.unwrap();
    let lifetimes = Lifetimes { transactions: Some(365), ..Lifetimes::DEFAULT };
    ageing::sweep(store, &lifetimes, now).await.unwrap();

    let report = balance(&platform).await;
    assert_eq!(report.complaints(), [""; 0]);
    assert_eq!((report.emotions.in_aggregates, report.emotions.named), (before.emotions.in_aggregates, 0));
    assert_eq!((before.transactions.in_aggregates, report.transactions.in_aggregates), (10, 0));
    assert_eq!((report.offers.active, report.offers.notified), (1, 1));
}
