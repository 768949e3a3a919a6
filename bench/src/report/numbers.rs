//! Numbers as people read them: with as many digits as mean something.

use super::{Stats, Unit};

/// `median (least – most)`.
pub(super) fn range(stats: &Stats, unit: Unit) -> String {
    let (median, suffix) = (number(stats.median), unit.suffix());
    if stats.least.total_cmp(&stats.most).is_eq() {
        return format!("{median}{suffix}");
    }
    format!("{median}{suffix} ({} – {})", number(stats.least), number(stats.most))
}

pub(super) fn number(value: f64) -> String {
    match value.abs() {
        1000.0.. => thousands(&format!("{value:.0}")),
        10.0.. => format!("{value:.0}"),
        0.0 => "0".to_owned(),
        small if small < 0.01 => format!("{value:.4}"),
        _ => format!("{value:.2}"),
    }
}

pub(super) fn percent(fraction: f64) -> String {
    format!("{:.0} %", fraction * 100.0)
}

fn thousands(digits: &str) -> String {
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        let check = |value: f64, expect: &str| assert_eq!(number(value), expect);
        check(0.0, "0");
        check(0.0081, "0.0081");
        check(0.8049, "0.80");
        check(17.5, "18");
        check(999.0, "999");
        check(1000.0, "1,000");
        check(1_234_567.8, "1,234,568");
    }

    #[test]
    fn a_range_is_written_unless_it_is_a_point() {
        let check = |values: &[f64], expect: &str| {
            let stats = Stats::of(values.iter().copied()).unwrap();
            assert_eq!(range(&stats, Unit::Milliseconds), expect);
        };
        check(&[2.5], "2.50 ms");
        check(&[2.5, 3.0, 20.0], "3.00 ms (2.50 – 20)");
    }
}
