//! A model that hangs, or dies in the middle: who asks is told when to come back, nothing is decided without it, and no offer is there
//! that no logged decision has made. One that answers nonsense is among the tests by OWASP's list.

use ecs::role::Role;
use futures::future::join_all;
use http::StatusCode;
use serde_json::Value;

use crate::support::deployment::{Process, Servers, free_address, owned};
use crate::support::edge::{Edge, Person};
use crate::support::eventually;
use crate::support::http::Answer;

/// As many as open the breaker, and one more.
const ENOUGH: usize = 6;
/// How many ask while the model dies.
const CROWD: usize = 40;

#[tokio::test(flavor = "multi_thread")]
async fn without_the_model_nothing_is_decided() {
    let Some(servers) = Servers::reserve("a model that hangs and dies").await else { return };
    let (there, here) = (free_address(), free_address());
    let (model_url, others_url) = (format!("http://{there}"), format!("http://{here}"));
    let ours = [
        ("ECS_MODE", "testing"),
        ("ECS_BCRYPT_COST", "4"),
        ("CREDIT_ANALYSIS_SERVICE_URL", model_url.as_str()),
        ("USER_CREDIT_SERVICE_URL", others_url.as_str()),
    ];
    let settings = [servers.settings(), owned(&ours)].concat();
    let roles = Role::ALL.into_iter().filter(|role| *role != Role::CreditAnalysis).collect();
    let (model, platform) = (
        Process::start(vec![Role::CreditAnalysis], there, &settings),
        Process::start(roles, here, &settings),
    );
    model.is_ready().await;
    platform.is_ready().await;
    let edge = &platform.edge;
    edge.knows_what_holds().await;
    let mut people = Vec::new();
    for number in 0..CROWD {
        people.push(edge.person(&format!("p{number}")).await);
    }

    model.pause().await;
    ask(edge, &people[0]).await.expect_problem(503, &[]);
    model.resume();
    eventually("it is heard again", async || (ask(edge, &people[0]).await.status == 200).then_some(())).await;

    let asked = join_all(people[1..].iter().map(async |person| ask(edge, person).await));
    let (answers, ()) = tokio::join!(asked, model.kill());
    for answer in answers.iter().filter(|answer| answer.status != StatusCode::OK) {
        answer.expect_problem(503, &[]);
    }
    let ana = edge.person("ana").await;
    for _ in 0..ENOUGH {
        ask(edge, &ana).await.expect_problem(503, &[]);
    }
    let decided = join_all(people.iter().map(async |person| decisions(edge, person).await)).await;
    let answered = answers.iter().filter(|answer| answer.status == StatusCode::OK).count();
    assert_eq!(decided.iter().sum::<u64>(), answered as u64 + 1, "one for each 200, and none besides");
    assert_eq!(decisions(edge, &ana).await, 0);
    let log = edge.operator().decision_batches(1).await.unwrap();
    assert_eq!((log.unlogged, log.undecided), (0, 0));

    model.restart();
    eventually("it decides again", async || (ask(edge, &ana).await.status == 200).then_some(())).await;
    platform.stop().await;
    model.stop().await;
}

async fn ask(edge: &Edge, person: &Person) -> Answer {
    edge.as_person(person, "POST", &format!("/v1/users/{}/credit-analysis", person.id), None).await
}

/// How many decisions there are about somebody.
async fn decisions(edge: &Edge, person: &Person) -> u64 {
    let path = format!("/v1/users/{}/decisions", person.id);
    let page: Value = edge.as_person(person, "GET", &path, None).await.expect_status(200);
    page["total"].as_u64().unwrap()
}
