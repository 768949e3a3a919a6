//! Consent, and what it does to decisions.

use ecs_cache::Cache;
use ecs_domain::UserId;
use ecs_domain::consent::ConsentRule;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use std::time::Duration;

use crate::support::{Actor, App, Setup};

fn path(user: UserId) -> String {
    format!("/v1/users/{user}/consents/emotion-analysis")
}

async fn say(app: &App, user: UserId, method: Method) -> Value {
    let reply = app.call(Actor::User(user), method.clone(), &path(user), None).await;
    reply.expect(if method == Method::PUT { StatusCode::OK } else { StatusCode::NO_CONTENT })
}

#[tokio::test]
async fn a_user_gives_and_withdraws_consent() {
    let app = App::with(Setup { consent: ConsentRule::Required, ..Setup::default() });
    let user = app.register("ana@example.com").await;
    let shown = async || app.get(Actor::User(user), &path(user)).await.expect(StatusCode::OK);
    let silence = json!({
        "purpose": "emotion-analysis", "granted": false, "updated_at": null, "text_version": null, "locale": null,
    });
    assert_eq!(shown().await, silence);
    let given = say(&app, user, Method::PUT).await;
    assert_eq!(given["granted"], true);
    assert_eq!(shown().await, given);
    app.pass(Duration::from_secs(60));
    assert_eq!(say(&app, user, Method::DELETE).await, Value::Null);
    let withdrawn = shown().await;
    assert_eq!(withdrawn["granted"], false);
    assert_ne!(withdrawn["updated_at"], given["updated_at"]);
}

#[tokio::test]
async fn silence_is_shown_as_what_it_means_here() {
    let app = App::start();
    let user = app.register("ana@example.com").await;
    let shown = app.get(Actor::User(user), &path(user)).await.expect(StatusCode::OK);
    assert_eq!((&shown["granted"], &shown["updated_at"]), (&json!(true), &Value::Null));
}

#[tokio::test]
async fn an_unknown_purpose_is_not_found() {
    let app = App::start();
    let user = app.register("ana@example.com").await;
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let reply =
            app.call(Actor::User(user), method, &format!("/v1/users/{user}/consents/shoes"), None).await;
        reply.expect(StatusCode::NOT_FOUND);
    }
}

/// The decision, and the contributions of its emotion terms.
async fn decision(app: &App, user: UserId) -> (Value, Vec<f64>) {
    let answer = app.analyse(user).await.expect(StatusCode::OK);
    let emotional = |term: &&Value| {
        let feature = term["feature"].as_str().unwrap();
        ["positivity", "intensity", "stress"].iter().any(|word| feature.contains(word))
    };
    let terms = answer["explanation"].as_array().unwrap().iter().filter(emotional);
    let contributions = terms.map(|term| term["contribution"].as_f64().unwrap()).collect();
    (answer, contributions)
}

#[tokio::test]
async fn once_consent_is_withdrawn_decisions_look_at_no_emotion() {
    for cache in [Cache::none(), Setup::default().cache] {
        let app = App::with(Setup { cache, ..Setup::default() });
        let user = app.busy_and_calm("ana@example.com").await;
        let (with, contributions) = decision(&app, user).await;
        assert_eq!(with["emotion_data_used"], true);
        assert!(contributions.iter().any(|&added| added != 0.0));

        say(&app, user, Method::DELETE).await;
        app.pass(Duration::from_secs(300));
        let (without, contributions) = decision(&app, user).await;
        assert_eq!(without["emotion_data_used"], false);
        assert_eq!((contributions, &without["model_version"]), (Vec::new(), &json!("financial-1")));

        say(&app, user, Method::PUT).await;
        app.pass(Duration::from_secs(300));
        assert_eq!(decision(&app, user).await.0["emotion_data_used"], true);
    }
}

#[tokio::test]
async fn where_consent_is_required_silence_keeps_emotions_out() {
    let app = App::with(Setup { consent: ConsentRule::Required, ..Setup::default() });
    let user = app.busy_and_calm("ana@example.com").await;
    assert_eq!(decision(&app, user).await.0["emotion_data_used"], false);
}

#[tokio::test]
async fn a_yes_tells_which_text_was_shown_and_the_history_keeps_it() {
    let app = App::start();
    let ana = app.register("ana@example.com").await;
    let path = format!("/v1/users/{ana}/consents/emotion-analysis");
    let text = "/v1/consents/emotion-analysis/text";
    let shown = app.get(Actor::User(ana), &format!("{text}?locale=pt-br")).await.expect(StatusCode::OK);
    assert_eq!((&shown["version"], &shown["locale"]), (&json!(2), &json!("pt-BR")));
    assert!(shown["text"].as_str().unwrap().starts_with("Podemos usar como você se sente?"));
    let english = app.get(Actor::User(ana), text).await.expect(StatusCode::OK);
    assert!(english["text"].as_str().unwrap().starts_with("May we use how you feel?"));
    for (query, field) in [("version=3", "version"), ("version=x", "version"), ("locale=fr", "locale")] {
        let refused = app.get(Actor::User(ana), &format!("{text}?{query}")).await;
        assert_eq!(refused.invalid_fields(), [field], "{query}");
    }
    app.get(Actor::User(ana), "/v1/consents/fortune-telling/text").await.expect(StatusCode::NOT_FOUND);

    let give = async |body: Value| app.call(Actor::User(ana), Method::PUT, &path, Some(body)).await;
    for (body, field) in [
        (json!({"text_version": 1}), "locale"),
        (json!({"locale": "en"}), "text_version"),
        (json!({"text_version": 7, "locale": "en"}), "text_version"),
        (json!({"text_version": 1, "locale": "fr"}), "locale"),
    ] {
        assert_eq!(give(body.clone()).await.invalid_fields(), [field], "{body}");
    }
    let given = give(json!({"text_version": 1, "locale": "pt-BR"})).await.expect(StatusCode::OK);
    assert_eq!((&given["text_version"], &given["locale"]), (&json!(1), &json!("pt-BR")));
    app.call(Actor::User(ana), Method::DELETE, &path, None).await;
    app.call(Actor::User(ana), Method::PUT, &path, None).await.expect(StatusCode::OK);
    let history = app.get(Actor::User(ana), &format!("{path}/history")).await.expect(StatusCode::OK);
    let said: Vec<_> = history["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|word| (word["granted"].as_bool().unwrap(), word["text_version"].as_u64()))
        .collect();
    assert_eq!(said, [(true, None), (false, None), (true, Some(1))]);
    let bia = app.register("bia@example.com").await;
    app.get(Actor::User(bia), &format!("{path}/history")).await.expect(StatusCode::FORBIDDEN);
    app.get(Actor::Operator, &format!("{path}/history")).await.expect(StatusCode::OK);
}
