//! How far a share can be trusted that was seen of few.

/// Where the share lies that would be seen of very many (E. B. Wilson, Probable inference, the law of succession, and statistical
/// inference, 1927): `square` is the square of the normal quantile that says how surely. `None` of nothing. Unlike the plain interval
/// it stays between 0 and 1, and doesn't shrink to a point where all or none are.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
pub(crate) fn interval(count: u64, of: u64, square: f64) -> Option<(f64, f64)> {
    if of == 0 {
        return None;
    }
    let (n, share) = (of as f64, count as f64 / of as f64);
    let part = square / n;
    let middle = (share + part / 2.0) / (1.0 + part);
    let half = (square * (share * (1.0 - share) / n + part / (4.0 * n))).sqrt() / (1.0 + part);
    // The share is in it, whatever is lost to rounding.
    Some(((middle - half).clamp(0.0, share), (middle + half).clamp(share, 1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The last two are examples that Newcombe gives (1998).
    #[test]
    fn intervals_are_wilsons() {
        let z = 1.959_963_984_540_054_f64;
        let check = |count, of, expect: Option<(f64, f64)>| {
            let found = interval(count, of, z * z);
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
