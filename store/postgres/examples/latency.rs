//! How long the calls of one application take, one behind the other, over a private server that flushes each commit:
//! `cargo run --release -p ecs-store-postgres --example latency`.

use std::time::{Duration, Instant};

use anyhow::Result;
use ecs_servers::{Postgres, PostgresOptions};
use ecs_store::{Credit as _, Maintenance as _, Notifications as _, Outbox as _, Users as _};
use ecs_store_conformance::fixtures::{
    after, approval, first_page, message, new_decision, new_user, now, offer_id, user,
};
use ecs_store_postgres::{Options, PostgresStore};
use ecs_vault::Keyring;

const CUSTOMERS: u128 = 1_000;

/// How long each call took, under its name.
#[derive(Default)]
struct Times(Vec<(&'static str, Vec<Duration>)>);

impl Times {
    async fn of<T, E>(
        &mut self,
        name: &'static str,
        call: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let begun = Instant::now();
        let result = call.await;
        let took = begun.elapsed();
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, times)) => times.push(took),
            None => self.0.push((name, vec![took])),
        }
        result
    }

    #[expect(clippy::print_stdout, reason = "its output is what it is for")]
    fn print(&mut self) {
        println!("{:<20} {:>10} {:>10}", "call", "p50", "p99");
        for (name, times) in &mut self.0 {
            times.sort_unstable();
            let at = |part: usize| times.get(times.len() * part / 100).copied().unwrap_or_default();
            println!("{name:<20} {:>7} µs {:>7} µs", at(50).as_micros(), at(99).as_micros());
        }
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let server = Postgres::start(PostgresOptions::default()).await?;
    let store = PostgresStore::open(Options::new(server.url("postgres")), Keyring::in_memory()).await?;
    let mut times = Times::default();
    for number in 0..CUSTOMERS {
        customer(&store, &mut times, number).await?;
        if number == 20 {
            // The first ones connect and prepare statements.
            times = Times::default();
        }
    }
    times.print();
    store.close().await?;
    Ok(())
}

async fn customer(store: &PostgresStore, times: &mut Times, number: u128) -> Result<()> {
    let who = user(number);
    let new = new_user(number, &format!("user{number}@example.com"));
    times.of("register", store.register(new, None)).await?;
    times.of("user", store.user(who)).await?;
    times.of("standing decision", store.standing_decision(who, after(-300))).await?;
    let decision = new_decision(approval(number, number, now()));
    times.of("record decision", store.record_decision(decision, None)).await?;
    times.of("offers", store.offers(who, first_page())).await?;
    let (offer, told) = (offer_id(number), message(number, number));
    times.of("accept offer", store.accept_offer(who, offer, after(1), told.clone(), None)).await?;
    times.of("activate offer", store.activate_offer(who, offer, after(2), told)).await?;
    times.of("notifications", store.notifications(who, first_page())).await?;
    let claimed = store.claim_outbox(10, after(3), Duration::from_secs(30));
    let rows = times.of("claim outbox", claimed).await?;
    times.of("finish outbox", store.finish_outbox(&rows)).await?;
    Ok(())
}
