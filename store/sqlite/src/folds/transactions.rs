//! The fold of transactions: they are history, so the row itself is what is kept, and its id says what is new.

use std::collections::HashMap;

use ecs_domain::transaction::Transaction;
use ecs_domain::{Timestamp, UserId};
use ecs_store::Folded;
use rusqlite::{CachedStatement, Connection, params};

use crate::column::{At, IdText};
use crate::engine::Fault;
use crate::evaluations;

const USER: &str = "SELECT 1 FROM users WHERE id = ?1";
const INSERT: &str =
    "INSERT INTO transactions (id, user_id, amount_minor, currency, merchant, category, channel,
        client_id, created_at, occurred_at)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT (id) DO NOTHING";

/// Folds a batch inside the writer's transaction.
pub(super) fn fold(
    connection: &Connection,
    transactions: &[Transaction],
    now: Timestamp,
) -> Result<Vec<Folded>, Fault> {
    let mut known = Known { statement: connection.prepare_cached(USER)?, users: HashMap::new() };
    let mut insert = connection.prepare_cached(INSERT)?;
    let mut results = Vec::with_capacity(transactions.len());
    for transaction in transactions {
        results.push(match known.contains(transaction.user)? {
            false => Folded::UnknownUser,
            true if keep(&mut insert, transaction, now)? => Folded::Counted,
            true => Folded::Repeated,
        });
    }
    evaluations::note(connection, known.users.keys().map(|user| user.uuid()), now)?;
    Ok(results)
}

fn keep(insert: &mut CachedStatement<'_>, transaction: &Transaction, now: Timestamp) -> Result<bool, Fault> {
    let inserted = insert.execute(params![
        IdText::new(transaction.id.uuid()),
        IdText::new(transaction.user.uuid()),
        transaction.amount.minor_units(),
        transaction.currency.as_str(),
        transaction.merchant,
        transaction.category,
        transaction.channel,
        transaction.client_id,
        At(now),
        At(transaction.occurred_at),
    ])?;
    Ok(inserted == 1)
}

/// Which users exist, each looked up once per batch.
struct Known<'a> {
    statement: CachedStatement<'a>,
    users: HashMap<UserId, bool>,
}

impl Known<'_> {
    fn contains(&mut self, user: UserId) -> Result<bool, Fault> {
        if let Some(known) = self.users.get(&user) {
            return Ok(*known);
        }
        let known = self.statement.exists([IdText::new(user.uuid())])?;
        self.users.insert(user, known);
        Ok(known)
    }
}
