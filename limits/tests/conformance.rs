//! The contract of limits over the limiter in process.

use async_trait::async_trait;
use ecs_limits::{InProcess, Limiter, Quota};
use ecs_limits_conformance::Harness;
// The stamped tests run on it.
use tokio as _;

struct Memory(InProcess);

#[async_trait]
impl Harness for Memory {
    const NAME: &'static str = "memory";

    async fn start() -> Self {
        Self(InProcess::default())
    }

    fn limiter(&self) -> &dyn Limiter {
        &self.0
    }

    fn slack(_: &Quota) -> u32 {
        0
    }
}

ecs_limits_conformance::conformance!(Memory);
