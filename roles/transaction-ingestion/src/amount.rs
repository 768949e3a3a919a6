//! The amount, read from the digits that were sent.

use std::borrow::Cow;

use ecs_domain::Money;

/// A transaction's amount from the JSON text at its place: a number above 0 with at most 2 decimals, as large as
/// money gets. No float is involved, so nothing is rounded and no amount of 10^300 turns into infinity.
pub(crate) fn read(json: &str) -> Result<Money, Cow<'static, str>> {
    if !json.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
        return Err("must be a number".into());
    }
    let amount: Money = json.parse()?;
    if amount <= Money::ZERO {
        return Err("must be above 0".into());
    }
    Ok(amount)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_exact_and_above_0() {
        let check = |json: &str, expect: Option<i64>| {
            assert_eq!(read(json).ok().map(Money::minor_units), expect, "{json}");
        };
        check("0.01", Some(1));
        check("12", Some(1_200));
        check("1e2", Some(10_000));
        check("10.10", Some(1_010));
        check("999999999999.99", Some(99_999_999_999_999));
        check("999999999999.991", None);
        check("1000000000000", None);
        check("1e300", None);
        check("1e-300", None);
        check("1e99999999999999999999", None);
        check("0", None);
        check("-0", None);
        check("-1", None);
        check("0.005", None);
        check("0.001e1", Some(1));
        check("\"12\"", None);
        check("null", None);
        check("true", None);
        check("[1]", None);
        check("{}", None);
    }
}
