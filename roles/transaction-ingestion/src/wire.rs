//! The transaction as senders write it.

use std::borrow::Cow;

use ecs_bus::unnamed_id;
use ecs_domain::transaction::{Currency, Transaction};
use ecs_domain::{EventId, Timestamp, UserId, Violations};
use ecs_web::body::{self, Text};
use ecs_web::openapi::Id;
use ecs_web::{IdempotencyKey, Problem, fields};
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::amount;

/// What a user bought.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Transaction, examples(json!({
    "userId": "0198c1f2-7c3a-7d51-9e0b-5f6a7b8c9d0e", "amount": 129.90, "transactionId": "order-42",
    "currency": "BRL", "merchant": "Livraria", "category": "books", "channel": "web",
    "occurredAt": "2026-11-20T14:30:00Z"
})))]
pub(crate) struct WireTransaction<'a> {
    /// Who bought it.
    #[serde(borrow)]
    #[schema(value_type = Id)]
    user_id: Option<Text<'a>>,
    /// How much it cost: above 0, with at most two decimals, taken from its digits.
    #[serde(borrow)]
    #[schema(value_type = f64, exclusive_minimum = 0)]
    amount: Option<&'a RawValue>,
    /// Your own name for the transaction: the same one of the same user counts once.
    #[serde(borrow)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 128)]
    transaction_id: Option<Text<'a>>,
    /// The deployment's currency, which is the only one here.
    #[serde(borrow)]
    #[schema(value_type = Option<String>, pattern = "^[A-Z]{3}$")]
    currency: Option<Text<'a>>,
    /// Who was paid.
    #[serde(borrow)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 128)]
    merchant: Option<Text<'a>>,
    /// What kind of goods it was.
    #[serde(borrow)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 128)]
    category: Option<Text<'a>>,
    /// Where it was made.
    #[serde(borrow)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 128)]
    channel: Option<Text<'a>>,
    /// When; UTC where it names no zone, and the time of acceptance where it is missing. Not before 1970, and at most 24
    /// hours ahead.
    #[serde(borrow)]
    #[schema(value_type = Option<String>, examples("2026-11-20T14:30:00Z"))]
    occurred_at: Option<Text<'a>>,
}

/// Reads and checks one transaction, which `key` names where its body doesn't. All its violations are reported at once,
/// unless a type is wrong, or its user is one that the sender may not send for: then nothing else is said.
pub(crate) fn read(
    json: &[u8],
    key: Option<&IdempotencyKey>,
    base: Currency,
    now: Timestamp,
    may_send_for: impl FnOnce(UserId) -> Result<(), Problem>,
) -> Result<Transaction, Problem> {
    let wire: WireTransaction<'_> = body::parse(json)?;
    let mut violations = Violations::none();
    let user = violations
        .require("userId", wire.user_id)
        .and_then(|text| violations.check("userId", fields::id::<UserId>(&text)));
    user.map_or(Ok(()), may_send_for)?;
    let amount = violations
        .require("amount", wire.amount)
        .and_then(|json| violations.check("amount", amount::read(json.get())));
    if let Some(currency) = &wire.currency {
        violations.check("currency", is_base(currency, base));
    }
    let occurred_at = match &wire.occurred_at {
        None => Some(now),
        Some(text) => violations.check("occurredAt", fields::occurred_at(text, now)),
    };
    let client_id = checked("transactionId", wire.transaction_id, &mut violations);
    let client_id = client_id.or_else(|| key.map(|key| key.as_str().to_owned()));
    let merchant = checked("merchant", wire.merchant, &mut violations);
    let category = checked("category", wire.category, &mut violations);
    let channel = checked("channel", wire.channel, &mut violations);
    match (user, amount, occurred_at) {
        (Some(user), Some(amount), Some(occurred_at)) if violations.is_empty() => {
            let id = client_id.as_deref().map_or_else(|| unnamed_id(now), |name| EventId::derive(user, name));
            Ok(Transaction {
                id: id.into(),
                user,
                amount,
                currency: base,
                occurred_at,
                merchant,
                category,
                channel,
                client_id,
            })
        }
        _ => Err(violations.into()),
    }
}

fn is_base(currency: &str, base: Currency) -> Result<(), Cow<'static, str>> {
    if currency == base.as_str() {
        return Ok(());
    }
    Err(format!("must be {}, the only currency here", base.as_str()).into())
}

fn checked(field: &'static str, value: Option<Text<'_>>, violations: &mut Violations) -> Option<String> {
    let value = value?;
    violations.check(field, fields::text(&value).map(str::to_owned))
}
