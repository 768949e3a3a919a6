//! What each level answers, in how many round trips, and what nobody may see.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use ecs_cache::Backend;
use ecs_cache_redis::{OpenError, Options, RedisBackend};
use ecs_servers::Redis;

use crate::support::{LONG, Process, Truth, eventually, key, lent, options, own, user};

/// How often each command was called since the counts were reset.
async fn calls(server: &Redis) -> BTreeMap<String, u64> {
    let answer = server.command(&["INFO", "commandstats"]).await.unwrap();
    let count = |line: &str| {
        let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        let ours = !matches!(name, "auth" | "quit" | "info" | "config|resetstat");
        ours.then(|| (name.to_owned(), rest.split(',').next().unwrap().parse().unwrap()))
    };
    answer.lines().filter_map(count).collect()
}

/// The counts of what happens in `work`.
async fn counted(server: &Redis, work: impl Future<Output = u64>) -> BTreeMap<String, u64> {
    server.command(&["CONFIG", "RESETSTAT"]).await.unwrap();
    work.await;
    calls(server).await
}

fn of(expect: &[(&str, u64)]) -> BTreeMap<String, u64> {
    expect.iter().map(|(name, calls)| ((*name).to_owned(), *calls)).collect()
}

#[tokio::test]
async fn a_hit_is_one_round_trip_at_either_level() {
    let Some(server) = own().await else { return };
    let truth = Truth::default();
    let (one, two) = (Process::over(server.url()).await, Process::over(server.url()).await);
    one.read(key(0), &truth).await;
    // What a script calls travels with it.
    let far = counted(&server, two.read(key(0), &truth)).await;
    assert_eq!(
        far,
        of(&[("evalsha", 1), ("get", 3), ("pttl", 1)]),
        "one script, generation and entry together"
    );
    let near = counted(&server, two.read(key(0), &truth)).await;
    assert_eq!(near, of(&[("mget", 1)]), "the level has the entry, Redis says whether it counts");
    assert_eq!(truth.loads(), 1);

    let text = two.metrics.render();
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("cache")).collect();
    let says = |level: &str, result: &str| {
        lines.iter().any(|line| line.contains(level) && line.contains(result) && line.ends_with(" 1"))
    };
    assert!(says("process", "hit") && says("process", "miss") && says("redis", "hit"), "{lines:#?}");
}

#[tokio::test]
async fn a_miss_costs_a_look_and_a_put() {
    let Some(server) = own().await else { return };
    let truth = Truth::default();
    let process = Process::over(server.url()).await;
    process.read(key(1), &truth).await;
    // `get` and one of the two `set` are the script's own.
    let new = counted(&server, process.read(key(2), &truth)).await;
    assert_eq!(new, of(&[("evalsha", 1), ("get", 2), ("set", 2)]), "the look begins the generation");
    process.cache.invalidate([user(1)]).await;
    let seen = counted(&server, process.read(key(1), &truth)).await;
    assert_eq!(seen, of(&[("evalsha", 1), ("get", 2), ("mget", 1), ("set", 2)]), "the level had an entry");
}

#[tokio::test]
async fn an_entry_of_the_level_goes_with_its_generation() {
    let Some(server) = lent().await else { return };
    let truth = Truth::default();
    let (one, two) = (Process::over(server.url()).await, Process::over(server.url()).await);
    for process in [&one, &two] {
        assert_eq!(process.read(key(0), &truth).await, 0);
    }
    let now = truth.change();
    one.cache.invalidate([user(0)]).await;
    assert_eq!(two.read(key(0), &truth).await, now, "a removal is seen by every process");
    assert_eq!(one.read(key(0), &truth).await, now);
    assert_eq!(truth.loads(), 2, "the level's old entry gives way to the new one in Redis");
}

#[tokio::test]
async fn an_evicted_epoch_ends_everything_and_brings_nothing_back() {
    let Some(server) = own().await else { return };
    let truth = Truth::default();
    let process = Process::over(server.url()).await;
    process.read(key(0), &truth).await;
    assert_eq!(server.command(&["DEL", "ecs:v1:epoch"]).await.unwrap(), ":1");
    let now = truth.change();
    assert_eq!(process.read(key(0), &truth).await, now);
    assert_eq!(process.read(key(0), &truth).await, now);
    assert_eq!(truth.loads(), 2);
}

#[tokio::test]
async fn an_entry_is_not_found_once_its_time_is_over_at_either_level() {
    let Some(server) = lent().await else { return };
    let (one, two) = (Process::over(server.url()).await, Process::over(server.url()).await);
    let generation = user(0).generation_key();
    one.backend.begin_generation(&generation, Bytes::from_static(b"g"), LONG).await.unwrap();
    one.backend.put("entry", Bytes::from_static(b"g value"), Duration::from_millis(150)).await.unwrap();
    // The other process's level takes over what is left of the time, and no more.
    let seen = two.backend.find(&generation, "entry").await.unwrap().entry;
    assert!(seen.is_none_or(|entry| entry == b"g value"[..]));
    let (name, gone) = ("expired".to_owned(), std::cell::Cell::new(false));
    for process in [&one, &two] {
        gone.set(false);
        let begun = std::time::Instant::now();
        while !gone.get() && begun.elapsed() < Duration::from_secs(10) {
            gone.set(process.backend.find(&generation, "entry").await.unwrap().entry.is_none());
        }
        eventually(&name, || gone.get()).await;
    }
}

#[tokio::test]
async fn a_password_is_in_no_error_and_no_debug_text() {
    let options = options("redis://:hunter2@127.0.0.1:1/0");
    assert!(!format!("{options:?}").contains("hunter2"));
    let backend = RedisBackend::open(options).unwrap();
    let error = backend.find("generation", "key").await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("hunter2"));
    let check = |url: &str| {
        let error = RedisBackend::open(Options::new(url)).err().unwrap();
        assert_eq!(error, OpenError::Address, "{url}");
        assert!(!error.to_string().contains("hunter2"));
    };
    check("redis//:hunter2@127.0.0.1");
    check("http://:hunter2@127.0.0.1");
    check("");
}
