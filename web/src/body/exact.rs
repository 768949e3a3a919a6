//! Numbers to the last bit.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// The float that is nearest to a JSON number's digits. The JSON library is faster and may be off by one bit, which is
/// too much where two processes must come to the same result.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Exact(pub f64);

impl<'de> Deserialize<'de> for Exact {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let digits = Box::<RawValue>::deserialize(deserializer)?;
        // Rust's own floats may have names besides; valid JSON has none of them.
        digits.get().parse().map(Self).map_err(|_| D::Error::custom("invalid value, expected f64"))
    }
}
