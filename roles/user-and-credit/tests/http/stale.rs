//! Decisions whose facts change between the reading and the recording: they are made anew, or not at all.
//!
//! Facts are read before the model is asked. While it thinks somebody else commits another status of an earlier offer, so what was read is
//! old when the decision comes to be recorded, every time that is wanted.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use ecs_cache::Cache;
use ecs_domain::features::Features;
use ecs_domain::scorecard::Assessment;
use ecs_domain::{Money, UserId};
use ecs_store::{Credit as _, PageRequest};
use ecs_web::RequestContext;
use ecs_web::handles::{CreditAnalysis, HandleError};
use http::StatusCode;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::{Actor, App, Setup};

/// How long anything may take before a test gives up on it.
const DEADLINE: Duration = Duration::from_secs(60);
/// An offer that can be accepted is one no more, or again.
const TURN: &str =
    "UPDATE credit_limits SET status = CASE status WHEN 'offered' THEN 'expired' ELSE 'offered' END";

/// A model whose every answer is followed by a change of the facts, as long as there are changes left.
#[derive(Default)]
struct Meddler {
    asked: AtomicU32,
    changes: AtomicU32,
    connect: OnceLock<Connect>,
}

type Connect = Box<dyn Fn() -> Connection + Send + Sync>;

#[async_trait]
impl CreditAnalysis for Meddler {
    async fn assess(&self, _: &Features, _: &RequestContext) -> Result<Assessment, HandleError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let left = self.changes.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if left.is_ok() {
            let connection = self.connect.get().unwrap()();
            assert_eq!(connection.execute(TURN, []).unwrap(), 1);
        }
        Ok(Assessment::unexplained("financial-1", 0.04))
    }
}

/// Somebody with an offer of ten thousand that they can still accept, and whose last decision doesn't stand any more.
async fn indebted() -> (Arc<Meddler>, App, UserId) {
    let model = Arc::new(Meddler::default());
    let app =
        App::with(Setup { model: Some(Arc::clone(&model) as _), cache: Cache::none(), ..Setup::default() });
    let user = app.register("ana@example.com").await;
    app.transactions(user, 1, 10_000).await;
    let first = app.analyse(user).await.expect(StatusCode::OK);
    assert_eq!(first["offer"]["credit_limit"], json!(10_000.0));
    app.pass(Duration::from_secs(300));
    let path = app.database();
    let connect = move || {
        let connection = Connection::open(&path).unwrap();
        connection.busy_timeout(DEADLINE).unwrap();
        connection
    };
    assert!(model.connect.set(Box::new(connect)).is_ok());
    model.asked.store(0, Ordering::SeqCst);
    (model, app, user)
}

async fn offers(app: &App, user: UserId) -> u64 {
    app.store.offers(user, PageRequest { page: 1, page_size: 10 }).await.unwrap().total
}

#[tokio::test]
async fn a_decision_is_made_of_facts_that_hold_when_it_is_recorded() {
    // How often the offer turns before and during the analysis; what the person could owe in the end, and what they are offered then.
    for (before, during, exposure, limit) in
        [(0, 0, 10_000, 2_000.0), (0, 1, 0, 10_000.0), (1, 1, 10_000, 2_000.0), (0, 2, 10_000, 2_000.0)]
    {
        let (model, app, user) = indebted().await;
        for _ in 0..before {
            model.connect.get().unwrap()().execute(TURN, []).unwrap();
        }
        model.changes.store(during, Ordering::SeqCst);
        let answer = app.analyse(user).await.expect(StatusCode::OK);
        let case = format!("{before} and {during}: {answer}");
        assert_eq!(answer["offer"]["credit_limit"], json!(limit), "{case}");
        assert_eq!(model.asked.load(Ordering::SeqCst), during + 1, "{case}");
        let kept = app.store.standing_decision(user, app.now() - DEADLINE).await.unwrap().unwrap();
        assert_eq!(json!(kept.id), answer["decision_id"], "{case}");
        assert_eq!(kept.facts.exposure, Money::from_minor_units(exposure * 100), "{case}");
        assert_eq!(offers(&app, user).await, 2, "{case}");
        assert_eq!(app.counted("ecs_credit_decisions_total", &[]), Some(2.0), "{case}");
    }
}

#[tokio::test]
async fn facts_that_never_hold_still_are_no_ground_to_decide_on() {
    let (model, app, user) = indebted().await;
    model.changes.store(3, Ordering::SeqCst);
    let path = format!("/v1/users/{user}/credit-analysis");
    let refused = app.keyed(Actor::User(user), &path, "key-1", &json!({})).await;
    assert!(refused.headers.contains_key("retry-after"));
    let said = refused.expect(StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(said["detail"], "a moment without other decisions is unavailable");
    assert_eq!((model.asked.load(Ordering::SeqCst), offers(&app, user).await), (3, 1));
    assert_eq!(app.store.standing_decision(user, app.now() - DEADLINE).await.unwrap(), None);
    assert_eq!(app.counted("ecs_credit_decisions_total", &[]), Some(1.0));
    // The key is free, so the same request is answered when it comes again.
    let again = app.keyed(Actor::User(user), &path, "key-1", &json!({})).await.expect(StatusCode::OK);
    assert_eq!((&again["approved"], &again["repeated"]), (&Value::Bool(true), &Value::Bool(false)));
}
