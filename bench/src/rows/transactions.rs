//! The durable POST of one transaction, each connection one user with a token of their own.

use std::net::SocketAddr;

use anyhow::Context as _;
use ecs_store::Ledger;

use super::{Group, Measure, Row, Unit, Values, load_measures, note_load};
use crate::args::Answer;
use crate::bench::Bench;
use crate::load::Transactions;
use crate::platform;

const CONNECTIONS: usize = 256;

pub(super) fn group() -> Group {
    let mut measures = load_measures("transactions", "durable transaction POST, 256 connections");
    measures.push(Measure::new(
        "transactions.parse",
        "handler that verifies a token and parses a transaction",
        Unit::PerSecond,
    ));
    let rows = vec![Row::of("transactions", "transactions.parse")];
    Group { name: "transactions".to_owned(), measures, rows, take: Box::new(take) }
}

fn take(bench: &Bench, values: &mut Values) -> anyhow::Result<()> {
    let tokens = platform::tokens()?;
    let users = bench.population.users();
    let requests = |address: SocketAddr, number: u64| {
        let user = *users.get(usize::try_from(number)?).context("fewer users than connections")?;
        Transactions::new(user, &platform::token(&tokens, user)?, address, number)
    };
    let (parse, ()) = bench.between(Answer::Transaction, CONNECTIONS, requests, || {
        let running = bench.platform("users")?;
        let measured = running.load(bench.plan(CONNECTIONS, bench.settings.short()), requests)?;
        note_load(values, "transactions", &measured);
        running.await_counted(Ledger::Transactions, measured.accepted)?;
        running.finish(Ledger::Transactions, measured.accepted)
    })?;
    values.insert("transactions.parse".to_owned(), parse);
    Ok(())
}
