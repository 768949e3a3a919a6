//! The servers start, die, come back and follow each other as tests of others rely on.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::time::{Duration, Instant};

use ecs_servers::{
    Engine, Nats, NatsOptions, Postgres, PostgresOptions, RabbitMq, RabbitMqOptions, Redis, RedisOptions,
    Replication, Template, did_not_run, unavailable, unavailable_privately,
};
use tokio_postgres::{Client, NoTls};

/// Ends a test whose engine can't be started here, aloud.
macro_rules! needs {
    ($engine:ident) => {
        if let Some(reason) = unavailable_privately(Engine::$engine) {
            return did_not_run(module_path!(), &reason);
        }
    };
}

const NO_ANSWER: Duration = Duration::from_millis(300);
const SOON: Duration = Duration::from_secs(20);

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn number(client: &Client, query: &str) -> i64 {
    client.query_one(query, &[]).await.unwrap().get(0)
}

/// Asks until the answer is as expected, or a deadline has passed.
async fn becomes(client: &Client, query: &str, expect: i64) {
    let deadline = Instant::now() + SOON;
    while number(client, query).await != expect {
        assert!(Instant::now() < deadline, "{query} never answers {expect}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn people(url: String) -> anyhow::Result<()> {
    connect(&url)
        .await
        .batch_execute("CREATE TABLE people (id bigint); INSERT INTO people VALUES (1)")
        .await?;
    Ok(())
}

#[tokio::test]
async fn every_test_has_a_database_of_its_own() {
    if let Some(reason) = unavailable(Engine::Postgres) {
        return did_not_run("a database per test", &reason);
    }
    let server = Postgres::shared().await.unwrap();
    let template = || Template::new("people", people);
    let (one, other) = tokio::join!(server.database(template()), server.database(template()));
    let (one, other) = (one.unwrap(), other.unwrap());
    let (at_one, at_other) = (connect(one.url()).await, connect(other.url()).await);
    at_one.batch_execute("INSERT INTO people VALUES (2), (3)").await.unwrap();
    assert_eq!(number(&at_one, "SELECT count(*) FROM people").await, 3);
    assert_eq!(number(&at_other, "SELECT count(*) FROM people").await, 1);
}

#[tokio::test]
async fn a_template_that_failed_is_made_again() {
    needs!(Postgres);
    let server = Postgres::start(PostgresOptions::default()).await.unwrap();
    let failing = Template::new("half", async |url: String| {
        connect(&url).await.batch_execute("CREATE TABLE people (id bigint)").await?;
        anyhow::bail!("half way")
    });
    assert!(format!("{:#}", server.database(failing).await.unwrap_err()).contains("half way"));
    let database = server.database(Template::new("half", people)).await.unwrap();
    assert_eq!(number(&connect(database.url()).await, "SELECT count(*) FROM people").await, 1);
}

#[tokio::test]
async fn a_killed_postgres_comes_back_with_what_it_committed() {
    needs!(Postgres);
    let server = Postgres::start(PostgresOptions::default()).await.unwrap();
    let client = connect(&server.url("postgres")).await;
    client.batch_execute("CREATE TABLE kept (id bigint); INSERT INTO kept VALUES (1)").await.unwrap();
    server.kill().await.unwrap();
    assert!(client.simple_query("SELECT 1").await.is_err());
    assert!(tokio_postgres::connect(&server.url("postgres"), NoTls).await.is_err());
    server.restart().await.unwrap();
    assert!(server.restart().await.is_err(), "it runs already");
    let client = connect(&server.url("postgres")).await;
    assert_eq!(number(&client, "SELECT count(*) FROM kept").await, 1);
}

#[tokio::test]
async fn a_paused_postgres_is_silent_on_every_connection() {
    needs!(Postgres);
    let server = Postgres::start(PostgresOptions::default()).await.unwrap();
    let client = connect(&server.url("postgres")).await;
    server.pause().await.unwrap();
    let asked = client.query_one("SELECT 1::bigint", &[]);
    tokio::pin!(asked);
    assert!(tokio::time::timeout(NO_ANSWER, &mut asked).await.is_err(), "a paused server answers");
    server.resume().unwrap();
    assert_eq!(asked.await.unwrap().get::<_, i64>(0), 1);
}

#[tokio::test]
async fn replicas_follow_and_the_synchronous_one_takes_over() {
    needs!(Postgres);
    let primary = Postgres::start(PostgresOptions::default()).await.unwrap();
    let near = primary.replica(Replication::Synchronous).await.unwrap();
    let far = primary.replica(Replication::Asynchronous).await.unwrap();
    let client = connect(&primary.url("postgres")).await;
    client.batch_execute("CREATE TABLE rows (id bigint); INSERT INTO rows VALUES (1)").await.unwrap();
    let states = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'";
    assert_eq!(number(&client, states).await, 1);
    for replica in [&near, &far] {
        becomes(
            &connect(&replica.url("postgres")).await,
            "SELECT count(*) FROM pg_class WHERE relname = 'rows'",
            1,
        )
        .await;
        let at_replica = connect(&replica.url("postgres")).await;
        becomes(&at_replica, "SELECT count(*) FROM rows", 1).await;
        assert!(
            at_replica.batch_execute("INSERT INTO rows VALUES (9)").await.is_err(),
            "a replica takes writes"
        );
    }
    near.pause().await.unwrap();
    let waits = client.batch_execute("INSERT INTO rows VALUES (2)");
    tokio::pin!(waits);
    assert!(
        tokio::time::timeout(NO_ANSWER, &mut waits).await.is_err(),
        "a commit doesn't wait for the replica"
    );
    near.resume().unwrap();
    waits.await.unwrap();
    far.pause().await.unwrap();
    client.batch_execute("INSERT INTO rows VALUES (3)").await.unwrap();
    primary.kill().await.unwrap();
    near.promote().await.unwrap();
    let promoted = connect(&near.url("postgres")).await;
    assert_eq!(number(&promoted, "SELECT count(*) FROM rows").await, 3);
    promoted.batch_execute("INSERT INTO rows VALUES (4)").await.unwrap();
}

#[tokio::test]
async fn a_promoted_replica_does_not_wait_for_the_old_primarys_replicas() {
    needs!(Postgres);
    let primary = Postgres::start(PostgresOptions::default()).await.unwrap();
    let _near = primary.replica(Replication::Synchronous).await.unwrap();
    let far = primary.replica(Replication::Asynchronous).await.unwrap();
    primary.kill().await.unwrap();
    far.promote().await.unwrap();
    let client = connect(&far.url("postgres")).await;
    let writes = client.batch_execute("CREATE TABLE rows (id bigint)");
    tokio::time::timeout(SOON, writes).await.expect("nobody is there to wait for").unwrap();
}

#[tokio::test]
async fn nats_comes_back_under_the_same_address_with_its_streams() {
    needs!(Nats);
    let server = Nats::start(NatsOptions::default()).await.unwrap();
    assert!(server.monitor("/varz").await.unwrap().contains("\"sync_always\": true"));
    assert!(server.store_dir().unwrap().is_dir());
    let url = server.url().to_owned();
    server.kill().await.unwrap();
    assert!(server.monitor("/varz").await.is_err());
    server.restart().await.unwrap();
    assert_eq!(server.url(), url);
    server.pause().await.unwrap();
    assert!(
        tokio::time::timeout(NO_ANSWER, server.monitor("/varz")).await.is_err(),
        "a paused server answers"
    );
    server.resume().unwrap();
    server.monitor("/varz").await.unwrap();
}

#[tokio::test]
async fn redis_forgets_unless_it_is_told_to_keep() {
    needs!(Redis);
    for append_only in [false, true] {
        let server = Redis::start(RedisOptions { append_only, ..RedisOptions::default() }).await.unwrap();
        assert_eq!(server.command(&["SET", "key", "1"]).await.unwrap(), "+OK");
        server.kill().await.unwrap();
        assert!(server.command(&["PING"]).await.is_err());
        server.restart().await.unwrap();
        assert_eq!(server.command(&["EXISTS", "key"]).await.unwrap() == ":1", append_only);
        server.pause().await.unwrap();
        assert!(tokio::time::timeout(NO_ANSWER, server.command(&["PING"])).await.is_err());
        server.resume().unwrap();
        assert_eq!(server.command(&["PING"]).await.unwrap(), "+PONG");
    }
}

/// Waits for the first byte of a RabbitMQ server's answer.
async fn greeted(address: std::net::SocketAddr) {
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stream, b"AMQP\x00\x00\x09\x01").await.unwrap();
    assert_eq!(tokio::io::AsyncReadExt::read_u8(&mut stream).await.unwrap(), 1);
}

/// Their programs are one and the same, and find each other by name: each has a name service of its own, which ends with it.
#[tokio::test]
async fn rabbitmq_servers_side_by_side_do_not_meet_and_come_back() {
    needs!(RabbitMq);
    let start = || RabbitMq::start(RabbitMqOptions::default());
    let (one, other) = tokio::join!(start(), start());
    let (one, other) = (one.unwrap(), other.unwrap());
    one.control(&["add_vhost", "mine"]).await.unwrap();
    assert!(!other.control(&["list_vhosts"]).await.unwrap().contains("mine"));
    other.kill().await.unwrap();
    assert!(tokio::net::TcpStream::connect(other.address().unwrap()).await.is_err());
    one.kill().await.unwrap();
    one.restart().await.unwrap();
    assert!(one.control(&["list_vhosts"]).await.unwrap().contains("mine"));
    one.pause().await.unwrap();
    let address = one.address().unwrap();
    assert!(tokio::time::timeout(NO_ANSWER, greeted(address)).await.is_err(), "a paused server answers");
    one.resume().unwrap();
    greeted(address).await;
}

#[tokio::test]
async fn servers_side_by_side_do_not_meet() {
    needs!(Postgres);
    needs!(Redis);
    let start = || Postgres::start(PostgresOptions::default());
    let (one, other) = tokio::join!(start(), start());
    let (one, other) = (one.unwrap(), other.unwrap());
    one.execute("CREATE DATABASE mine").await.unwrap();
    assert!(tokio_postgres::connect(&other.url("mine"), NoTls).await.is_err());
    let (one, other) = (
        Redis::start(RedisOptions::default()).await.unwrap(),
        Redis::start(RedisOptions::default()).await.unwrap(),
    );
    one.command(&["SET", "mine", "1"]).await.unwrap();
    assert_eq!(other.command(&["EXISTS", "mine"]).await.unwrap(), ":0");
}

#[tokio::test]
async fn why_a_server_does_not_start_is_told_by_its_log() {
    needs!(Postgres);
    let settings = vec![("shared_buffers".to_owned(), "nonsense".to_owned())];
    let options = PostgresOptions { settings, ..PostgresOptions::default() };
    let reason = format!("{:#}", Postgres::start(options).await.unwrap_err());
    assert!(reason.contains("invalid value for parameter \"shared_buffers\""), "{reason}");
}

#[tokio::test]
async fn after_a_failover_the_new_primary_gets_replicas_and_fails_over_again() {
    needs!(Postgres);
    let mut primary = Postgres::start(PostgresOptions::default()).await.unwrap();
    primary.execute("CREATE TABLE rows (id bigint)").await.unwrap();
    for round in 1..=3 {
        let near = primary.replica(Replication::Synchronous).await.unwrap();
        primary.execute(&format!("INSERT INTO rows VALUES ({round})")).await.unwrap();
        primary.kill().await.unwrap();
        near.promote().await.unwrap();
        assert_eq!(number(&connect(&near.url("postgres")).await, "SELECT count(*) FROM rows").await, round);
        primary = near;
    }
}

#[tokio::test]
async fn one_address_names_a_primary_and_its_replica() {
    needs!(Postgres);
    let primary = Postgres::start(PostgresOptions::default()).await.unwrap();
    let near = primary.replica(Replication::Synchronous).await.unwrap();
    let hosts = [near.address().unwrap(), primary.address().unwrap()];
    let url = format!("{}?target_session_attrs=read-write", primary.url_at(&hosts, "postgres").unwrap());
    assert_eq!(number(&connect(&url).await, "SELECT pg_is_in_recovery()::int::bigint").await, 0);
    primary.kill().await.unwrap();
    near.promote().await.unwrap();
    assert_eq!(number(&connect(&url).await, "SELECT pg_is_in_recovery()::int::bigint").await, 0);
}
