//! The cache's contract, over the one in process and over none.

use std::sync::Arc;

use async_trait::async_trait;
use ecs_cache::{Backend, Cache, InProcess, Options};
use ecs_cache_conformance::Harness;

struct Nothing(Cache);

#[async_trait]
impl Harness for Nothing {
    const NAME: &'static str = "none";

    async fn start() -> Self {
        Self(Cache::none())
    }

    fn cache(&self) -> &Cache {
        &self.0
    }

    fn backend(&self) -> Option<&dyn Backend> {
        None
    }
}

struct Memory {
    cache: Cache,
    backend: Arc<InProcess>,
}

#[async_trait]
impl Harness for Memory {
    const NAME: &'static str = "memory";

    async fn start() -> Self {
        let backend = Arc::new(InProcess::new(Options::default()));
        Self { cache: Cache::over(Arc::clone(&backend) as Arc<dyn Backend>), backend }
    }

    fn cache(&self) -> &Cache {
        &self.cache
    }

    fn backend(&self) -> Option<&dyn Backend> {
        Some(&*self.backend)
    }
}

mod none {
    ecs_cache_conformance::conformance!(crate::Nothing);
}

mod memory {
    ecs_cache_conformance::conformance!(crate::Memory);
}
