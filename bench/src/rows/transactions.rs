//! The durable POST of one transaction, each connection one user with a token of their own.

use std::net::SocketAddr;

use anyhow::Context as _;
use ecs_domain::Timestamp;
use ecs_domain::transaction::Transaction;
use ecs_store::Ledger;
use jiff::SignedDuration;

use super::{Group, Measure, Row, Unit, Values, batch_size, load_measures, note_load};
use crate::args::Answer;
use crate::bench::Bench;
use crate::load::Transactions;
use crate::population::{Population, transaction_event};
use crate::{files, limits, platform};

const CONNECTIONS: usize = 256;

pub(super) fn group() -> Group {
    let mut measures = load_measures("transactions", "durable transaction POST, 256 connections");
    measures.extend([
        Measure::new(
            "transactions.parse",
            "handler that verifies a token and parses a transaction",
            Unit::PerSecond,
        ),
        Measure::new(
            "transactions.append",
            "append of transactions to the bus, batches as reached",
            Unit::PerSecond,
        ),
        Measure::new("transactions.sql", "batch SQL of transactions, batches as reached", Unit::PerSecond),
        Measure::composed(
            "transactions.composed",
            "composed limit of transactions",
            &["transactions.parse", "transactions.append", "consume", "transactions.sql"],
        ),
        Measure::new("transactions.commit", "transactions per commit of the bus", Unit::Count),
        Measure::new("transactions.fold", "transactions per commit of their fold", Unit::Count),
        Measure::new("transactions.backlog", "until the backlog of transactions is empty", Unit::Seconds),
    ]);
    let rows = vec![Row::of("transactions", "transactions.composed")];
    Group { name: "transactions".to_owned(), measures, rows, take: Box::new(take) }
}

fn take(bench: &Bench, values: &mut Values) -> anyhow::Result<()> {
    let tokens = platform::tokens()?;
    let users = bench.population.users();
    let requests = |address: SocketAddr, number: u64| {
        let user = *users.get(usize::try_from(number)?).context("fewer users than connections")?;
        Transactions::new(user, &platform::token(&tokens, user)?, address, number)
    };
    let (parse, (commit, fold)) = bench.between(Answer::Transaction, CONNECTIONS, requests, || {
        let running = bench.platform("users")?;
        let measured = running.load(bench.plan(CONNECTIONS, bench.settings.short()), requests)?;
        note_load(values, "transactions", &measured);
        let backlog = running.await_counted(Ledger::Transactions, measured.accepted)?;
        values.insert("transactions.backlog".to_owned(), backlog.as_secs_f64());
        let commit = files::append_batch(&running.data.bus(), Ledger::Transactions)?;
        let fold = files::fold_batch(&running.data.store(), Ledger::Transactions)?;
        running.finish(Ledger::Transactions, measured.accepted)?;
        Ok((commit, fold))
    })?;
    values.insert("transactions.parse".to_owned(), parse);
    values.insert("transactions.commit".to_owned(), commit);
    values.insert("transactions.fold".to_owned(), fold);
    take_limits(bench, batch_size(commit), batch_size(fold), values)
}

/// The limits of bus and store, with transactions of as many users as there are connections.
fn take_limits(bench: &Bench, commit: usize, fold: usize, values: &mut Values) -> anyhow::Result<()> {
    let now = Timestamp::now();
    let population = Population::new(u32::try_from(CONNECTIONS)?, now);
    let transaction = |n: u64| {
        // One after the other, as transactions are that say nothing of when they happened.
        let occurred_at = now + SignedDuration::from_micros(i64::try_from(n)?);
        anyhow::Ok(Transaction { occurred_at, ..population.transaction(n, now)? })
    };
    let transactions = (0..bench.settings.events).map(transaction).collect::<anyhow::Result<Vec<_>>>()?;
    let data = bench.data("transactions", "users")?;
    let sql = limits::transactions::fold(&data.store(), &transactions, fold)?;
    let events = (0..bench.prepared()).zip(&transactions);
    let events: Vec<_> = events.map(|(n, transaction)| transaction_event(n, transaction)).collect();
    values.insert("transactions.sql".to_owned(), sql);
    values.insert("transactions.append".to_owned(), bench.append_these(&events, commit)?);
    Ok(())
}
