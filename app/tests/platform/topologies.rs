//! The same ways through the platform, whatever it is cut into and whatever it stands on: all roles in one process over
//! SQLite and the embedded bus, and over PostgreSQL, NATS and Redis in one process, in two, and with each role on its own,
//! twice.

use ecs::role::Role;
use ecs_client::follow::Told;
use ecs_domain::{Clock as _, UserId};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::support::deployment::{Deployment, Process, Servers, Topology, free_address, owned};
use crate::support::http::Answer;
use crate::support::process::{command, run, text};
use crate::support::{DEADLINE, PASSWORD, emotion, eventually};

/// Stamps each of these tests over every topology.
macro_rules! over_every_topology {
    ($($test:ident)+) => {
        over_every_topology!(@ all_in_one_over_embedded_storage Embedded $($test)+);
        over_every_topology!(@ all_in_one_over_real_servers AllInOne $($test)+);
        over_every_topology!(@ split_in_two_over_real_servers SplitInTwo $($test)+);
        over_every_topology!(@ two_processes_per_role_over_real_servers RolePerProcess $($test)+);
        over_every_topology!(@ a_process_per_role_over_kafka RolePerProcessOverKafka $($test)+);
        over_every_topology!(@ a_process_per_role_over_rabbitmq RolePerProcessOverRabbitMq $($test)+);
        over_every_topology!(@ a_process_per_role_and_everything_encrypted Encrypted $($test)+);
    };
    (@ $name:ident $topology:ident $($test:ident)+) => {
        mod $name {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $test() {
                    super::over(super::Topology::$topology, super::$test).await;
                }
            )+
        }
    };
}

over_every_topology! {
    an_application_goes_all_the_way
    a_stream_tells_the_same_at_every_gateway
    a_key_has_one_effect_wherever_it_is_sent
    an_event_of_an_unknown_user_is_replayed_and_counts
    what_is_repeated_counts_once_and_strangers_are_refused
    the_commands_of_operators_reach_it
    rights_change_everywhere_within_seconds
    an_archive_is_fetched_wherever_it_was_asked_for
}

// What differs from the same without encryption is the transport, so one whole way through each is enough.
over_every_topology!(@ everything_encrypted_over_rabbitmq EncryptedOverRabbitMq an_application_goes_all_the_way);
#[cfg(feature = "kafka-tls")]
over_every_topology!(@ everything_encrypted_over_kafka_tls EncryptedOverKafka an_application_goes_all_the_way);

/// Runs a test, after which the books must balance and every process must stop in order.
async fn over(topology: Topology, test: impl AsyncFnOnce(&Deployment)) {
    let Some(platform) = Deployment::start(topology).await else { return };
    test(&platform).await;
    let verified = platform.command(&["verify", "--wait", "30"]).await;
    assert!(verified.status.success(), "{}", text(&verified));
    platform.stop().await;
}

async fn an_archive_is_fetched_wherever_it_was_asked_for(platform: &Deployment) {
    crate::exports::fetched_wherever_it_was_asked_for(platform).await;
}

async fn rights_change_everywhere_within_seconds(platform: &Deployment) {
    crate::rights::change_everywhere_within_seconds(platform).await;
}

