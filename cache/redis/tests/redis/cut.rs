//! A network that is cut between one process and Redis, which runs on and is reached by others.

use ecs_servers::{Proxy, Redis};

use crate::support::{PATIENCE, Process, Truth, cached, durable, eventually, key, options, user};

struct Cut {
    proxy: Proxy,
    /// The one that is cut off.
    one: Process,
    other: Process,
    truth: Truth,
    _server: Redis,
}

/// Both processes have cached users 0 and 1; then one of them is cut off.
async fn cut(max_owed: usize) -> Option<Cut> {
    let (server, truth) = (durable().await?, Truth::default());
    let proxy = Proxy::start(server.address().unwrap()).await.unwrap();
    let url = server.url_at(proxy.address()).unwrap();
    let one = Process::starting(ecs_cache_redis::Options { max_owed, ..options(&url) });
    one.connected().await;
    let other = Process::over(server.url()).await;
    for process in [&one, &other] {
        for number in [0, 1] {
            process.read(key(number), &truth).await;
        }
    }
    assert_eq!(truth.loads(), 2);
    proxy.cut().await;
    Some(Cut { proxy, one, other, truth, _server: server })
}

/// Reads until the value is that.
async fn learns(process: &Process, number: u128, truth: &Truth, expect: u64) {
    let begun = std::time::Instant::now();
    while process.read(key(number), truth).await != expect {
        assert!(begun.elapsed() < PATIENCE, "a stale value outlives the cut");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_was_invalidated_during_a_cut_is_made_good_when_it_heals() {
    let Some(Cut { proxy, one, other, truth, _server }) = cut(10).await else { return };
    let now = truth.change();
    one.cache.invalidate([user(0)]).await;
    assert_eq!(one.read(key(0), &truth).await, now, "it reads past the cache");
    assert!(!one.backend.is_connected());
    proxy.heal().await.unwrap();
    learns(&other, 0, &truth, now).await;
    one.connected().await;
    assert_eq!(one.read(key(0), &truth).await, now);
    let loads = truth.loads();
    assert_eq!(other.read(key(1), &truth).await, 0, "what was not invalidated is still cached");
    assert_eq!(truth.loads(), loads);
}

#[tokio::test]
async fn more_than_is_remembered_ends_everything() {
    let Some(Cut { proxy, one, other, truth, _server }) = cut(2).await else { return };
    let now = truth.change();
    for number in [0, 2, 3] {
        one.cache.invalidate([user(number)]).await;
    }
    proxy.heal().await.unwrap();
    learns(&other, 0, &truth, now).await;
    learns(&other, 1, &truth, now).await;
}

#[tokio::test]
async fn a_connection_that_swallows_everything_is_given_up() {
    let Some(Cut { proxy, one, other, truth, _server }) = cut(10).await else { return };
    proxy.heal().await.unwrap();
    one.connected().await;
    cached(&one, key(0), &truth).await;
    proxy.pause();
    let now = truth.change();
    one.cache.invalidate([user(0)]).await;
    assert_eq!(one.read(key(0), &truth).await, now, "an invalidation without an answer has failed");
    eventually("disconnected", || !one.backend.is_connected()).await;
    proxy.heal().await.unwrap();
    learns(&other, 0, &truth, now).await;
}

#[tokio::test]
async fn an_invalidation_outlives_the_caller_that_goes_away() {
    let Some(Cut { proxy, one, other, truth, _server }) = cut(10).await else { return };
    proxy.heal().await.unwrap();
    one.connected().await;
    let now = truth.change();
    let mut invalidation = Box::pin(one.cache.invalidate([user(0)]));
    // One poll begins it, and then nobody waits for it any more.
    assert!(
        std::future::poll_fn(|context| std::task::Poll::Ready(
            invalidation.as_mut().poll(context).is_pending()
        ))
        .await
    );
    drop(invalidation);
    learns(&other, 0, &truth, now).await;
}
