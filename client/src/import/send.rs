//! Sends one row: provisions its customer if nobody did yet, then sends the purchase.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ecs_domain::UserId;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use super::reader::Fingerprint;
use super::rows::{Purchase, Row};
use super::state::{Saved, Witness};
use crate::events::Transaction;
use crate::{CallError, Client, Retries};

/// What the rows of one import share.
pub(super) struct Sender {
    pub(super) client: Client,
    pub(super) retries: Retries,
    pub(super) fingerprint: Fingerprint,
    /// Where the earlier run ended.
    pub(super) earlier: Saved,
    /// Says that the import is to end: no new row, no new attempt.
    pub(super) halt: CancellationToken,
    pub(super) customers: Customers,
}

/// The customers met so far. Rows of one customer wait for one call.
#[derive(Default)]
pub(super) struct Customers {
    known: Mutex<HashMap<String, Arc<OnceCell<UserId>>>>,
    created: AtomicU64,
    witness: OnceCell<Witness>,
}

/// What came of a row.
#[derive(Debug)]
pub(super) enum Verdict {
    /// Accepted by this run.
    Accepted(Purchase),
    /// Accepted by an earlier one.
    AcceptedBefore(Purchase),
    /// Refused because of what the file says.
    Unfit(String),
    /// Refused by the platform.
    Refused(String),
    /// There is no answer, and there won't be one in this run.
    Unanswered(String),
}

impl Sender {
    /// Sends a row unless an earlier run did.
    pub(super) async fn send(&self, row: &Row) -> Verdict {
        if row.line <= self.earlier.through_line {
            return self.settled_before(row);
        }
        // A customer whose only row is unfit is a customer all the same.
        let user = match &row.customer {
            Some(customer) => self.user(customer).await.map(Some),
            None => Ok(None),
        };
        let (user, purchase) = match (user, &row.purchase) {
            (Err(error), _) => return verdict(&error),
            (Ok(_), Err(reason)) => return Verdict::Unfit(reason.clone()),
            (Ok(None), Ok(_)) => return Verdict::Unfit("the customer is missing".to_owned()),
            (Ok(Some(user)), Ok(purchase)) => (user, *purchase),
        };
        let transaction = self.transaction(row.line, user, &purchase);
        let call = || self.client.transaction(&transaction);
        match self.retries.run_until(&self.halt, call, |_| {}).await {
            Ok(_) => Verdict::Accepted(purchase),
            Err(error) => verdict(&error),
        }
    }

    fn settled_before(&self, row: &Row) -> Verdict {
        match (&row.purchase, self.earlier.refused.get(&row.line)) {
            (Err(reason), _) => Verdict::Unfit(reason.clone()),
            (Ok(_), Some(reason)) => Verdict::Refused(reason.clone()),
            (Ok(purchase), None) => Verdict::AcceptedBefore(*purchase),
        }
    }

    fn transaction(&self, line: u64, user: UserId, purchase: &Purchase) -> Transaction {
        Transaction {
            user,
            amount: purchase.amount,
            client_id: Some(self.fingerprint.client_id(line)),
            currency: self.earlier.mapping.currency.clone(),
            merchant: None,
            category: None,
            channel: None,
            at: Some(purchase.at),
        }
    }

    async fn user(&self, customer: &str) -> Result<UserId, CallError> {
        let cell = self.customers.cell(customer);
        let provision = || async {
            let external_id = format!("{}:{customer}", self.earlier.mapping.namespace);
            let call = || self.client.provision(Some(&external_id), None);
            let provisioned = self.retries.run_until(&self.halt, call, |_| {}).await?;
            self.customers.created.fetch_add(u64::from(provisioned.created), Ordering::Relaxed);
            let user = provisioned.user;
            // Only the first customer becomes the witness; a second one changes nothing.
            self.customers.witness.get_or_init(|| async { Witness { external_id, user } }).await;
            Ok(user)
        };
        cell.get_or_try_init(provision).await.copied()
    }
}

impl Customers {
    fn cell(&self, customer: &str) -> Arc<OnceCell<UserId>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cell) = known.get(customer) {
            return Arc::clone(cell);
        }
        Arc::clone(known.entry(customer.to_owned()).or_default())
    }

    /// How many the platform had not known.
    pub(super) fn created(&self) -> u64 {
        self.created.load(Ordering::Relaxed)
    }

    /// One of them, by whom a later run can tell whether this is still the same platform.
    pub(super) fn witness(&self) -> Option<Witness> {
        self.witness.get().cloned()
    }
}

/// A refusal is about the row, except where it is about whoever sends it: without permission no row gets through.
fn verdict(error: &CallError) -> Verdict {
    match error {
        CallError::Refused { status: 401 | 403, .. } => Verdict::Unanswered(error.to_string()),
        CallError::Refused { status, problem } if *status < 500 => Verdict::Refused(problem.to_string()),
        CallError::Refused { .. } | CallError::Unavailable { .. } | CallError::Transport(_) => {
            Verdict::Unanswered(error.to_string())
        }
    }
}