async fn an_application_goes_all_the_way(platform: &Deployment) {
    let ana = platform.person("ana").await;
    platform.live_well(&ana).await;
    let books = platform.settled_books().await;
    assert_eq!((&books["emotions"]["counted"], &books["transactions"]["counted"]), (&json!(10), &json!(10)));

    let (first, second) = tokio::join!(platform.analyse(&ana), platform.other().analyse(&ana));
    assert_eq!(first["approved"], true, "{first}");
    assert_eq!(first["decision_id"], second["decision_id"], "two requests, one decision");
    assert_ne!(first["repeated"], second["repeated"], "one of them says that it is a repeated one");
    assert_eq!(first["emotion_data_used"], true, "{first}");

    let offer = first["offer"]["offer_id"].as_str().unwrap();
    platform.accept(&ana, offer).await.expect_status(202);
    platform.other().accept(&ana, offer).await.expect_problem(409, &[]);
    let told =
        eventually("Ana is notified", async || platform.other().notifications(&ana).await.into_iter().next());
    let told = told.await;
    assert_eq!((&told["type"], &told["offer_id"]), (&json!("CREDIT_LIMIT_APPLIED"), &json!(offer)));
    let path = format!("/v1/users/{}/offers", ana.id);
    let offers = platform.as_person(&ana, "GET", &path, None).await.expect_status(200);
    assert_eq!((&offers["total"], &offers["items"][0]["status"]), (&json!(1), &json!("active")));
    assert_eq!(platform.settled_books().await["offers"]["notified"], 1);
}

async fn a_stream_tells_the_same_at_every_gateway(platform: &Deployment) {
    let ana = platform.person("ana").await;
    // More streams than replicas of anything, so that every one of them has some.
    let mut streams = Vec::new();
    for gateway in platform.gateways().iter().cycle().take(4) {
        streams.push(gateway.client_of(&ana).follow(ana.id, None).await.unwrap());
    }
    platform.live_well(&ana).await;
    platform.settled_books().await;
    let offer = platform.offer(&ana).await;
    platform.accept(&ana, &offer).await.expect_status(202);
    let mut heard = Vec::new();
    for stream in &mut streams {
        heard.push(timeout(DEADLINE, stream.next()).await.expect("something in time").unwrap());
    }
    let Some(Told::Notification(1, first)) = &heard[0] else { panic!("{heard:?}") };
    assert_eq!(first.offer_id.map(|id| id.to_string()), Some(offer));
    assert!(heard.iter().all(|told| *told == heard[0]), "{heard:?}");
    let mut again = platform.other().client_of(&ana).follow(ana.id, Some(0)).await.unwrap();
    assert_eq!(timeout(DEADLINE, again.next()).await.unwrap().unwrap(), heard[0]);
}

async fn a_key_has_one_effect_wherever_it_is_sent(platform: &Deployment) {
    let login = json!({"email": "ana@example.com", "password": PASSWORD});
    let register = |gateway: usize| {
        let gateways = platform.gateways();
        let gateway = &gateways[gateway % gateways.len()];
        gateway.http.post("/v1/auth/register", &[("idempotency-key", "k")], &login)
    };
    let answers: Vec<Answer> = futures::future::join_all((0..8).map(register)).await;
    let made: Vec<&Answer> = answers
        .iter()
        .filter(|answer| answer.status == 201 && !answer.headers.contains_key("idempotency-replayed"))
        .collect();
    assert_eq!(made.len(), 1, "{answers:?}");
    for answer in answers.iter().filter(|answer| answer.status != 409) {
        assert_eq!((answer.status, &answer.body), (made[0].status, &made[0].body), "{answer:?}");
    }
    let after = register(1).await;
    assert!(after.headers.contains_key("idempotency-replayed"), "{after:?}");
    assert_eq!(after.body, made[0].body);
}

async fn an_event_of_an_unknown_user_is_replayed_and_counts(platform: &Deployment) {
    let stranger = UserId::new(uuid::Uuid::from_u128(7));
    let body = emotion(stranger, "2026-01-02T03:04:05Z".parse().unwrap(), "mood", (0.123_454_321, 0.5, 0.5));
    platform.emotion(&body).await.expect_status(202);
    assert_eq!(platform.settled_books().await["emotions"]["deadLettered"], 1);
    let listed = platform.command(&["dead-letters", "list"]).await;
    let listed = text(&listed);
    assert!(listed.contains("unknown-user") && listed.contains(&stranger.to_string()), "{listed}");
    assert!(!listed.contains("123454321"), "{listed}");
    let replayed = platform.command(&["dead-letters", "replay", "--all"]).await;
    assert!(text(&replayed).contains("replayed        1"), "{}", text(&replayed));
    let operator = platform.other().operator();
    eventually("the letter is back after its replay", async || {
        let page = operator.dead_letters(&Default::default(), None, 10).await.unwrap();
        page.items.iter().any(|letter| letter.replays == 1 && letter.state == "waiting").then_some(())
    })
    .await;
    let dropped = platform.command(&["dead-letters", "drop", "--all", "--yes"]).await;
    assert!(text(&dropped).contains("dropped         1"), "{}", text(&dropped));
}

