//! Numbers to the last bit.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// The float that is nearest to a JSON number's digits. The JSON library is faster and may be off by one bit, which is
/// too much where two processes must come to the same result.
#[derive(Clone, Copy, PartialEq)]
pub struct Exact(pub f64);

// Scores and features come as such numbers.
ecs_domain::redacted!(Exact => "Exact");

impl<'de> Deserialize<'de> for Exact {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let digits = Box::<RawValue>::deserialize(deserializer)?;
        // Rust's own floats may have names besides; valid JSON has none of them.
        let nearest = digits.get().parse().map_err(|_| D::Error::custom("invalid value, expected f64"))?;
        // To Rust, infinity is what is nearest to a number that is too large; to the JSON library it is an error.
        if f64::is_finite(nearest) { Ok(Self(nearest)) } else { Err(D::Error::custom("number out of range")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_the_nearest_float_or_refused() {
        let check = |text: &str, expect: Option<f64>| {
            let read = serde_json::from_str::<Exact>(text).ok();
            assert_eq!(read, expect.map(Exact), "{text}");
        };
        check("0.1", Some(0.1));
        check("-0.0", Some(-0.0));
        check("1e-999", Some(0.0));
        check("1.7976931348623157e308", Some(f64::MAX));
        for refused in ["1e309", "-1e309", "0.24e4454", "\"1\"", "null", "[1]", "true"] {
            check(refused, None);
        }
    }
}
