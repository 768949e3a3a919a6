//! Processes as far as limits are concerned, each with a clock of its own.

use std::time::{Duration, Instant};

use ecs_domain::Timestamp;
use ecs_limits::{Decision, Key, Keys, Limiter as _, Quota};
use ecs_limits_redis::{LeasedLimiter, Options, credit, lease};
use ecs_servers::{Engine, Redis, RedisOptions, did_not_run, unavailable_privately};

/// How long a test waits for what happens soon.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server of the test's own; `None`, and said aloud, where none can be started.
pub(crate) async fn own() -> Option<Redis> {
    if let Some(reason) = unavailable_privately(Engine::Redis) {
        // The harness names the thread of a test after it.
        did_not_run(std::thread::current().name().unwrap_or("a test of limits over Redis"), &reason);
        return None;
    }
    Some(Redis::start(RedisOptions::default()).await.unwrap())
}

/// A process whose clock is ahead by so much.
pub(crate) struct Process {
    limiter: LeasedLimiter,
    ahead: Duration,
}

impl Process {
    pub(crate) fn start(url: &str, ahead: Duration) -> Self {
        let options = Options { presence: Duration::from_millis(300), ..Options::new(url) };
        Self { limiter: LeasedLimiter::open(&options).unwrap(), ahead }
    }

    pub(crate) fn ask(&self, key: &Key, quota: &Quota) -> Decision {
        self.limiter.check(key, quota, 1, Timestamp::now() + self.ahead)
    }

    pub(crate) fn give_back(&self, key: &Key, quota: &Quota) {
        self.limiter.give_back(key, quota, 1, Timestamp::now() + self.ahead);
    }

    pub(crate) fn limiter(&self) -> &LeasedLimiter {
        &self.limiter
    }

    pub(crate) fn stands(&self) -> (bool, u32) {
        self.limiter.stands()
    }
}

/// So many processes that know of each other, an hour apart by their clocks.
pub(crate) async fn processes(url: &str, count: u32) -> Vec<Process> {
    let hour = Duration::from_secs(3600);
    let processes: Vec<_> = (0..count).map(|number| Process::start(url, hour * number)).collect();
    eventually("together", || processes.iter().all(|process| process.stands() == (true, count))).await;
    processes
}

pub(crate) fn key(name: &str) -> Key {
    Keys::new([7; 32]).of(["test", "user"], name.as_bytes())
}

/// Polls until it holds.
pub(crate) async fn eventually(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "not {what} in time");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Asks all processes as fast as they answer, for so long. Returns how many cells they gave together.
pub(crate) async fn hammer(processes: &[Process], key: &Key, quota: &Quota, time: Duration) -> u64 {
    let deadline = Instant::now() + time;
    let mut given = 0;
    while Instant::now() < deadline {
        for process in processes.iter().cycle().take(processes.len() * 10) {
            given += u64::from(process.ask(key, quota).allowed);
        }
        // The runtime's timers are no finer; what lies between is the time of the task that settles.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    given
}

/// The most that a key may get in `time` from so many processes: what the quota says, and what the documentation adds.
pub(crate) fn bound(quota: &Quota, time: Duration, processes: u32) -> u64 {
    let rate = u64::try_from(time.as_nanos()).unwrap() / quota.interval() + 1;
    let slack = processes * (2 * lease(quota) + credit(quota));
    rate + u64::from(quota.burst()) + u64::from(slack)
}