async fn what_is_repeated_counts_once_and_strangers_are_refused(platform: &Deployment) {
    let ana = platform.person("ana").await;
    let eve = platform.other().person("eve").await;
    for gateway in platform.gateways().iter().cycle().take(6) {
        gateway.live_well(&ana).await;
    }
    let books = platform.settled_books().await;
    assert_eq!(books["transactions"]["counted"], 10, "{books}");
    let offer = platform.offer(&ana).await;
    let check = async |method: &str, path: String, body: Option<Value>, expect: u16| {
        let answer = platform.other().as_person(&eve, method, &path, body.as_ref()).await;
        assert_eq!(answer.status.as_u16(), expect, "{method} {path}: {answer:?}");
    };
    check("POST", format!("/v1/users/{}/credit-analysis", ana.id), None, 403).await;
    check("GET", format!("/v1/users/{}/notifications", ana.id), None, 403).await;
    check("POST", format!("/v1/credit-offers/{offer}/accept"), Some(json!({"userId": ana.id})), 403).await;
    check("POST", format!("/v1/credit-offers/{offer}/accept"), Some(json!({"userId": eve.id})), 404).await;
    check("POST", "/v1/transactions".to_owned(), Some(json!({"userId": ana.id, "amount": 1})), 403).await;
    check("GET", "/v1/operations/books".to_owned(), None, 403).await;
    // Each role verifies by itself: whoever gets past the gateway has gained nothing.
    for role in [Role::EmotionIngestion, Role::UserAndCredit, Role::CreditAnalysis, Role::Operations] {
        for process in platform.replicas(role) {
            let http = &process.edge.http;
            let (method, path) = match role {
                Role::EmotionIngestion => ("POST", "/v1/emotions/stream".to_owned()),
                Role::UserAndCredit => ("GET", format!("/v1/users/{}", ana.id)),
                Role::CreditAnalysis => ("POST", "/v1/predict".to_owned()),
                _ => ("GET", "/v1/operations/books".to_owned()),
            };
            http.call(method, &path, &[], None).await.expect_problem(401, &[]);
        }
    }
}

async fn the_commands_of_operators_reach_it(platform: &Deployment) {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal");
    let journal = journal.to_str().unwrap();
    let says = async |arguments: &[&str], expect: &str| {
        let output = platform.command(arguments).await;
        let text = text(&output);
        assert!(output.status.success() && text.contains(expect), "{arguments:?}: {text}");
    };
    says(&["healthcheck"], "ready").await;
    let simulate = ["simulate", "--users", "5", "--count", "300", "--rate", "0", "--journal", journal];
    says(&simulate, "300 accepted").await;
    let purchases = folder.path().join("purchases.csv");
    std::fs::write(&purchases, "who,when,what\n1,1997-01-01,11.77\n2,1997-01-02,5.00\n").unwrap();
    let state = folder.path().join("state.json");
    let import =
        ["import", "transactions", purchases.to_str().unwrap(), "--map", "user=who,date=when,amount=what"];
    says(&[&import[..], &["--state", state.to_str().unwrap()]].concat(), "2 read = 2 accepted").await;
    says(&["verify", "--wait", "30", "--journal", journal], "300 accepted = ").await;
    says(&["dead-letters", "count"], "no dead letters").await;
    let today = ecs_domain::utc_day(ecs::platform::SystemClock.now()).to_string();
    let rebuilt = format!("from {today} to {today} were rebuilt from the log of the bus");
    says(&["replay", "--from", &today, "--to", &today], &rebuilt).await;
    let refused = platform.command(&["replay", "--from", "2020-02-29", "--to", &today]).await;
    let text = text(&refused);
    let expect = "the day 2020-02-29 began before the log does";
    assert!(refused.status.code() == Some(1) && text.contains(expect), "{text}");
    says(&["verify"], "the books balance").await;
}

