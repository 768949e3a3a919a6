//! The cache's contract, one behaviour per server at a time: a process that starts ends whatever others have cached.

use async_trait::async_trait;
use ecs_cache::{Backend, Cache};
use ecs_cache_conformance::Harness;
use ecs_servers::{Engine, Redis};

use crate::support::Process;

struct OverRedis {
    process: Process,
    /// Ends, or is somebody else's, when this is dropped.
    _server: Redis,
}

#[async_trait]
impl Harness for OverRedis {
    const NAME: &'static str = "redis";

    fn unavailable() -> Option<String> {
        ecs_servers::unavailable(Engine::Redis)
    }

    async fn start() -> Self {
        let server = Redis::reserve().await.unwrap();
        Self { process: Process::over(server.url()).await, _server: server }
    }

    fn cache(&self) -> &Cache {
        &self.process.cache
    }

    fn backend(&self) -> Option<&dyn Backend> {
        Some(&*self.process.backend)
    }
}

ecs_cache_conformance::conformance!(OverRedis);
