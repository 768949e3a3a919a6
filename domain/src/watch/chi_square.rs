//! Quantiles of the χ² distribution, by its tail: the regularised upper incomplete gamma function, as a series below its bend and as a
//! continued fraction above it (M. Abramowitz, I. Stegun, Handbook of Mathematical Functions, 6.5.29 and 6.5.31).

/// Far more steps than either form needs for what is asked here.
const MOST_STEPS: u32 = 500;
/// Where a further step changes nothing any more.
const PRECISION: f64 = 1e-15;

/// The value that χ² with so many degrees of freedom exceeds with this probability; 0 without any freedom.
pub(super) fn quantile(freedom: u32, tail: f64) -> f64 {
    if freedom == 0 || tail >= 1.0 {
        return 0.0;
    }
    let (mut low, mut high) = (0.0, f64::from(freedom));
    // A tail of nothing is never reached.
    while tail_of(freedom, high) > tail && high < 1e6 {
        low = high;
        high *= 2.0;
    }
    // Halving an interval this often leaves nothing of it.
    for _ in 0..100 {
        let middle = f64::midpoint(low, high);
        if tail_of(freedom, middle) > tail { low = middle } else { high = middle }
    }
    f64::midpoint(low, high)
}

/// The probability that χ² with so many degrees of freedom exceeds `value`.
pub(super) fn tail_of(freedom: u32, value: f64) -> f64 {
    if value <= 0.0 {
        return 1.0;
    }
    let (shape, x) = (f64::from(freedom) / 2.0, value / 2.0);
    let factor = (shape * x.ln() - x - ln_gamma_of_half(freedom)).exp();
    if x < shape + 1.0 { 1.0 - factor * series(shape, x) } else { factor * fraction(shape, x) }
}

/// ln Γ(n/2): from Γ(1/2) = √π or Γ(1) = 1, by Γ(a + 1) = a Γ(a).
fn ln_gamma_of_half(n: u32) -> f64 {
    let (mut at, mut sum) = match n % 2 {
        1 => (0.5, std::f64::consts::PI.ln() / 2.0),
        _ => (1.0, 0.0),
    };
    while at < f64::from(n) / 2.0 {
        sum += f64::ln(at);
        at += 1.0;
    }
    sum
}

fn series(shape: f64, x: f64) -> f64 {
    let (mut term, mut sum, mut at) = (1.0 / shape, 1.0 / shape, shape);
    for _ in 0..MOST_STEPS {
        at += 1.0;
        term *= x / at;
        sum += term;
        if term < sum * PRECISION {
            break;
        }
    }
    sum
}

/// By Lentz's method, which no zero on the way stops.
fn fraction(shape: f64, x: f64) -> f64 {
    let tiny = f64::MIN_POSITIVE / f64::EPSILON;
    let mut base = x + 1.0 - shape;
    let mut upper = 1.0 / tiny;
    let mut lower = 1.0 / base;
    let mut found = lower;
    for step in 1..MOST_STEPS {
        let step = f64::from(step);
        let factor = -step * (step - shape);
        base += 2.0;
        lower = away_from_zero(factor * lower + base, tiny).recip();
        upper = away_from_zero(base + factor / upper, tiny);
        let change = lower * upper;
        found *= change;
        if (change - 1.0).abs() < PRECISION {
            break;
        }
    }
    found
}

fn away_from_zero(value: f64, tiny: f64) -> f64 {
    if value.abs() < tiny { tiny } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Published tables: Abramowitz and Stegun, table 26.8.
    #[test]
    fn quantiles_are_those_of_the_tables() {
        let check = |freedom: u32, tail: f64, expect: f64| {
            let found = quantile(freedom, tail);
            assert!((found - expect).abs() < 6e-4, "{freedom} {tail}: {found}");
        };
        check(1, 0.05, 3.841);
        check(1, 0.001, 10.828);
        check(2, 0.01, 9.210);
        check(3, 0.95, 0.352);
        check(5, 0.05, 11.070);
        check(9, 0.001, 27.877);
        check(10, 0.05, 18.307);
        check(10, 0.001, 29.588);
        check(20, 0.01, 37.566);
        check(20, 0.99, 8.260);
        check(30, 0.001, 59.703);
    }

    #[test]
    fn a_tail_is_what_its_quantile_says() {
        for freedom in 1..=40 {
            for tail in [0.9, 0.5, 0.05, 1e-3, 1e-6, 1e-9] {
                let found = tail_of(freedom, quantile(freedom, tail));
                assert!((found / tail - 1.0).abs() < 1e-9, "{freedom} {tail}: {found}");
            }
        }
        assert_eq!(quantile(0, 0.001), 0.0);
        assert_eq!(tail_of(4, 0.0), 1.0);
    }

    /// With two degrees of freedom the tail is exp(−x/2).
    #[test]
    fn two_degrees_of_freedom_have_a_closed_form() {
        for value in [0.001, 0.5, 2.0, 3.999, 4.001, 30.0, 200.0] {
            let (found, expect) = (tail_of(2, value), (-value / 2.0_f64).exp());
            assert!((found / expect - 1.0).abs() < 1e-12, "{value}: {found}");
        }
    }
}