/// What design and documentation promise: five settings, and nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn five_settings_start_a_platform_in_production() {
    let Some(servers) = Servers::reserve("five settings").await else { return };
    let address = free_address();
    let process = Process::start(Role::ALL.to_vec(), address, &servers.settings());
    process.is_ready().await;
    let log = process.log();
    assert!(log.contains("have not given consent will be discarded"), "{log}");
    let serving = log.lines().find(|line| line.contains("\"serving\"")).unwrap();
    for part in ["PostgreSQL at ", "NATS at ", "Redis at ", "emotion-processing"] {
        assert!(serving.contains(part), "{serving}");
    }
    for (_, setting) in servers.settings() {
        // Of an address it is what stands before the host; a server that the environment names may be without.
        let secret = match setting.split_once("://") {
            Some((_, rest)) => rest.split_once('@').map(|(secret, _)| secret),
            None => Some(&*setting),
        };
        assert!(secret.is_none_or(|secret| !log.contains(secret)), "{log}");
    }
    let ana = process.edge.person("ana").await;
    process.edge.live_well(&ana).await;
    let books = process.edge.settled_books().await;
    assert_eq!(
        (&books["emotions"]["discarded"], &books["transactions"]["counted"]),
        (&json!(10), &json!(10))
    );
    assert_eq!(process.edge.analyse(&ana).await["emotion_data_used"], false);

    // Commands with the same settings find the process where it listens, and the data without it.
    let listen = address.to_string();
    let says = async |arguments: &[&str], expect: &str| {
        let mut command = command(arguments);
        command.envs(servers.settings()).env("ECS_LISTEN", &listen);
        let output = text(&run(command).await);
        assert!(output.contains(expect), "{arguments:?}: {output}");
    };
    says(&["healthcheck"], "ready").await;
    says(&["migrate"], "the tables are up to date").await;
    process.kill().await;
    says(&["healthcheck"], "not ready").await;
    says(&["verify", "--wait", "30"], "10 accepted = 0 counted + 10 discarded").await;
    says(&["dead-letters", "count"], "no dead letters").await;
}

/// Whatever starts a platform rarely starts its servers first.
#[tokio::test(flavor = "multi_thread")]
async fn a_start_waits_for_the_engines_but_not_for_redis() {
    let Some(servers) = Servers::start("engines that are away").await else { return };
    servers.nats.kill().await.unwrap();
    servers.redis.kill().await.unwrap();
    let address = free_address();
    let process = Process::start(Role::ALL.to_vec(), address, &servers.settings());
    let waiting = async || process.log().contains("not there yet, waiting for it").then_some(());
    eventually("it says what it waits for", waiting).await;
    let refused = tokio::net::TcpStream::connect(address).await;
    assert!(refused.is_err(), "who calls a role that waits must be able to go elsewhere");
    servers.nats.restart().await.unwrap();
    process.is_ready().await;
    let ana = process.edge.person("ana").await;
    process.edge.analyse(&ana).await;
    process.kill().await;

    servers.nats.kill().await.unwrap();
    let impatient = [servers.settings(), owned(&[("ECS_START_TIMEOUT_S", "1")])].concat();
    let process = Process::start(Role::ALL.to_vec(), free_address(), &impatient);
    eventually("it gives up", async || (!process.is_alive()).then_some(())).await;
    let log = process.log();
    assert!(log.contains("ecs: NATS at 127.0.0.1:") && log.contains("waited 1 s"), "{log}");
}
