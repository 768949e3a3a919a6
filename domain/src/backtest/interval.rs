//! Shares, and how far they can be trusted.

use crate::wilson;

/// The 97.5 % quantile of the normal distribution: between it and its negative lies 95 %.
const Z: f64 = 1.959_963_984_540_054;

/// So many of so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Share {
    /// How many.
    pub count: u64,
    /// Of how many.
    pub of: u64,
}

impl Share {
    /// As a fraction; `None` of nothing.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "nobody makes as many decisions as a float can't count")]
    pub fn fraction(self) -> Option<f64> {
        (self.of > 0).then(|| self.count as f64 / self.of as f64)
    }

    /// Wilson's interval, which holds the true share in 95 of 100 samples; `None` of nothing.
    #[must_use]
    pub fn interval(self) -> Option<(f64, f64)> {
        wilson::interval(self.count, self.of, Z * Z)
    }
}
