//! The last writes of users, shared in Redis: who writes through one process and reads through another finds the write, though the
//! read goes to a replica.
//!
//! Redis is asked once per such a read and told once per write. While it is away the reads go to the primary. One that comes
//! back without its memory lets a user meet an answer that is as old as replicas may be behind: two seconds.

use std::time::Duration;

use async_trait::async_trait;
use ecs_breaker::Breaker;
use ecs_domain::UserId;
use ecs_metrics::Metrics;
use ecs_store_postgres::{Lsn, RecentWrites, RecentWritesError};
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{AsyncCommands as _, Client, RedisResult, Script};

/// How long a place is kept. A replica that is further behind is not read at all.
const KEPT: Duration = Duration::from_secs(120);
/// How long Redis may take: the primary would have answered by then.
const PATIENCE: Duration = Duration::from_millis(100);

/// Notes a place under each key that holds none or an earlier one. Places are texts of one length, so they sort as numbers.
const RAISE: &str = "
    for _, key in ipairs(KEYS) do
        local held = redis.call('GET', key)
        if not held or held < ARGV[1] then
            redis.call('SET', key, ARGV[1], 'PX', ARGV[2])
        end
    end
";

/// The places in Redis.
pub(super) struct InRedis {
    redis: ConnectionManager,
    raise: Script,
    breaker: Breaker,
}

impl InRedis {
    /// Connects when it is first asked.
    pub(super) fn new(redis: Client, metrics: &Metrics) -> RedisResult<Self> {
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(1)
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE));
        let redis = ConnectionManager::new_lazy_with_config(redis, config)?;
        let breaker = Breaker::new("redis-recent-writes", ecs_breaker::Options::default(), metrics);
        Ok(Self { redis, raise: Script::new(RAISE), breaker })
    }

    /// An answer in time, or none. Why there is none is the breaker's to show; the text of the error could hold an address.
    async fn asked<T>(&self, work: impl Future<Output = RedisResult<T>>) -> Result<T, RecentWritesError> {
        let in_time = async {
            match tokio::time::timeout(PATIENCE, work).await {
                Ok(Ok(answer)) => Ok(answer),
                Ok(Err(_)) | Err(_) => Err(RecentWritesError),
            }
        };
        self.breaker.call(in_time, |_| true).await.map_err(|_| RecentWritesError)
    }
}

#[async_trait]
impl RecentWrites for InRedis {
    async fn note(&self, users: &[UserId], lsn: Lsn) -> Result<(), RecentWritesError> {
        let mut raise = self.raise.prepare_invoke();
        for user in users {
            raise.key(key(*user));
        }
        raise.arg(word(lsn)).arg(u64::try_from(KEPT.as_millis()).unwrap_or(u64::MAX));
        let mut redis = self.redis.clone();
        self.asked(raise.invoke_async(&mut redis)).await
    }

    async fn last(&self, user: UserId) -> Result<Option<Lsn>, RecentWritesError> {
        let mut redis = self.redis.clone();
        let held: Option<String> = self.asked(redis.get(key(user))).await?;
        held.map(|word| place(&word).ok_or(RecentWritesError)).transpose()
    }
}

fn key(user: UserId) -> String {
    format!("ecs:v1:written:{user}")
}

fn word(Lsn { timeline, offset }: Lsn) -> String {
    format!("{timeline:08x}{offset:016x}")
}

fn place(word: &str) -> Option<Lsn> {
    let (timeline, offset) = word.split_at_checked(8)?;
    Some(Lsn {
        timeline: u32::from_str_radix(timeline, 16).ok()?,
        offset: u64::from_str_radix(offset, 16).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_place_never_goes_back_and_every_process_sees_it() {
        if let Some(reason) = ecs_servers::unavailable(ecs_servers::Engine::Redis) {
            return ecs_servers::did_not_run("recent writes in Redis", &reason);
        }
        let server = ecs_servers::Redis::start(ecs_servers::RedisOptions::default()).await.unwrap();
        let [one, other] =
            [(); 2].map(|()| InRedis::new(Client::open(server.url()).unwrap(), &Metrics::new()).unwrap());
        let [ana, bia] = [1, 2].map(|n| UserId::new(uuid::Uuid::from_u128(n)));
        let at = |timeline, offset| Lsn { timeline, offset };
        assert_eq!(one.last(ana).await.unwrap(), None);
        for (noted, expect) in [
            (at(1, 9), at(1, 9)),
            (at(1, 10), at(1, 10)),
            (at(1, 2), at(1, 10)),
            (at(2, 3), at(2, 3)),
            (at(1, u64::MAX), at(2, 3)),
        ] {
            one.note(&[ana, bia], noted).await.unwrap();
            assert_eq!(other.last(ana).await.unwrap(), Some(expect), "{noted:?}");
            assert_eq!(other.last(bia).await.unwrap(), Some(expect), "{noted:?}");
        }
        server.kill().await.unwrap();
        assert!(other.last(ana).await.is_err(), "what can't be told is not taken for nothing");
        assert!(one.note(&[ana], at(3, 1)).await.is_err());
    }
}
