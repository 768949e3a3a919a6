//! Numbers in JSON, read to the nearest float. The JSON library's own reading may miss it by a bit, and a value that stands on an edge
//! would then stand beside it.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

#[derive(Clone, Copy)]
pub(crate) struct Exact(pub(crate) f64);

impl<'de> Deserialize<'de> for Exact {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let digits = <&RawValue>::deserialize(deserializer)?;
        let nearest: Option<f64> = digits.get().parse().ok();
        let finite = nearest.filter(|value| value.is_finite()).map(Self);
        finite.ok_or_else(|| D::Error::custom(format!("{} is no number that a float can hold", digits.get())))
    }
}

pub(crate) fn floats(numbers: Vec<Exact>) -> Vec<f64> {
    numbers.into_iter().map(|Exact(value)| value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_the_nearest_float_or_refused() {
        let check = |text: &str, expect: Option<f64>| {
            let read = serde_json::from_str::<Exact>(text).ok();
            assert_eq!(read.map(|Exact(value)| value), expect, "{text}");
        };
        check("0.1", Some(0.1));
        check("-3", Some(-3.0));
        check("3.1415926535897931", Some(std::f64::consts::PI));
        for refused in ["1e309", "\"1\"", "null", "[1]", "true"] {
            check(refused, None);
        }
    }
}
