//! Evaluations that nobody asked for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use ecs_bus::payload::NotificationPayload;
use ecs_bus::{Bus as _, Event, Frontier, Subject};
use ecs_domain::UserId;
use ecs_domain::features::Features;
use ecs_domain::notification::{About, Notification};
use ecs_domain::scorecard::Assessment;
use ecs_store::{Credit as _, PageRequest};
use ecs_web::RequestContext;
use ecs_web::handles::{CreditAnalysis, HandleError};
use ecs_work::{Relay, RelayDeps, Supervisor};
use http::{Method, StatusCode};
use serde_json::json;

use crate::support::{Actor, App, Setup};

/// How long anything may take before a test gives up on it.
const DEADLINE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The role at work, with what publishes for it.
fn start(app: &App) -> Supervisor {
    let supervisor = app.work();
    let (bus, store) = (Arc::clone(&app.bus) as _, Arc::clone(&app.store) as _);
    let relay = RelayDeps { bus, store, clock: app.clock(), wake: app.wake.clone() };
    Relay::create(relay).start(&supervisor);
    supervisor
}

async fn say_yes(app: &App, user: UserId) {
    let path = format!("/v1/users/{user}/consents/pre-approval");
    app.call(Actor::User(user), Method::PUT, &path, Some(json!({}))).await.expect(StatusCode::OK);
}

async fn published(app: &App, subject: Subject) -> Vec<Event> {
    let page = app.bus.log(subject, &Frontier::default(), 1_000).await.unwrap();
    page.records.into_iter().map(|record| record.event).collect()
}

/// Waits until this many people's evaluations have ended.
async fn ended(app: &App, evaluations: usize) {
    let group = Subject::Evaluations.group();
    let ended = async {
        loop {
            // In this order: what is published after the first question is pending at the second.
            let asked = published(app, Subject::Evaluations).await.len();
            let backlog = app.bus.backlog(Subject::Evaluations, group).await.unwrap();
            if asked == evaluations && backlog.pending == 0 {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, ended).await.unwrap();
}

async fn told(app: &App, notifications: usize) -> Vec<Notification> {
    let told = async {
        loop {
            let published = published(app, Subject::Notifications).await;
            if published.len() >= notifications {
                return published.iter().map(|event| NotificationPayload::decode(event).unwrap()).collect();
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, told).await.unwrap()
}

async fn offers(app: &App, user: UserId) -> u64 {
    app.store.offers(user, PageRequest { page: 1, page_size: 10 }).await.unwrap().total
}

/// Of three who buy, one has said yes and can be offered something, one has said yes and can't, and one has said nothing.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_said_yes_is_offered_what_they_could_have_asked_for() {
    let app = App::start();
    let ana = app.register("ana@example.com").await;
    let bia = app.register("bia@example.com").await;
    let supervisor = start(&app);
    for user in [ana, bia] {
        say_yes(&app, user).await;
    }
    let eva = app.busy_and_calm("eva@example.com").await;
    app.emotions(bia, 20, [0.2, 0.8, 0.95]).await;
    app.emotions(ana, 5, [0.8, 0.4, 0.1]).await;
    app.transactions(ana, 10, 30_000).await;
    let [notification] = told(&app, 1).await.try_into().unwrap();
    let About::PreApproval(offer) = notification.about else { panic!("{notification:?}") };
    assert_eq!(notification.user, ana);
    assert!(notification.message.contains("% per year"), "{}", notification.message);
    ended(&app, 2).await;
    assert_eq!([offers(&app, ana).await, offers(&app, bia).await, offers(&app, eva).await], [1, 0, 0]);

    // What she sees when she asks is the decision behind the offer, and she can accept it.
    let answer = app.analyse(ana).await.expect(StatusCode::OK);
    assert_eq!((&answer["repeated"], &answer["offer"]["offer_id"]), (&json!(true), &json!(offer)));
    app.accept(Actor::User(ana), ana, &offer.to_string()).await.expect(StatusCode::ACCEPTED);
    // Nobody was denied who never asked.
    assert_eq!(app.store.standing_decision(bia, ecs_domain::Timestamp::MIN).await.unwrap(), None);
    supervisor.drain(DEADLINE).await;
}

/// However much happens to somebody, they are evaluated once a day.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_evaluated_twice_a_day() {
    let app = App::start();
    let ana = app.register("ana@example.com").await;
    say_yes(&app, ana).await;
    let supervisor = start(&app);
    app.transactions(ana, 1, 100).await;
    ended(&app, 1).await;
    app.pass(DAY / 2);
    app.transactions(ana, 20, 30_000).await;
    // Somebody else's evaluation tells that the watch has passed.
    let bia = app.register("bia@example.com").await;
    say_yes(&app, bia).await;
    app.transactions(bia, 1, 100).await;
    ended(&app, 2).await;
    assert_eq!(offers(&app, ana).await, 0);
    app.pass(DAY / 2);
    ended(&app, 3).await;
    assert_eq!(offers(&app, ana).await, 1);
    supervisor.drain(DEADLINE).await;
}

/// A change that is none asks for nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_small_change_is_let_be() {
    let app = App::start();
    let ana = app.register("ana@example.com").await;
    say_yes(&app, ana).await;
    let supervisor = start(&app);
    app.transactions(ana, 1, 100).await;
    ended(&app, 1).await;
    app.pass(DAY);
    app.transactions(ana, 1, 100).await;
    let bia = app.register("bia@example.com").await;
    say_yes(&app, bia).await;
    app.transactions(bia, 1, 100).await;
    ended(&app, 2).await;
    let keys: Vec<UserId> =
        published(&app, Subject::Evaluations).await.iter().map(|event| event.key).collect();
    assert_eq!(keys, [ana, bia]);
    supervisor.drain(DEADLINE).await;
}

/// A model whose scores the default policy is not made for, and how often it was asked.
#[derive(Default)]
struct Strange(AtomicU32);

#[async_trait]
impl CreditAnalysis for Strange {
    async fn assess(&self, _: &Features, _: &RequestContext) -> Result<Assessment, HandleError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(Assessment::unexplained("scorecard-1", 0.1))
    }
}

