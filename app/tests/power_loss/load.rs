//! A crowd of callers who note what they send before they send it, and what they are promised once they have it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use ecs::platform::SystemClock;
use ecs_client::events::{Emotion, Transaction};
use ecs_client::journal::State;
use ecs_client::{CallError, Client, EventKey, Ledger};
use ecs_domain::{Clock as _, Money, UserId};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::task::JoinSet;

use crate::promises::{PASSWORD, Person, Promises};

/// How many transactions somebody needs before a credit is likely.
const HISTORY: u32 = 8;
/// One event in so many is sent once more, as phones do that got no answer.
const REPEAT: u32 = 6;
const LINES: u32 = 25;
/// How many callers a crowd has.
pub(crate) const CROWD: u64 = 10;
/// Those of them that register people.
const NEWCOMERS: std::ops::Range<u64> = 7..9;
/// How long a caller waits after a call that failed.
const PAUSE: Duration = Duration::from_millis(5);

/// Callers at work on one platform.
pub(crate) struct Load {
    callers: JoinSet<()>,
    stop: Arc<AtomicBool>,
}

/// One caller.
#[derive(Clone)]
struct Caller {
    client: Client,
    promises: Arc<Promises>,
    /// Names for events and people that nobody had before, in any life.
    names: Arc<AtomicU64>,
    /// The number of this life.
    life: u64,
    stop: Arc<AtomicBool>,
}

impl Load {
    /// Starts the crowd on the current runtime.
    pub(crate) fn start(
        client: &Client,
        promises: &Arc<Promises>,
        names: &Arc<AtomicU64>,
        life: u64,
        seed: u64,
        callers: u64,
    ) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let caller = Caller {
            client: client.clone(),
            promises: Arc::clone(promises),
            names: Arc::clone(names),
            life,
            stop: Arc::clone(&stop),
        };
        // A few callers send single emotions; but somebody has to be there first to send them for.
        let is_new = promises.record().people.is_empty();
        let first = if is_new && callers < CROWD { NEWCOMERS.start } else { 0 };
        let numbers = first..(first + callers).min(CROWD);
        let mut callers = JoinSet::new();
        for number in numbers {
            let random = StdRng::seed_from_u64(seed ^ number.rotate_left(32));
            callers.spawn(caller.clone().call_on(number, random));
        }
        Self { callers, stop }
    }

    /// Ends it. Calls under way get their answers, or the end of their connections.
    pub(crate) async fn stop(self) {
        self.stop.store(true, Ordering::SeqCst);
        self.callers.join_all().await;
    }
}

