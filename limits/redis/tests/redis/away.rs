//! Redis away: nobody waits, the gates stay shut, and they open no further than they should.

use std::time::{Duration, Instant};

use ecs_limits::Quota;

use crate::support::{Process, bound, eventually, hammer, key, own, processes};

const PROCESSES: u32 = 3;

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_redis_leaves_each_process_its_share_and_finds_the_books_in_order() {
    let Some(server) = own().await else { return };
    let processes = processes(server.url(), PROCESSES).await;
    let (quota, key) = ("60/s:60".parse::<Quota>().unwrap(), key("through it all"));
    let began = Instant::now();
    let second = Duration::from_secs(1);
    let before = hammer(&processes, &key, &quota, second).await;

    server.kill().await.unwrap();
    hammer(&processes, &key, &quota, second).await;
    assert!(
        processes.iter().all(|process| process.stands() == (false, PROCESSES)),
        "they know that it is away"
    );
    let away = hammer(&processes, &key, &quota, second * 2).await;
    eprintln!("{before} in the first second, {away} in two seconds without Redis");
    // By their shares: the rate of the quota, and not one burst more.
    assert!((90..=130).contains(&away), "{away} given where the rate is 120");

    server.restart().await.unwrap();
    eventually("found again", || processes.iter().all(|process| process.stands().0)).await;
    hammer(&processes, &key, &quota, second).await;
    let after = hammer(&processes, &key, &quota, second * 2).await;
    eprintln!("{after} in two seconds after its return");
    assert!((90..=140).contains(&after), "{after} given where the rate is 120");
    assert!(began.elapsed() < second * 30, "somebody waited for Redis");
}

/// Without ever having met Redis, too: what a key hasn't used for long is there at once.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_shut_out_by_a_redis_that_was_never_there() {
    let process = Process::start("redis://127.0.0.1:1", Duration::ZERO);
    let (quota, key) = ("1/h:3".parse::<Quota>().unwrap(), key("alone"));
    let given = (0..10).filter(|_| process.ask(&key, &quota).allowed).count();
    assert_eq!(given, 3);
    assert_eq!(process.stands(), (false, 1));
}

/// A server that takes everything and answers nothing costs no caller its time.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_is_one_that_is_away() {
    let Some(server) = own().await else { return };
    let processes = processes(server.url(), PROCESSES).await;
    let (quota, key) = ("30/s:60".parse::<Quota>().unwrap(), key("hanging"));
    server.pause().await.unwrap();
    let (began, time) = (Instant::now(), Duration::from_secs(2));
    let mut slowest = Duration::ZERO;
    let deadline = began + time;
    let mut given = 0;
    while Instant::now() < deadline {
        for process in &processes {
            let asked = Instant::now();
            given += u64::from(process.ask(&key, &quota).allowed);
            slowest = slowest.max(asked.elapsed());
        }
        tokio::time::sleep(Duration::from_micros(500)).await;
    }
    server.resume().unwrap();
    eprintln!("{given} given while it hung, the slowest answer after {slowest:?}");
    assert!(slowest < Duration::from_secs(1), "a caller waited for {slowest:?}");
    assert!(given >= 30 && given <= bound(&quota, began.elapsed(), PROCESSES), "{given} given");
    eventually("found again", || processes.iter().all(|process| process.stands().0)).await;
}
