//! Exact decimals: amounts of the base currency, and interest rates.

use std::borrow::Cow;
use std::str::FromStr;

use rust_decimal::{Decimal, RoundingStrategy};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::redacted;

/// An amount of the deployment's base currency with two decimals, at most 999,999,999,999.99 either way.
///
/// In JSON it is a number, read from and written as its digits: it never passes through a float.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Money {
    minor_units: i64,
}

impl Money {
    /// The largest amount that the tables hold: `numeric(14,2)`.
    pub const MAX: Self = Self { minor_units: 99_999_999_999_999 };
    /// Nothing.
    pub const ZERO: Self = Self { minor_units: 0 };

    /// From hundredths of the currency unit.
    #[must_use]
    pub const fn from_minor_units(minor_units: i64) -> Self {
        Self { minor_units }
    }

    /// Hundredths of the currency unit.
    #[must_use]
    pub const fn minor_units(self) -> i64 {
        self.minor_units
    }

    /// The same amount as a decimal.
    #[must_use]
    pub fn decimal(self) -> Decimal {
        Decimal::new(self.minor_units, 2)
    }

    /// Its digits with two decimals, as JSON and customers have it: on purpose, for it has no other way to be printed.
    #[must_use]
    pub fn digits(self) -> String {
        format!("{:.2}", self.decimal())
    }

    /// Rounds towards zero to whole cents; `None` beyond [`Money::MAX`].
    #[must_use]
    pub fn floor(value: Decimal) -> Option<Self> {
        Self::exact(value.round_dp_with_strategy(2, RoundingStrategy::ToZero))
    }

    fn exact(value: Decimal) -> Option<Self> {
        let minor_units = i64::try_from(value.checked_mul(Decimal::ONE_HUNDRED)?.normalize()).ok()?;
        (minor_units.abs() <= Self::MAX.minor_units).then_some(Self { minor_units })
    }
}

impl FromStr for Money {
    type Err = Cow<'static, str>;

    /// Reads a JSON number's digits, exponents included.
    fn from_str(digits: &str) -> Result<Self, Self::Err> {
        let value = parse_decimal(digits).ok_or("must be a number of a size that money has")?;
        if value.normalize().scale() > 2 {
            return Err("must have at most 2 decimals".into());
        }
        Self::exact(value).ok_or_else(|| "must be at most 999999999999.99".into())
    }
}

/// Percent per year, with two decimals: 14.25 is 14.25 % a year.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Rate {
    basis_points: u32,
}

impl Rate {
    /// From hundredths of a percent per year.
    #[must_use]
    pub const fn from_basis_points(basis_points: u32) -> Self {
        Self { basis_points }
    }

    /// Hundredths of a percent per year.
    #[must_use]
    pub const fn basis_points(self) -> u32 {
        self.basis_points
    }

    /// Its digits with two decimals, as [`Money::digits`].
    #[must_use]
    pub fn digits(self) -> String {
        format!("{:.2}", Decimal::new(i64::from(self.basis_points), 2))
    }
}

impl FromStr for Rate {
    type Err = Cow<'static, str>;

    fn from_str(digits: &str) -> Result<Self, Self::Err> {
        let value = parse_decimal(digits).ok_or("must be a number")?;
        if value.normalize().scale() > 2 {
            return Err("must have at most 2 decimals".into());
        }
        match value.checked_mul(Decimal::ONE_HUNDRED).map(u32::try_from) {
            Some(Ok(basis_points)) if basis_points <= 100_000 => Ok(Self { basis_points }),
            _ => Err("must be between 0 and 1000 percent per year".into()),
        }
    }
}

redacted!(Money => "Money", Rate => "Rate");

/// Reads what JSON calls a number. Digits beyond what a decimal of 28 places holds are refused, not rounded.
fn parse_decimal(digits: &str) -> Option<Decimal> {
    if digits.contains(['e', 'E']) {
        return Decimal::from_scientific(digits).ok();
    }
    Decimal::from_str_exact(digits).ok()
}

macro_rules! json_number {
    ($name:ident) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let digits = RawValue::from_string(self.digits()).map_err(serde::ser::Error::custom)?;
                digits.serialize(serializer)
            }
        }

        /// Reads a JSON number; only `serde_json` can, since only it hands out the digits.
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                <&RawValue>::deserialize(deserializer)?.get().parse().map_err(D::Error::custom)
            }
        }
    };
}

json_number!(Money);
json_number!(Rate);

#[cfg(test)]
mod tests {
    use super::*;

    fn check(digits: &str, expect: Option<&str>) {
        let read = serde_json::from_str::<Money>(digits).ok();
        let written = read.map(|money| serde_json::to_string(&money).unwrap());
        assert_eq!(written.as_deref(), expect, "{digits}");
    }

    #[test]
    fn money_is_read_and_written_as_its_digits() {
        check("0.1", Some("0.10"));
        check("1234.5600", Some("1234.56"));
        check("1e2", Some("100.00"));
        check("0.005", None);
        check("999999999999.99", Some("999999999999.99"));
        check("1000000000000", None);
        check("1e300", None);
        check("\"12\"", None);
        check("-3", Some("-3.00"));
    }

    #[test]
    fn a_rate_is_percent_per_year() {
        let rate: Rate = serde_json::from_str("14.25").unwrap();
        assert_eq!(rate.basis_points(), 1425);
        assert_eq!(serde_json::to_string(&rate).unwrap(), "14.25");
        assert!(serde_json::from_str::<Rate>("14.255").is_err());
        assert!(serde_json::from_str::<Rate>("-1").is_err());
        assert!(serde_json::from_str::<Rate>("1000.01").is_err());
        assert!(serde_json::from_str::<Rate>("79228162514264337593543950335").is_err());
    }
}
