//! Redis that comes back with what it had before: nothing of that is served.

use ecs_servers::Redis;

use crate::support::{Process, Truth, cached, durable, key, lent, user};

/// The server's old keys are there again, or a test of them shows nothing.
async fn has_old_keys(server: &Redis) {
    let keys = server.command(&["DBSIZE"]).await.unwrap();
    assert_ne!(keys, ":0", "the server has come back empty");
}

#[tokio::test]
async fn an_invalidation_missed_while_redis_was_away_brings_nothing_stale_back() {
    let Some(server) = durable().await else { return };
    let truth = Truth::default();
    let (one, two) = (Process::over(server.url()).await, Process::over(server.url()).await);
    for process in [&one, &two] {
        process.read(key(0), &truth).await;
    }
    server.kill().await.unwrap();
    let now = truth.change();
    one.cache.invalidate([user(0)]).await;
    assert_eq!(one.read(key(0), &truth).await, now, "this process knows what it owes");
    server.restart().await.unwrap();
    has_old_keys(&server).await;
    for process in [&two, &one] {
        cached(process, key(0), &truth).await;
    }
}

#[tokio::test]
async fn the_process_that_owed_the_invalidation_may_be_dead_when_redis_comes_back() {
    let Some(server) = durable().await else { return };
    let truth = Truth::default();
    let (one, two) = (Process::over(server.url()).await, Process::over(server.url()).await);
    one.read(key(0), &truth).await;
    server.kill().await.unwrap();
    truth.change();
    one.cache.invalidate([user(0)]).await;
    drop(one);
    server.restart().await.unwrap();
    has_old_keys(&server).await;
    cached(&two, key(0), &truth).await;
}

#[tokio::test]
async fn a_process_that_died_between_commit_and_invalidation_makes_it_good_at_its_next_start() {
    let Some(server) = lent().await else { return };
    let truth = Truth::default();
    let (one, two) = (Process::over(server.url()).await, Process::over(server.url()).await);
    one.read(key(0), &truth).await;
    let now = truth.change();
    drop(one);
    let again = Process::over(server.url()).await;
    for process in [&again, &two] {
        assert_eq!(process.read(key(0), &truth).await, now);
    }
}
