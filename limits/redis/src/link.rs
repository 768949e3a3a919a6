//! The way to Redis, behind a breaker: one task of the process uses it, so there is one connection, made anew when it is asked for.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use ecs_breaker::Breaker;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, RedisResult};

use crate::account::Mode;
use crate::commands::{Scripts, Settled, Settlement};
use crate::options::Options;

/// After how many unheard words a process is counted no more.
const UNHEARD: u32 = 3;

/// Asks Redis, and knows whether it answers.
pub(crate) struct Link {
    redis: ConnectionManager,
    scripts: Scripts,
    breaker: Breaker,
    patience: Duration,
    presence: Duration,
    /// What this process is known by among the others.
    name: String,
    answers: AtomicBool,
    processes: AtomicU32,
}

/// Redis didn't answer as it should. Why is the breaker's to show: the text of an error could hold an address.
pub(crate) struct Away;

impl Link {
    /// Connects when it is first asked.
    pub(crate) fn new(options: &Options, breaker: Breaker) -> RedisResult<Self> {
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(1)
            .set_connection_timeout(Some(options.patience))
            .set_response_timeout(Some(options.patience));
        let redis = ConnectionManager::new_lazy_with_config(Client::open(options.url.as_str())?, config)?;
        Ok(Self {
            redis,
            scripts: Scripts::new(),
            breaker,
            patience: options.patience,
            presence: options.presence,
            name: format!("{:032x}", rand::random::<u128>()),
            answers: AtomicBool::new(false),
            processes: AtomicU32::new(1),
        })
    }

    /// How this process stands to Redis, as far as it knows.
    pub(crate) fn mode(&self) -> Mode {
        if self.answers.load(Ordering::Relaxed) {
            Mode::Together
        } else {
            Mode::Alone(self.processes.load(Ordering::Relaxed))
        }
    }

    pub(crate) fn processes(&self) -> u32 {
        self.processes.load(Ordering::Relaxed)
    }

    pub(crate) async fn settle(&self, settlements: &[Settlement]) -> Result<Vec<Settled>, Away> {
        let mut redis = self.redis.clone();
        self.asked(self.scripts.settle(&mut redis, settlements)).await
    }

    /// Says that this process is there, and hears of how many others.
    pub(crate) async fn present(&self) -> Result<(), Away> {
        let mut redis = self.redis.clone();
        let present = self.scripts.present(&mut redis, &self.name, self.presence * UNHEARD);
        let processes = self.asked(present).await?;
        self.processes.store(processes.max(1), Ordering::Relaxed);
        Ok(())
    }

    async fn asked<T>(&self, work: impl Future<Output = RedisResult<T>>) -> Result<T, Away> {
        let in_time = async {
            match tokio::time::timeout(self.patience, work).await {
                Ok(Ok(answer)) => Ok(answer),
                Ok(Err(_)) | Err(_) => Err(Away),
            }
        };
        let answer = self.breaker.call(in_time, |_| true).await.map_err(|_| Away);
        self.note(answer.is_ok());
        answer
    }

    fn note(&self, answers: bool) {
        match (self.answers.swap(answers, Ordering::Relaxed), answers) {
            (true, false) => {
                let processes = self.processes();
                tracing::warn!(processes, "Redis is away, each process limits by its share");
            }
            (false, true) => tracing::info!("limits are counted in Redis"),
            (true, true) | (false, false) => {}
        }
    }
}
