//! The breaker as its callers meet it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use ecs_breaker::{Breaker, Open, Options, Refused, State};
use ecs_metrics::Metrics;

fn breaker() -> Breaker {
    Breaker::new("test", Options::default(), &Metrics::new())
}

fn fail(breaker: &Breaker, times: usize) {
    for _ in 0..times {
        breaker.admit().unwrap().failed();
    }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test(start_paused = true)]
async fn opens_after_five_failures_in_a_row_for_thirty_seconds() {
    let breaker = breaker();
    fail(&breaker, 4);
    breaker.admit().unwrap().succeeded();
    fail(&breaker, 4);
    assert_eq!(breaker.state(), State::Closed, "a success in between begins the count anew");
    fail(&breaker, 1);
    assert_eq!(breaker.admit().unwrap_err(), Open { retry_after: seconds(30) });
    tokio::time::advance(seconds(29)).await;
    assert_eq!(breaker.admit().unwrap_err(), Open { retry_after: seconds(1) });
    tokio::time::advance(seconds(1)).await;
    assert_eq!(breaker.state(), State::HalfOpen);
}

#[tokio::test(start_paused = true)]
async fn one_probe_at_a_time_decides() {
    let breaker = breaker();
    fail(&breaker, 5);
    tokio::time::advance(seconds(30)).await;
    let probe = breaker.admit().unwrap();
    assert!(probe.is_probe());
    assert!(breaker.admit().is_err(), "there is one place");
    drop(probe);
    breaker.admit().unwrap().failed();
    assert_eq!(breaker.admit().unwrap_err(), Open { retry_after: seconds(30) });
    tokio::time::advance(seconds(30)).await;
    breaker.admit().unwrap().succeeded();
    assert_eq!(breaker.state(), State::Closed);
    fail(&breaker, 4);
    assert_eq!(breaker.state(), State::Closed, "the count begins anew");
}

#[tokio::test(start_paused = true)]
async fn a_late_answer_changes_nothing() {
    let breaker = breaker();
    let (early, another) = (breaker.admit().unwrap(), breaker.admit().unwrap());
    fail(&breaker, 5);
    early.succeeded();
    assert_eq!(breaker.state(), State::Open);
    tokio::time::advance(seconds(30)).await;
    let probe = breaker.admit().unwrap();
    another.failed();
    assert_eq!(breaker.state(), State::HalfOpen, "nor does a late failure open it again");
    probe.succeeded();
    assert_eq!(breaker.state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn guards_a_call() {
    let breaker = breaker();
    let call = |result: Result<u32, &'static str>| {
        let breaker = breaker.clone();
        async move { breaker.call(async { result }, |error| *error == "lost").await }
    };
    for _ in 0..9 {
        assert_eq!(call(Err("not found")).await, Err(Refused::Failed("not found")));
    }
    assert_eq!(call(Ok(1)).await, Ok(1));
    for _ in 0..5 {
        assert_eq!(call(Err("lost")).await, Err(Refused::Failed("lost")));
    }
    assert_eq!(call(Ok(1)).await, Err(Refused::Open(Open { retry_after: seconds(30) })));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_given_up_counts_nothing_and_frees_its_place() {
    let breaker = breaker();
    fail(&breaker, 5);
    tokio::time::advance(seconds(30)).await;
    let endless = breaker.call(std::future::pending::<Result<(), ()>>(), |()| true);
    assert!(tokio::time::timeout(seconds(1), endless).await.is_err());
    assert_eq!(breaker.call(async { Ok::<_, ()>(7) }, |()| true).await, Ok(7));
    assert_eq!(breaker.state(), State::Closed);
}

/// Threads meet at a breaker that is half open, again and again.
#[test]
fn many_threads_get_one_probe() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _context = runtime.enter();
    let options = Options { failures: 1, open_for: Duration::ZERO, probes: 1 };
    let breaker = Breaker::new("threads", options, &Metrics::new());
    fail(&breaker, 1);
    let (under_way, most) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let start = Arc::new(Barrier::new(4));
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (breaker, start) = (breaker.clone(), Arc::clone(&start));
            let (under_way, most) = (Arc::clone(&under_way), Arc::clone(&most));
            std::thread::spawn(move || {
                start.wait();
                for _ in 0..20_000 {
                    if let Ok(probe) = breaker.admit() {
                        assert!(probe.is_probe());
                        most.fetch_max(under_way.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        under_way.fetch_sub(1, Ordering::SeqCst);
                        probe.failed();
                    }
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(most.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn shows_its_state_in_the_metrics() {
    let metrics = Metrics::new();
    let breaker = Breaker::new("shown", Options { failures: 1, ..Options::default() }, &metrics);
    let check = |state: u8, opened: u8| {
        let text = metrics.render();
        for line in [
            format!("ecs_breaker_state{{breaker=\"shown\"}} {state}\n"),
            format!("ecs_breaker_opened_total{{breaker=\"shown\"}} {opened}\n"),
        ] {
            assert!(text.contains(&line), "{line} in {text}");
        }
    };
    check(0, 0);
    fail(&breaker, 1);
    check(2, 1);
    tokio::time::advance(seconds(30)).await;
    let probe = breaker.admit().unwrap();
    check(1, 1);
    probe.succeeded();
    check(0, 1);
}
