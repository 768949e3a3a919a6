//! The store's limit of transactions: their rows written by plain batch SQL. It decodes nothing, looks nobody's account
//! up, and answers nobody.

use std::path::Path;
use std::time::Instant;

use ecs_domain::Timestamp;
use ecs_domain::transaction::Transaction;
use rusqlite::params;

use super::{open, per_second, text};

const INSERT: &str =
    "INSERT INTO transactions (id, user_id, amount_minor, currency, merchant, category, channel,
        client_id, created_at, occurred_at)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT (id) DO NOTHING";

/// Writes the transactions, `batch` of them in each transaction of the database. The first tenth doesn't count.
pub(crate) fn fold(store: &Path, transactions: &[Transaction], batch: usize) -> anyhow::Result<f64> {
    let connection = open(store)?;
    let run = |transactions: &[Transaction]| -> anyhow::Result<f64> {
        let started = Instant::now();
        for batch in transactions.chunks(batch.max(1)) {
            let now = text(Timestamp::now());
            connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
            let mut insert = connection.prepare_cached(INSERT)?;
            for it in batch {
                insert.execute(params![
                    it.id.to_string(),
                    it.user.to_string(),
                    it.amount.minor_units(),
                    it.currency.as_str(),
                    it.merchant,
                    it.category,
                    it.channel,
                    it.client_id,
                    now,
                    text(it.occurred_at),
                ])?;
            }
            connection.prepare_cached("COMMIT")?.execute([])?;
        }
        Ok(per_second(transactions.len() as u64, started.elapsed()))
    };
    let (warm_up, counted) = transactions.split_at(transactions.len() / 10);
    run(warm_up)?;
    run(counted)
}
