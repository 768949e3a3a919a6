//! Three processes that share a Redis.

use std::time::{Duration, Instant};

use ecs_limits::Quota;

use crate::support::{bound, eventually, hammer, key, own, processes};

const PROCESSES: u32 = 3;

#[tokio::test(flavor = "multi_thread")]
async fn together_they_give_what_the_quota_says_within_the_stated_bound() {
    let Some(server) = own().await else { return };
    let processes = processes(server.url(), PROCESSES).await;
    // Whether a slow machine, too, asks as often as it may.
    let rows =
        [("100/s:200", 3, true), ("20/s:40", 3, true), ("2000/s:4000", 2, false), ("10/15m:10", 1, true)];
    for (text, seconds, is_asked) in rows {
        let quota: Quota = text.parse().unwrap();
        let began = Instant::now();
        let given = hammer(&processes, &key(text), &quota, Duration::from_secs(seconds)).await;
        let most = bound(&quota, began.elapsed(), PROCESSES);
        let rate = seconds * 1_000_000_000 / quota.interval();
        // What is lost is a lease here and there, beside the last one that nobody could spend any more.
        let least = (u64::from(quota.burst()) + if is_asked { rate } else { 0 }) * 8 / 10;
        eprintln!(
            "{text} over {seconds} s: {given} given; the quota says {}, the bound {most}",
            rate + u64::from(quota.burst())
        );
        assert!(given <= most, "{text}: {given} given, {most} allowed");
        assert!(given >= least, "{text}: {given} given, at least {least} expected");
    }
}

/// The credit that each process has is charged: in the long run nobody gains by asking all of them.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_given_on_credit_is_charged() {
    let Some(server) = own().await else { return };
    let processes = processes(server.url(), PROCESSES).await;
    let (quota, key) = ("10/s:8".parse::<Quota>().unwrap(), key("credit"));
    hammer(&processes, &key, &quota, Duration::from_secs(1)).await;
    let given = hammer(&processes, &key, &quota, Duration::from_secs(3)).await;
    eprintln!("30 cells and no burst: {given} given");
    assert!((20..=36).contains(&given), "{given} given where the rate is 30");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_refused_by_one_is_refused_by_all_as_soon_as_they_know() {
    let Some(server) = own().await else { return };
    let processes = processes(server.url(), PROCESSES).await;
    let (quota, key) = ("1/h:12".parse::<Quota>().unwrap(), key("refused"));
    for process in &processes {
        let is_used_up = || {
            let refused = process.ask(&key, &quota);
            !refused.allowed && refused.remaining == 0
        };
        eventually("used up", is_used_up).await;
        let refused = process.ask(&key, &quota);
        assert!(refused.retry_after > Duration::from_secs(1_800), "{refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_given_back_to_one_can_be_had_again() {
    let Some(server) = own().await else { return };
    let processes = processes(server.url(), 2).await;
    let (quota, key) = ("10/15m".parse::<Quota>().unwrap(), key("given back"));
    for _ in 0..50 {
        eventually("let in", || processes[0].ask(&key, &quota).allowed).await;
        processes[0].give_back(&key, &quota);
    }
    // Nothing is left of it elsewhere.
    eventually("let in elsewhere", || {
        let decision = processes[1].ask(&key, &quota);
        processes[1].give_back(&key, &quota);
        decision.remaining >= 8
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_on_the_server_tells_nothing() {
    let Some(server) = own().await else { return };
    let processes = processes(server.url(), 1).await;
    let quota: Quota = "10/15m".parse().unwrap();
    processes[0].ask(&key("ana@example.com"), &quota);
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let names = server.command(&["KEYS", "*"]).await.unwrap();
        assert!(!names.contains("ana"), "{names}");
        if names.contains("ecs:v1:limit:") {
            break;
        }
        assert!(Instant::now() < deadline, "nothing was told");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
