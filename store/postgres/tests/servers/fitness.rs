//! Servers that would answer for what they have not flushed are refused, by the setting's name.

use ecs_servers::{Postgres, PostgresOptions};
use ecs_store::{StoreError, Users};
use ecs_store_conformance::fixtures::new_user;
use ecs_store_postgres::{Options, PostgresStore};
use ecs_vault::Keyring;

use crate::{can_run, can_start, support};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_synchronous_commit_is_refused() {
    if !can_run("synchronous_commit=off") {
        return;
    }
    let database = support::database().await;
    let url = format!("{}?options=-c%20synchronous_commit%3Doff", database.url());
    let refused = PostgresStore::open(Options::new(url), Keyring::in_memory()).await.err().unwrap();
    assert!(
        matches!(&refused, StoreError::Corrupt(why) if why.contains("synchronous_commit=off")),
        "{refused}"
    );
    let client = support::client(database.url()).await;
    client
        .batch_execute(
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = off', current_database()); END $$",
        )
        .await
        .unwrap();
    let refused =
        PostgresStore::open(Options::new(database.url()), Keyring::in_memory()).await.err().unwrap();
    assert!(refused.to_string().contains("synchronous_commit=off"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_fsync_is_refused_unless_a_test_wants_it() {
    if !can_start("fsync=off") {
        return;
    }
    let settings = vec![("fsync".to_owned(), "off".to_owned())];
    let server = Postgres::start(PostgresOptions { settings, ..PostgresOptions::default() }).await.unwrap();
    let mut options = Options::new(server.url("postgres"));
    let refused = PostgresStore::open(options.clone(), Keyring::in_memory()).await.err().unwrap();
    assert!(matches!(&refused, StoreError::Corrupt(why) if why.contains("fsync=off")), "{refused}");
    options.accept_unflushed = true;
    PostgresStore::open(options, Keyring::in_memory()).await.unwrap();
}

/// As after an upgrade of the operating system, whose collations have another version: the server says so whenever somebody
/// connects. It says nothing about commits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_warning_at_the_start_of_a_connection_is_none_about_a_commit() {
    if !can_run("a warning about collations") {
        return;
    }
    let database = support::database().await;
    let outdated = "UPDATE pg_database SET datcollversion = 'older' WHERE datname = current_database()";
    support::client(database.url()).await.batch_execute(outdated).await.unwrap();
    let store = PostgresStore::open(Options::new(database.url()), Keyring::in_memory()).await.unwrap();
    store.register(new_user(1, "ana@example.com"), None).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_a_newer_binary_wrote_is_refused() {
    if !can_run("a newer database") {
        return;
    }
    let database = support::database().await;
    let options = Options::new(database.url());
    assert_eq!(PostgresStore::pending_migrations(&options).await.unwrap(), []);
    let client = support::client(database.url()).await;
    let later = "INSERT INTO schema_migrations VALUES (9999, 'later', '', now())";
    client.batch_execute(later).await.unwrap();
    let refused = PostgresStore::open(options.clone(), Keyring::in_memory()).await.err().unwrap().to_string();
    assert!(refused.contains("use a newer binary"), "{refused}");
    let changed =
        "DELETE FROM schema_migrations WHERE version = 9999; UPDATE schema_migrations SET checksum = 'other'";
    client.batch_execute(changed).await.unwrap();
    let refused = PostgresStore::open(options, Keyring::in_memory()).await.err().unwrap().to_string();
    assert!(refused.contains("accounts_and_credit"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_processes_that_start_at_once_one_migrates() {
    if !can_run("migrations at once") {
        return;
    }
    let server = Postgres::shared().await.unwrap();
    let empty = ecs_servers::Template::new("empty", |_| async { Ok(()) });
    let database = server.database(empty).await.unwrap();
    let options = Options::new(database.url());
    let pending = PostgresStore::pending_migrations(&options).await.unwrap();
    assert!(!pending.is_empty());
    let (one, other) = tokio::join!(PostgresStore::migrate(&options), PostgresStore::migrate(&options));
    let (one, other) = (one.unwrap(), other.unwrap());
    assert!(one.is_empty() != other.is_empty(), "{one:?} and {other:?}");
    assert_eq!([one, other].concat(), pending);
}
