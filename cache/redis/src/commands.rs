//! What is said to Redis.
//!
//! A generation stands behind its epoch: 16 bytes each, the epoch first. Entries and the epoch stand as they are.

use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use redis::aio::MultiplexedConnection;
use redis::{RedisResult, Script, ScriptInvocation, cmd, pipe};

use crate::owed::Owed;

/// Under which the epoch is kept. An eviction ends it, as any loss of it does.
const EPOCH_KEY: &str = "ecs:v1:epoch";
const EPOCH_BYTES: usize = 16;

/// How many keys one command removes at most, so that none takes long.
const KEYS_AT_ONCE: usize = 1_000;

/// The generation, begun unless there is one of this epoch; an epoch is begun when there is none. Behind it the entry, where one is asked
/// for, and how long it still lives.
const LOOK: &str = "
    local epoch = redis.call('GET', KEYS[1])
    if not epoch then
        epoch = ARGV[1]
        redis.call('SET', KEYS[1], epoch)
    end
    local held = redis.call('GET', KEYS[2])
    if not held or string.sub(held, 1, #epoch) ~= epoch then
        redis.call('SET', KEYS[2], epoch .. ARGV[2], 'PX', ARGV[3])
        return {ARGV[2], false, -2}
    end
    local generation = string.sub(held, #epoch + 1)
    if not KEYS[3] then
        return {generation, false, -2}
    end
    return {generation, redis.call('GET', KEYS[3]), redis.call('PTTL', KEYS[3])}
";

static SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(LOOK));

/// Loads the script, or each of those who first want it at the same time would do so.
pub(crate) async fn teach(connection: &mut MultiplexedConnection) -> RedisResult<()> {
    SCRIPT.prepare_invoke().load_async(connection).await.map(drop)
}

/// An entry and how long it still lives.
pub(crate) type Entry = Option<(Bytes, Duration)>;

/// The generation, if it is one of the current epoch.
pub(crate) async fn generation(
    connection: &mut MultiplexedConnection,
    generation_key: &str,
) -> RedisResult<Option<Bytes>> {
    let (epoch, held) = cmd("MGET").arg(EPOCH_KEY).arg(generation_key).query_async(connection).await?;
    Ok(current(epoch, held))
}

/// The entry.
pub(crate) async fn entry(connection: &mut MultiplexedConnection, key: &str) -> RedisResult<Entry> {
    let (entry, ttl_ms) = pipe().cmd("GET").arg(key).cmd("PTTL").arg(key).query_async(connection).await?;
    Ok(alive(entry, ttl_ms))
}

/// Both in one round trip, which begins a generation when there is none.
pub(crate) async fn generation_and_entry(
    connection: &mut MultiplexedConnection,
    generation_key: &str,
    key: &str,
    offered: &[u8],
    ttl: Duration,
) -> RedisResult<(Bytes, Entry)> {
    let mut call = looking(generation_key, offered, ttl);
    let (generation, entry, ttl_ms) = call.key(key).invoke_async(connection).await?;
    Ok((generation, alive(entry, ttl_ms)))
}

/// Begins a generation unless there is one, and returns the one that there is.
pub(crate) async fn begin_generation(
    connection: &mut MultiplexedConnection,
    generation_key: &str,
    offered: &[u8],
    ttl: Duration,
) -> RedisResult<Bytes> {
    let found: (Bytes, Option<Bytes>, i64) =
        looking(generation_key, offered, ttl).invoke_async(connection).await?;
    Ok(found.0)
}

/// A call of the script, without an entry's key.
fn looking(generation_key: &str, offered: &[u8], ttl: Duration) -> ScriptInvocation<'static> {
    let mut call = SCRIPT.key(EPOCH_KEY);
    call.key(generation_key).arg(&new_epoch()).arg(offered).arg(milliseconds(ttl));
    call
}

/// Puts an entry.
pub(crate) async fn put(
    connection: &mut MultiplexedConnection,
    key: &str,
    entry: &[u8],
    ttl: Duration,
) -> RedisResult<()> {
    cmd("SET").arg(key).arg(entry).arg("PX").arg(milliseconds(ttl)).query_async(connection).await
}

/// Ends generations.
pub(crate) async fn end(connection: &mut MultiplexedConnection, keys: &[String]) -> RedisResult<()> {
    for keys in keys.chunks(KEYS_AT_ONCE) {
        cmd("UNLINK").arg(keys).query_async::<()>(connection).await?;
    }
    Ok(())
}

/// Makes good what is owed: ends generations, or all of them by a new epoch.
pub(crate) async fn settle(connection: &mut MultiplexedConnection, owed: &Owed) -> RedisResult<()> {
    match owed {
        Owed::Keys(keys) => end(connection, &keys.iter().cloned().collect::<Vec<_>>()).await,
        Owed::Everything => cmd("SET").arg(EPOCH_KEY).arg(&new_epoch()).query_async::<()>(connection).await,
    }
}

/// Which run of the server this is: another after each restart, and on each replica that takes over.
pub(crate) async fn run_id(connection: &mut MultiplexedConnection) -> RedisResult<Option<String>> {
    let info: String = cmd("INFO").arg("server").query_async(connection).await?;
    Ok(info.lines().find_map(|line| line.strip_prefix("run_id:")).map(|id| id.trim().to_owned()))
}

fn new_epoch() -> [u8; EPOCH_BYTES] {
    rand::random()
}

/// The generation behind its epoch, if that is the current one.
fn current(epoch: Option<Bytes>, held: Option<Bytes>) -> Option<Bytes> {
    let (epoch, mut held) = (epoch?, held?);
    if !held.starts_with(&epoch) {
        return None;
    }
    Some(held.split_off(epoch.len()))
}

/// An entry without an end, which we never make, is none.
fn alive(entry: Option<Bytes>, ttl_ms: i64) -> Entry {
    let ttl_ms = u64::try_from(ttl_ms).ok().filter(|ms| *ms > 0)?;
    Some((entry?, Duration::from_millis(ttl_ms)))
}

/// Redis knows no time to live of 0.
fn milliseconds(ttl: Duration) -> u64 {
    u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX).max(1)
}
