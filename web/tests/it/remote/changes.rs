//! The list of changed rights, followed in another process.

use axum::extract::State;
use axum::{Json, Router, routing};
use ecs_domain::permission::held::AccessFollow;
use ecs_web::Secret;
use ecs_web::auth::changes::{ListOfChanges as _, Told};
use ecs_web::auth::policy::Service;
use ecs_web::handles::changes::{Answer, HttpChanges};
use ecs_web::params::QueryParams;
use serde::Deserialize;
use uuid::Uuid;

use super::support::{nobody, remote, role};
use crate::support::{INTERNAL_KEY, auth};

#[derive(Deserialize)]
struct Question {
    after: Option<String>,
}

/// Says that user 7 had a change, with the number that was asked for and one more.
async fn list(
    _: Service<AccessFollow>,
    State(_): State<std::sync::Arc<ecs_web::Auth>>,
    QueryParams(Question { after }): QueryParams<Question>,
) -> Json<Answer> {
    let number = after.map_or(1, |after| after.parse::<u64>().unwrap() + 1);
    Json(Answer::new([(number, Uuid::from_u128(7))], number))
}

#[tokio::test]
async fn the_list_is_asked_for_with_the_service_key() {
    let role = role(Router::new().route("/v1/access/changes", routing::get(list)).with_state(auth())).await;
    let list = |key: &str| HttpChanges::new(remote(&[role.url()]), Secret::new(key));
    let told = |number| Ok(Told { changes: vec![(number, Uuid::from_u128(7))], newest: number });
    assert_eq!(list(INTERNAL_KEY).after(None).await, told(1));
    assert_eq!(list(INTERNAL_KEY).after(Some(1_763_649_000_000_000)).await, told(1_763_649_000_000_001));
    assert_eq!(list("wrong").after(None).await, Err("the answer has status 401".to_owned()));
    let nowhere = HttpChanges::new(remote(&[nobody().await]), Secret::new(INTERNAL_KEY));
    assert_eq!(nowhere.after(None).await, Err("Unreachable".to_owned()));
}
