//! The cache over a real Redis: what every cache must show, what each level answers, and what happens when Redis is away.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod away;
mod cut;
mod levels;
mod restart;
mod support;

mod conformance {
    use std::sync::Arc;

    use ecs_cache::conformance::Kind;
    use ecs_cache::{Backend, Cache};
    use ecs_servers::{Redis, RedisOptions};

    use crate::support::{Process, runs};

    /// Over a server of its own: a process that starts ends whatever others have cached. It ends with this process.
    async fn kind() -> Kind {
        if !runs() {
            return Kind { cache: Cache::none(), backend: None };
        }
        let server = Box::leak(Box::new(Redis::start(RedisOptions::default()).await.unwrap()));
        let backend: Arc<dyn Backend> = Process::over(server.url()).await.backend;
        Kind { cache: Cache::over(Arc::clone(&backend)), backend: Some(backend) }
    }

    ecs_cache::conformance_tests!(kind().await);
}