/// Nobody is judged by a score that means something else: they wait until there is a policy for it.
#[tokio::test(flavor = "multi_thread")]
async fn an_evaluation_waits_for_a_policy_that_is_made_for_the_model() {
    let model = Arc::new(Strange::default());
    let app = App::with(Setup { model: Some(Arc::clone(&model) as _), ..Setup::default() });
    let ana = app.register("ana@example.com").await;
    say_yes(&app, ana).await;
    let supervisor = start(&app);
    app.transactions(ana, 10, 30_000).await;
    let asked_again = async {
        while model.0.load(Ordering::SeqCst) < 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, asked_again).await.expect("what waits is tried again");
    assert_eq!(offers(&app, ana).await, 0);

    let bands = "[[bands]]\nmax_risk = 0.5\ncredit_limit = \"900.00\"\ninterest_rate = \"20.00\"\ncredit_type = \"SHORT_TERM\"\n";
    let text = format!("version = \"policy-7\"\nmade_for = [\"scorecard-1\"]\ncut_off = 0.5\n{bands}");
    app.post(Actor::Operator, "/v1/policies", json!({"text": text})).await.expect(StatusCode::CREATED);
    let approve = "/v1/policies/policy-7/approve";
    app.call(Actor::Operator, Method::POST, approve, None).await.expect(StatusCode::OK);
    app.pass(Duration::from_secs(10));
    let [notification] = told(&app, 1).await.try_into().unwrap();
    assert!(matches!(notification.about, About::PreApproval(_)), "{notification:?}");
    ended(&app, 1).await;
    assert_eq!(offers(&app, ana).await, 1);
    supervisor.drain(DEADLINE).await;
}
