//! What is said to Redis.

use std::fmt::Write as _;
use std::time::Duration;

use ecs_limits::{Key, Quota};
use redis::aio::ConnectionManager;
use redis::{RedisResult, Script};

/// Charges what was let in, and then leases as much of what is wanted as there is room for. Times are whole microseconds: Lua has only
/// floating point, in which nanoseconds since 1970 don't fit; costs are rounded up. A bucket that is full is as good as none, so it
/// expires then. The cap is for a server whose clock was put back, by hand or by a fail-over.
const SETTLE: &str = "
    local time = redis.call('TIME')
    local now = time[1] * 1000000 + time[2]
    local interval, tolerance = tonumber(ARGV[1]), tonumber(ARGV[2])
    local charge, want = tonumber(ARGV[3]), tonumber(ARGV[4])
    local missing = math.max(0, tonumber(redis.call('GET', KEYS[1]) or now) - now)
    missing = math.min(missing, tolerance * 16 + math.ceil(interval * 64 / 1000))
    missing = math.max(0, missing + math.ceil(charge * interval / 1000))
    local room = math.floor((tolerance - missing) * 1000 / interval)
    local granted = math.max(0, math.min(want, room))
    missing = missing + math.ceil(granted * interval / 1000)
    if missing > 0 then
        redis.call('SET', KEYS[1], string.format('%.0f', now + missing), 'PX', math.ceil(missing / 1000))
    else
        redis.call('DEL', KEYS[1])
    end
    return {granted, missing}
";

/// Notes that a process is there, forgets those that were not heard of, and tells how many there are.
const PRESENT: &str = "
    local time = redis.call('TIME')
    local now = time[1] * 1000 + math.floor(time[2] / 1000)
    redis.call('ZADD', KEYS[1], now, ARGV[1])
    redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2])
    redis.call('PEXPIRE', KEYS[1], ARGV[2])
    return redis.call('ZCARD', KEYS[1])
";

/// Under which processes say that they are there.
const PRESENCE_KEY: &str = "ecs:v1:limits:processes";

/// The scripts, made once.
pub(crate) struct Scripts {
    settle: Script,
    present: Script,
}

/// What one key has to say.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settlement {
    pub(crate) key: Key,
    pub(crate) quota: Quota,
    /// Cells that were let in on credit, less those that were given back.
    pub(crate) charge: i64,
    /// Cells that would be good to have on lease.
    pub(crate) want: u32,
    /// When it was said, in nanoseconds since 1970 by this process's clock.
    pub(crate) now: u64,
}

/// What Redis says to that.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settled {
    /// Cells on lease.
    pub(crate) granted: u32,
    /// What the bucket misses now, in nanoseconds.
    pub(crate) missing: u64,
}

impl Scripts {
    pub(crate) fn new() -> Self {
        Self { settle: Script::new(SETTLE), present: Script::new(PRESENT) }
    }

    /// Settles in the order of the slice, in one round trip.
    pub(crate) async fn settle(
        &self,
        redis: &mut ConnectionManager,
        settlements: &[Settlement],
    ) -> RedisResult<Vec<Settled>> {
        let mut pipe = redis::pipe();
        // A pipeline can't find out half way that the server doesn't know a script.
        pipe.load_script(&self.settle).ignore();
        for settlement in settlements {
            let quota = &settlement.quota;
            let mut call = self.settle.key(name(&settlement.key));
            call.arg(quota.interval()).arg(quota.tolerance().div_ceil(1_000));
            call.arg(settlement.charge).arg(settlement.want);
            pipe.invoke_script(&call);
        }
        let answers: Vec<(u32, u64)> = pipe.query_async(redis).await?;
        let settled =
            |(granted, missing): (u32, u64)| Settled { granted, missing: missing.saturating_mul(1_000) };
        Ok(answers.into_iter().map(settled).collect())
    }

    /// How many processes there are, this one included, which is known by `name`.
    pub(crate) async fn present(
        &self,
        redis: &mut ConnectionManager,
        name: &str,
        forgotten_after: Duration,
    ) -> RedisResult<u32> {
        let mut call = self.present.key(PRESENCE_KEY);
        call.arg(name).arg(u64::try_from(forgotten_after.as_millis()).unwrap_or(u64::MAX));
        call.invoke_async(redis).await
    }
}

/// Whose bucket it is only those can tell who have the secret that the key was made with.
fn name(key: &Key) -> String {
    let mut name = String::from("ecs:v1:limit:");
    for byte in key.bytes() {
        // Writing to a string can't fail.
        let _ = write!(name, "{byte:02x}");
    }
    name
}
