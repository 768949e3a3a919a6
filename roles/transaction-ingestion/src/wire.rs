//! The transaction as senders write it.

use std::borrow::Cow;

use ecs_bus::unnamed_id;
use ecs_domain::transaction::{Currency, Transaction};
use ecs_domain::{EventId, Timestamp, UserId, Violations};
use ecs_web::body::{self, Text};
use ecs_web::{IdempotencyKey, Problem, fields};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::amount;

/// `{userId, amount, transactionId?, currency?, merchant?, category?, channel?, occurredAt?}`
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireTransaction<'a> {
    #[serde(borrow)]
    user_id: Option<Text<'a>>,
    /// Kept as its digits.
    #[serde(borrow)]
    amount: Option<&'a RawValue>,
    #[serde(borrow)]
    transaction_id: Option<Text<'a>>,
    #[serde(borrow)]
    currency: Option<Text<'a>>,
    #[serde(borrow)]
    merchant: Option<Text<'a>>,
    #[serde(borrow)]
    category: Option<Text<'a>>,
    #[serde(borrow)]
    channel: Option<Text<'a>>,
    #[serde(borrow)]
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
