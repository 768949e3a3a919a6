//! Floats in cached views, kept as their bits: JSON digits may come back as the neighbouring float, and a cached answer
//! must be the very answer that was given without a cache.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A float that survives any number of trips through a cache.
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct Exact(pub(crate) f64);

ecs_domain::redacted!(Exact => "Exact");

impl Serialize for Exact {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.to_bits().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Exact {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u64::deserialize(deserializer).map(|bits| Self(f64::from_bits(bits)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_float_comes_back_to_the_bit() {
        for float in [0.1 + 0.2, f64::MIN_POSITIVE, -0.0, f64::MAX, 0.067_889_101_112_131_41] {
            let text = serde_json::to_string(&Exact(float)).unwrap();
            let Exact(back) = serde_json::from_str(&text).unwrap();
            assert_eq!(back.to_bits(), float.to_bits());
        }
    }
}
