//! The engine over servers that fail: replicas that stop and fall behind, a primary that dies, one that hangs, one that
//! doesn't flush.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod backtests;
mod customers;
mod encryption;
mod expiry;
mod failover;
mod fitness;
mod newer;
mod outages;
mod replaying;
mod replicas;
mod research;
mod round_trips;
#[path = "../support/mod.rs"]
mod support;
mod two_processes;

use std::time::Duration;

use ecs_servers::{Engine, Postgres, did_not_run, unavailable, unavailable_privately};
use ecs_store_postgres::Options;

/// Whether there is a PostgreSQL, for a test that keeps to a database of its own. Says so where there is none.
fn can_run(what: &str) -> bool {
    there_is_one(what, unavailable(Engine::Postgres).as_deref())
}

/// Whether one can be started here, for a test that harms it or sets it up. Says so where none can.
fn can_start(what: &str) -> bool {
    there_is_one(what, unavailable_privately(Engine::Postgres).as_deref())
}

fn there_is_one(what: &str, missing: Option<&str>) -> bool {
    if let Some(reason) = missing {
        did_not_run(what, reason);
    }
    missing.is_none()
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
