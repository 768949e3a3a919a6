//! The limiter: accounts in memory, and a task that settles them with Redis.

use std::sync::Arc;
use std::time::Duration;

use ecs_breaker::Breaker;
use ecs_domain::Timestamp;
use ecs_limits::{Decision, Key, Limiter, Quota, Table, nanoseconds};
use tokio::runtime::Handle;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use crate::account::{Account, Mode};
use crate::commands::Settlement;
use crate::link::Link;
use crate::options::{OpenError, Options};

/// The breaker's name in metrics.
pub const BREAKER: &str = "limits-redis";

/// How many accounts may wait to be settled. One more has to ask again with its next call.
const QUEUE: usize = 8_192;
/// How many are settled in one round trip.
const BATCH: usize = 256;
/// How often Redis is looked for while it is away.
const LOOK: Duration = Duration::from_millis(200);

/// Counts together with other processes. See the crate's documentation for how exactly.
pub struct LeasedLimiter {
    shared: Arc<Shared>,
    queue: Sender<Settlement>,
    settling: JoinHandle<()>,
}

struct Shared {
    accounts: Table<Account>,
    link: Link,
    presence: Duration,
}

impl LeasedLimiter {
    /// Opens the limiter, and looks for Redis in the background. Until it is there each process is on its own.
    ///
    /// # Errors
    /// The address isn't one of Redis, or there is no tokio runtime.
    pub fn open(options: &Options) -> Result<Self, OpenError> {
        let runtime = Handle::try_current().map_err(|_| OpenError::NoRuntime)?;
        let breaker = Breaker::new(BREAKER, options.breaker, &options.metrics);
        let link = Link::new(options, breaker).map_err(|_| OpenError::Address)?;
        let accounts = Table::new(options.size.shards, options.size.places);
        let shared = Arc::new(Shared { accounts, link, presence: options.presence });
        let (queue, waiting) = channel(QUEUE);
        let settling = runtime.spawn(Arc::clone(&shared).settle_for_ever(waiting));
        Ok(Self { shared, queue, settling })
    }

    /// Whether Redis answers, and how many processes it knew of when it last did.
    #[must_use]
    pub fn stands(&self) -> (bool, u32) {
        (self.shared.link.mode() == Mode::Together, self.shared.link.processes())
    }

    /// Has Redis told in the background. Without room in the queue the account goes on as if nobody had asked.
    fn tell(&self, settlement: Option<Settlement>) {
        if let Some(settlement) = settlement
            && self.queue.try_send(settlement).is_err()
        {
            self.shared.accounts.known(&settlement.key, Account::unanswered);
        }
    }
}

impl Limiter for LeasedLimiter {
    fn check(&self, key: &Key, quota: &Quota, cells: u32, now: Timestamp) -> Decision {
        let (now, mode) = (nanoseconds(now), self.shared.link.mode());
        let most = now.saturating_add(quota.tolerance());
        let (decision, settlement) = self.shared.accounts.of(key, now, most, |account| {
            let (decision, tell) = account.check(quota, cells, now, mode);
            (decision, if tell { settlement(account, key, quota, now) } else { None })
        });
        self.tell(settlement);
        decision
    }

    fn give_back(&self, key: &Key, quota: &Quota, cells: u32, now: Timestamp) {
        let now = nanoseconds(now);
        let settlement = self.shared.accounts.known(key, |account| {
            if account.give_back(quota, cells, now) { settlement(account, key, quota, now) } else { None }
        });
        self.tell(settlement.flatten());
    }
}

impl Drop for LeasedLimiter {
    fn drop(&mut self) {
        self.settling.abort();
    }
}

fn settlement(account: &mut Account, key: &Key, quota: &Quota, now: u64) -> Option<Settlement> {
    let (charge, want) = account.tell(quota, now)?;
    Some(Settlement { key: *key, quota: *quota, charge, want, now })
}

impl Shared {
    async fn settle_for_ever(self: Arc<Self>, mut waiting: Receiver<Settlement>) {
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut said = None;
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            tokio::select! {
                received = waiting.recv_many(&mut batch, BATCH) => {
                    if received == 0 {
                        return;
                    }
                    self.settle(std::mem::take(&mut batch)).await;
                }
                now = look.tick() => {
                    let is_due = said.is_none_or(|said| now.duration_since(said) >= self.presence);
                    if (is_due || self.link.mode() != Mode::Together) && self.link.present().await.is_ok() {
                        said = Some(now);
                    }
                }
            }
        }
    }

    /// Settles these accounts, and those of them again that have let more in meanwhile.
    async fn settle(&self, mut settlements: Vec<Settlement>) {
        while !settlements.is_empty() {
            let Ok(answers) = self.link.settle(&settlements).await else {
                for settlement in settlements {
                    self.accounts.known(&settlement.key, Account::unanswered);
                }
                return;
            };
            let answered = settlements.into_iter().zip(answers);
            let again = answered.filter_map(|(Settlement { key, quota, now, .. }, answer)| {
                let more = self.accounts.known(&key, |account| {
                    let more = account.settled(&quota, answer.granted, answer.missing, now);
                    if more { settlement(account, &key, &quota, now) } else { None }
                });
                more.flatten()
            });
            settlements = again.collect();
        }
    }
}