impl Caller {
    async fn call_on(self, number: u64, mut random: StdRng) {
        let mut journeys = Vec::new();
        if number == 9 {
            journeys = self.ripe();
        }
        while !self.stop.load(Ordering::SeqCst) {
            let called = match number {
                0..=3 => self.emotion(&mut random).await,
                4 => self.stream(&mut random).await,
                5 | 6 => self.transaction(&mut random, None).await,
                _ if NEWCOMERS.contains(&number) => self.newcomer(&mut random).await,
                _ => match journeys.pop() {
                    Some(user) => self.journey(user).await,
                    None => return,
                },
            };
            match called {
                Ok(()) => {}
                // Nothing that is sent here is wrong, so nothing may be refused for good.
                Err(CallError::Refused { status, problem }) if status < 500 => {
                    panic!("refused with {status}: {problem}")
                }
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    /// Those whose first transactions were counted before this life began.
    fn ripe(&self) -> Vec<UserId> {
        let record = self.promises.record();
        record.people.iter().filter(|person| person.since < self.life).map(|person| person.user).collect()
    }

    fn name(&self) -> String {
        format!("n{}", self.names.fetch_add(1, Ordering::SeqCst))
    }

    fn somebody(&self, random: &mut StdRng) -> Option<UserId> {
        let record = self.promises.record();
        let index = random.random_range(0..record.people.len().max(1));
        record.people.get(index).map(|person| person.user)
    }

    fn felt(&self, user: UserId, random: &mut StdRng) -> (Emotion, EventKey) {
        let (name, at) = (self.name(), SystemClock.now());
        let emotion = Emotion {
            user,
            at,
            kind: "calm",
            positivity: f64::from(random.random_range(50..=90_u32)) / 100.0,
            intensity: 0.4,
            stress: 0.1,
            client_id: Some(name.clone()),
        };
        (emotion, EventKey::derive(user, &name, at))
    }

    async fn emotion(&self, random: &mut StdRng) -> Result<(), CallError> {
        let Some(user) = self.somebody(random) else { return self.wait().await };
        let (emotion, key) = self.felt(user, random);
        self.promises.note(State::Sent, Ledger::Emotions, [key]);
        let times = if random.random_ratio(1, REPEAT) { 2 } else { 1 };
        for _ in 0..times {
            self.client.emotion(&emotion).await?;
            self.promises.note(State::Accepted, Ledger::Emotions, [key]);
        }
        Ok(())
    }

    async fn stream(&self, random: &mut StdRng) -> Result<(), CallError> {
        let Some(user) = self.somebody(random) else { return self.wait().await };
        let (mut lines, mut keys) = (Vec::new(), Vec::new());
        for _ in 0..random.random_range(1..=LINES) {
            let (emotion, key) = self.felt(user, random);
            lines.push(emotion.to_json()?);
            keys.push(key);
        }
        if random.random_ratio(1, REPEAT) {
            lines.push(lines.first().cloned().unwrap_or_else(Bytes::new));
            keys.extend(keys.first().copied());
        }
        self.promises.note(State::Sent, Ledger::Emotions, keys.iter().copied());
        let answer = self.client.emotions_ndjson(futures::stream::iter(lines)).await?;
        let rejected: Vec<u64> = answer.rejected.iter().map(|line| line.line).collect();
        assert_eq!(answer.accepted + rejected.len() as u64, keys.len() as u64, "{answer:?}");
        let accepted = (1..).zip(&keys).filter(|(line, _)| !rejected.contains(line));
        self.promises.note(State::Accepted, Ledger::Emotions, accepted.map(|(_, key)| *key));
        Ok(())
    }

    async fn transaction(&self, random: &mut StdRng, user: Option<UserId>) -> Result<(), CallError> {
        let Some(user) = user.or_else(|| self.somebody(random)) else { return self.wait().await };
        let (name, at) = (self.name(), SystemClock.now());
        let amount = format!("{}.{:02}", random.random_range(260..340_u32), random.random_range(0..100_u32));
        let transaction = Transaction {
            user,
            amount: amount.parse::<Money>().unwrap(),
            client_id: Some(name.clone()),
            currency: None,
            merchant: Some("Mercado".to_owned()),
            category: None,
            channel: None,
            at: Some(at),
        };
        let key = EventKey::derive(user, &name, at);
        self.promises.note(State::Sent, Ledger::Transactions, [key]);
        let times = if random.random_ratio(1, REPEAT) { 2 } else { 1 };
        for _ in 0..times {
            self.client.transaction(&transaction).await?;
            self.promises.note(State::Accepted, Ledger::Transactions, [key]);
        }
        Ok(())
    }

    /// Somebody registers, and goes shopping.
    async fn newcomer(&self, random: &mut StdRng) -> Result<(), CallError> {
        if self.promises.record().people.iter().filter(|person| person.since == self.life).count() > 4 {
            return self.transaction(random, None).await;
        }
        let email = format!("{}@example.com", self.name());
        let account = self.client.register(&email, PASSWORD).await?;
        let person = Person { user: account.id, email, since: self.life };
        self.promises.record().people.push(person);
        for _ in 0..HISTORY {
            self.transaction(random, Some(account.id)).await?;
        }
        Ok(())
    }

    /// Somebody asks for credit, and takes what is offered.
    async fn journey(&self, user: UserId) -> Result<(), CallError> {
        let analysis = self.client.analyse(user).await?;
        let Some(offer) = analysis.offer else { return Ok(()) };
        self.promises.offered(user, offer.offer_id);
        for _ in 0..2 {
            match self.client.accept(offer.offer_id, user).await {
                Ok(()) => self.promises.accepted(offer.offer_id),
                // Accepted before: by the call above, or by one whose answer the cut took away.
                Err(CallError::Refused { status: 409, .. }) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        panic!("the offer {} was accepted twice", offer.offer_id);
    }

    /// There is nobody yet to send anything for.
    async fn wait(&self) -> Result<(), CallError> {
        let deadline = tokio::time::Instant::now() + PAUSE;
        tokio::time::sleep_until(deadline).await;
        Ok(())
    }
}
