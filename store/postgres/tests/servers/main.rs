//! The engine over servers that fail: replicas that stop and fall behind, a primary that dies, one that hangs, one that
//! doesn't flush.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod customers;
mod encryption;
mod expiry;
mod failover;
mod fitness;
mod outages;
mod replaying;
mod replicas;
mod round_trips;
#[path = "../support/mod.rs"]
mod support;
mod two_processes;

use std::time::Duration;

use ecs_servers::{Engine, Postgres};
use ecs_store_postgres::Options;

/// Whether there is a PostgreSQL to be started here. Says so where there is none.
fn can_run(what: &str) -> bool {
    match ecs_servers::unavailable(Engine::Postgres) {
        None => true,
        Some(reason) => {
            ecs_servers::did_not_run(what, &reason);
            false
        }
    }
}

/// Options whose breakers come back soon: a test doesn't wait half a minute.
fn options(url: String) -> Options {
    let mut options = Options::new(url);
    options.breaker.open_for = Duration::from_millis(300);
    options
}

/// One address over several servers of the same cluster.
fn address_of(servers: &[&Postgres]) -> String {
    let all: Vec<_> = servers.iter().map(|server| server.address().unwrap()).collect();
    servers[0].url_at(&all, "postgres").unwrap()
}
