//! Shares, and how far they can be trusted.

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

    /// Wilson's interval, which holds the true share in 95 of 100 samples; `None` of nothing. Unlike the plain one it stays
    /// between 0 and 1, and doesn't shrink to a point where all or none are.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "nobody makes as many decisions as a float can't count")]
    pub fn interval(self) -> Option<(f64, f64)> {
        let (share, n) = (self.fraction()?, self.of as f64);
        let z2 = Z * Z / n;
        let middle = (share + z2 / 2.0) / (1.0 + z2);
        let half = Z / (1.0 + z2) * (share * (1.0 - share) / n + z2 / (4.0 * n)).sqrt();
        // The share is in it, whatever is lost to rounding.
        Some(((middle - half).clamp(0.0, share), (middle + half).clamp(share, 1.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The last two are examples that Newcombe gives (1998).
    #[test]
    fn intervals_are_wilsons() {
        let check = |count, of, expect: Option<(f64, f64)>| {
            let found = Share { count, of }.interval();
            let near = |(a, b): (f64, f64), (c, d): (f64, f64)| (a - c).abs() < 5e-5 && (b - d).abs() < 5e-5;
            let same = found.zip(expect).map_or(found == expect, |(found, expect)| near(found, expect));
            assert!(same, "{count} of {of}: {found:?}");
        };
        check(0, 0, None);
        check(0, 10, Some((0.0, 0.27753)));
        check(10, 10, Some((0.72247, 1.0)));
        check(5, 10, Some((0.23659, 0.76341)));
        check(81, 263, Some((0.25528, 0.36617)));
        check(15, 148, Some((0.06239, 0.16049)));
    }
}
