//! The contract of limits, over a Redis of each behaviour's own.

use std::time::Duration;

use async_trait::async_trait;
use ecs_limits::{Limiter, Quota};
use ecs_limits_conformance::Harness;
use ecs_limits_redis::{credit, lease};
use ecs_servers::{Engine, Redis, RedisOptions, unavailable_privately};

use crate::support::{Process, eventually};

struct OverRedis {
    process: Process,
    /// Ends when this is dropped.
    _server: Redis,
}

#[async_trait]
impl Harness for OverRedis {
    const NAME: &'static str = "redis";

    fn unavailable() -> Option<String> {
        unavailable_privately(Engine::Redis)
    }

    async fn start() -> Self {
        let server = Redis::start(RedisOptions::default()).await.unwrap();
        let process = Process::start(server.url(), Duration::ZERO);
        eventually("connected", || process.stands() == (true, 1)).await;
        Self { process, _server: server }
    }

    fn limiter(&self) -> &dyn Limiter {
        self.process.limiter()
    }

    fn slack(quota: &Quota) -> u32 {
        2 * lease(quota) + credit(quota)
    }
}

ecs_limits_conformance::conformance!(OverRedis);
