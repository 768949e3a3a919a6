//! Faults in a platform of real processes over real servers, under a steady load: afterwards the books balance, and everything
//! that got its 202 is counted once.
//!
//! Two zones, each with one process per role and with a network of its own to PostgreSQL, the broker, Redis and the roles that it
//! calls. The broker is one server of NATS, RabbitMQ or Kafka; all else is the same. The load comes through a gateway of either zone. A fault hits one process, one server or one zone's network; the moment
//! is drawn from a seed.
//!
//! The crowd comes back when it is told to. While a role is away for long, the breakers in front of it open for their half minute, and
//! senders whose event it is about wait that long: what was accepted meanwhile may be little one or two faults later, too.
//!
//! A few faults in every run of the tests: one of each sort over NATS, and over the others those in which transports differ.
//! `SOAK_FAULTS=3` goes three times through all of them, in an order drawn from `ECS_TEST_SEED`, and with `ECS_TEST_FAULT=Primary`
//! through those whose names hold the word.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
#![expect(clippy::print_stdout, reason = "what each fault did is read in the log of a soak")]

mod cluster;
mod crowd;
mod engines;
mod fault;
mod network;
mod patience;

use std::time::Instant;

use ecs_servers::{Engine, Transport, did_not_run, unavailable_privately};
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand::{RngExt as _, SeedableRng as _};
use tokio::sync::Mutex;

use crate::cluster::Cluster;
use crate::crowd::Crowd;
use crate::fault::Fault;

/// One cluster at a time: each has twenty processes and as many connections as a machine has room for.
static TURN: Mutex<()> = Mutex::const_new(());

/// How often the whole matrix is gone through, and the seed of the order and of the moments. Nought is the short version.
fn plan() -> (usize, u64) {
    let number = |name: &str, default: u64| std::env::var(name).map_or(default, |text| text.parse().unwrap());
    (usize::try_from(number("SOAK_FAULTS", 0)).unwrap(), number("ECS_TEST_SEED", 20_251_121))
}

/// The faults of this run, in their order.
fn faults(transport: Transport, rounds: usize, random: &mut rand::rngs::StdRng) -> Vec<Fault> {
    if rounds == 0 {
        let sorts = match transport {
            Transport::Nats => Fault::sorts(),
            Transport::RabbitMq | Transport::Kafka => Fault::of_the_bus(),
        };
        // One of each sort, another one with each seed; the failover is always among them.
        return sorts.iter().map(|sort| *sort.choose(random).unwrap()).collect();
    }
    let only = std::env::var("ECS_TEST_FAULT").unwrap_or_default();
    let mut all = Vec::new();
    for _ in 0..rounds {
        let mut round = Fault::all();
        round.retain(|fault| fault.to_string().contains(&only));
        round.shuffle(random);
        all.extend(round);
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn over_nats_the_books_balance_whatever_dies() {
    the_books_balance_whatever_dies(Transport::Nats).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_rabbitmq_the_books_balance_whatever_dies() {
    the_books_balance_whatever_dies(Transport::RabbitMq).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_kafka_the_books_balance_whatever_dies() {
    the_books_balance_whatever_dies(Transport::Kafka).await;
}

async fn the_books_balance_whatever_dies(transport: Transport) {
    for engine in [Engine::Postgres, transport.engine(), Engine::Redis] {
        if let Some(reason) = unavailable_privately(engine) {
            return did_not_run(&format!("faults of real processes over {transport}"), &reason);
        }
    }
    let _turn = TURN.lock().await;
    let (rounds, seed) = plan();
    let mut random = rand::rngs::StdRng::seed_from_u64(seed);
    let mut cluster = Cluster::start(transport).await;
    let crowd = Crowd::start(&cluster, seed);
    crowd.gets(&cluster, 100).await;
    let faults = faults(transport, rounds, &mut random);
    for (number, fault) in faults.iter().enumerate() {
        // The moment is a number of promises rather than a time: on a slow machine the test is as hard.
        crowd.gets(&cluster, random.random_range(1..200)).await;
        fault.strike(&mut cluster).await;
        let meanwhile = crowd.meets(random.random_range(20..400), fault.lasts()).await;
        if fault.is_outlived() {
            crowd.balances(&cluster, &format!("{fault}, which lasts")).await;
        }
        fault.heal(&mut cluster).await;
        let healed = Instant::now();
        crowd.gets(&cluster, 100).await;
        let served = healed.elapsed().as_secs_f64();
        crowd.balances(&cluster, &fault.to_string()).await;
        println!(
            "{transport}, {:2} of {}: {fault}: {meanwhile} accepted meanwhile, 100 more {served:.1} s after, balanced after {:.1} s",
            number + 1,
            faults.len(),
            healed.elapsed().as_secs_f64()
        );
    }
    println!("{} faults over {transport}, seed {seed}: {}", faults.len(), crowd.end(&cluster).await);
    cluster.stop().await;
}
