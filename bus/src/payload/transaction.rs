//! `transactions.topic`.

use ecs_domain::transaction::Transaction;
use ecs_domain::{EventId, Money, TransactionId, UserId};
use serde::{Deserialize, Serialize};

use super::{PayloadError, WireTime, malformed, read, write};
use crate::{Event, Headers, Subject};

/// The body of `POST /v1/transactions` with the ids that the platform gave it. `occurredAt` is always there: the time
/// of acceptance where the sender named none. `eventId` and `transactionId` are the same UUID.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TransactionPayload {
    user_id: UserId,
    amount: Money,
    currency: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    merchant: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    category: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    channel: Option<String>,
    occurred_at: WireTime,
    transaction_id: TransactionId,
    event_id: EventId,
    trace_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
}

impl TransactionPayload {
    /// The bus event that carries a transaction.
    #[must_use]
    pub fn event(transaction: &Transaction, trace_id: &str, headers: Headers) -> Event {
        let id = EventId::from(transaction.id);
        let payload = write(&Self {
            user_id: transaction.user,
            amount: transaction.amount,
            currency: transaction.currency.as_str().to_owned(),
            merchant: transaction.merchant.clone(),
            category: transaction.category.clone(),
            channel: transaction.channel.clone(),
            occurred_at: transaction.occurred_at,
            transaction_id: transaction.id,
            event_id: id,
            trace_id: trace_id.to_owned(),
            client_id: transaction.client_id.clone(),
        });
        Event { id, subject: Subject::Transactions, key: transaction.user, payload, headers }
    }

    /// The transaction that a bus event carries.
    pub fn decode(event: &Event) -> Result<Transaction, PayloadError> {
        let payload: Self = read(event)?;
        if payload.amount <= Money::ZERO {
            return Err(malformed("amount is not above 0")());
        }
        Ok(Transaction {
            id: payload.transaction_id,
            user: payload.user_id,
            amount: payload.amount,
            currency: payload
                .currency
                .parse()
                .map_err(|_| malformed("currency is not an ISO 4217 code")())?,
            occurred_at: payload.occurred_at,
            merchant: payload.merchant,
            category: payload.category,
            channel: payload.channel,
            client_id: payload.client_id,
        })
    }
}
