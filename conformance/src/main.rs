//! Prints what the behaviours of each contract showed over each backend, from the record of a run: `ecs-conformance-report FILE`.
//!
//! It fails when a behaviour failed, when a backend was tested that no column is kept for, and with `CI=true` also when anything did
//! not run.

mod table;

use std::io::Write;
use std::process::ExitCode;

use table::Table;

/// The columns. The rows come from the kits; a backend is listed so that it is missed when none of its tests ran.
const CONTRACTS: [(&str, &[&str]); 5] = [
    ("bus", &["embedded", "nats", "rabbitmq", "kafka"]),
    ("store", &["sqlite", "postgres"]),
    ("cache", &["none", "memory", "redis"]),
    ("limits", &["memory", "redis"]),
    ("vault", &["memory", "sqlite", "postgres"]),
];

fn main() -> ExitCode {
    let (mut out, ci) = (std::io::stdout(), std::env::var("CI").as_deref() == Ok("true"));
    let record = std::env::args_os().nth(1).map(std::fs::read_to_string);
    let Some(Ok(record)) = record else {
        let _ = writeln!(std::io::stderr(), "usage: ecs-conformance-report FILE, the record of a run");
        return ExitCode::from(2);
    };
    let table = Table::new(&CONTRACTS, &record);
    if write!(out, "{}", table.render()).is_ok() && table.holds(ci) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
