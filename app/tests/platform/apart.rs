//! Roles in processes of their own: they share the work, and what one of them waits for holds up no other.

use ecs::role::Role;
use ecs_client::Retries;
use ecs_domain::Clock as _;
use ecs_servers::{Engine, Nats, NatsOptions, Postgres, PostgresOptions, did_not_run, unavailable_privately};
use serde_json::json;
use tokio::task::JoinSet;

use crate::support::deployment::{Deployment, Process, Topology, free_address, owned};
use crate::support::{INTERNAL_KEY, MASTER_KEY, Person, SECRET, emotion, eventually};

/// After so many people whom nobody has left out by chance, somebody is left out.
const PEOPLE: usize = 40;

/// What a process has done of its role's work: requests to the role's own routes, and events from the bus.
async fn work_of(process: &Process) -> (bool, bool) {
    let metrics = process.edge.http.get("/metrics", &[]).await;
    let text = String::from_utf8(metrics.body.to_vec()).unwrap();
    let some = |family: &str, counts: fn(&str) -> bool| {
        let mut lines = text.lines().filter(|line| line.starts_with(family) && counts(line));
        lines.any(|line| !line.ends_with(" 0"))
    };
    let answered = some("ecs_http_requests_total{", |line| line.contains("route=\"/v1/"));
    (answered, some("ecs_bus_delivered_total{", |_| true))
}

/// The processes that have done nothing yet of what their role does.
async fn idle(platform: &Deployment) -> Vec<String> {
    let mut idle = Vec::new();
    for role in Role::ALL {
        let consumes = matches!(
            role,
            Role::EmotionProcessing
                | Role::TransactionProcessing
                | Role::CreditApplication
                | Role::Notification
        );
        let answers = role == Role::ApiGateway || role.service_setting().is_some();
        for (number, process) in platform.replicas(role).into_iter().enumerate() {
            let (answered, consumed) = work_of(process).await;
            if (answers && !answered) || (consumes && !consumed) {
                idle.push(format!("{role} {number}: answered {answered}, consumed {consumed}"));
            }
        }
    }
    idle
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_of_every_role_share_the_work() {
    let Some(platform) = Deployment::start(Topology::RolePerProcess).await else { return };
    assert!(Role::ALL.into_iter().all(|role| platform.replicas(role).len() == 2));
    let mut people = 0;
    while !idle(&platform).await.is_empty() && people < PEOPLE {
        let gateway = &platform.gateways()[people % 2];
        people += 1;
        let person = gateway.person(&format!("person-{people}")).await;
        gateway.live_well(&person).await;
        gateway.settled_books().await;
        let offer = gateway.offer(&person).await;
        gateway.accept(&person, &offer).await.expect_status(202);
        eventually("they are told", async || gateway.notifications(&person).await.pop()).await;
    }
    assert_eq!(idle(&platform).await, Vec::<String>::new(), "after {people} people");
    let books = platform.settled_books().await;
    let counts =
        [&books["emotions"]["counted"], &books["transactions"]["counted"], &books["offers"]["notified"]];
    assert_eq!(counts, [&json!(people * 10), &json!(people * 10), &json!(people)], "{books}");
    let verified = platform.command(&["verify", "--wait", "30"]).await;
    assert!(verified.status.success(), "{verified:?}");
    platform.stop().await;
}

/// An edge with the intake, everything else behind it, and servers of their own.
struct Apart {
    edge: Process,
    behind: Process,
    postgres: Postgres,
    _nats: Nats,
}

impl Apart {
    async fn start() -> Option<Self> {
        for engine in [Engine::Postgres, Engine::Nats] {
            if let Some(reason) = unavailable_privately(engine) {
                did_not_run("an intake while the store is away", &reason);
                return None;
            }
        }
        let postgres = Postgres::start(PostgresOptions::default()).await.unwrap();
        postgres.execute("CREATE DATABASE ecs").await.unwrap();
        postgres.execute("CREATE DATABASE vault").await.unwrap();
        let nats = Nats::start(NatsOptions::default()).await.unwrap();
        let [edge, behind] = [free_address(), free_address()];
        let mut settings = owned(&[
            ("ECS_MODE", "testing"),
            ("ECS_BCRYPT_COST", "4"),
            ("SECRET_KEY", SECRET),
            ("INTERNAL_SERVICE_API_KEY", INTERNAL_KEY),
            ("ECS_MASTER_KEY", MASTER_KEY),
            ("DATABASE_URL", &postgres.url("ecs")),
            ("ECS_VAULT_URL", &postgres.url("vault")),
            ("NATS_URL", nats.url()),
        ]);
        let intake = [Role::ApiGateway, Role::EmotionIngestion, Role::TransactionIngestion];
        let others: Vec<Role> = Role::ALL.into_iter().filter(|role| !intake.contains(role)).collect();
        let url = format!("http://{behind}");
        settings.extend(
            others
                .iter()
                .filter_map(|role| role.service_setting())
                .map(|name| (name.to_owned(), url.clone())),
        );
        let behind = Process::start(others, behind, &settings);
        let edge = Process::start(intake.to_vec(), edge, &settings);
        behind.is_ready().await;
        edge.is_ready().await;
        edge.edge.knows_what_holds().await;
        Some(Self { edge, behind, postgres, _nats: nats })
    }

    /// Both of the intake's calls are answered.
    async fn takes_in(&self, person: &Person, round: usize) {
        let edge = &self.edge.edge;
        let id = format!("{round}");
        let body = emotion(person.id, edge.clock.now(), &id, (0.5, 0.5, 0.5));
        edge.emotion(&body).await.expect_status(202);
        let body = json!({"userId": person.id, "amount": 1, "transactionId": id});
        edge.as_person(person, "POST", "/v1/transactions", Some(&body)).await.expect_status(202);
    }
}

/// A store that is silent is worse than one that is dead: whatever waits for it waits long.
#[tokio::test(flavor = "multi_thread")]
async fn the_intake_answers_while_the_store_says_nothing() {
    let Some(platform) = Apart::start().await else { return };
    let person = platform.edge.edge.person("ana").await;
    platform.takes_in(&person, 0).await;
    platform.edge.edge.settled_books().await;
    platform.postgres.pause().await.unwrap();
    let mut customers = JoinSet::new();
    for _ in 0..20 {
        let (client, user) = (platform.edge.edge.client_of(&person).with_retries(Retries::NONE), person.id);
        customers.spawn(async move { while client.analyse(user).await.is_err() {} });
    }
    for round in 1..=50 {
        platform.takes_in(&person, round).await;
    }
    let own = format!("/v1/users/{}", person.id);
    eventually("nobody tells what holds", async || {
        let answer = platform.edge.edge.as_person(&person, "GET", &own, None).await;
        assert_eq!(answer.status, 503, "{answer:?}");
        (answer.json()["detail"] == "list of changed rights is unavailable").then_some(())
    })
    .await;
    platform.takes_in(&person, 51).await;
    assert_eq!(platform.edge.edge.http.get("/readyz", &[]).await.status, 200, "it needs no store");
    assert_eq!(platform.behind.edge.http.get("/healthz", &[]).await.status, 200);
    assert!(customers.try_join_next().is_none(), "nobody has got an answer out of the store");
    platform.postgres.resume().unwrap();
    customers.shutdown().await;
}
