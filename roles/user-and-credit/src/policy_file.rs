//! Reads and checks a credit policy's file.

use std::borrow::Cow;
use std::str::FromStr;

use ecs_domain::offer::CreditType;
use ecs_domain::policy::{Band, Policy};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use toml::Spanned;

/// The policy that is built in.
const BUILT_IN: &str = include_str!("../policy-1.toml");

/// Why a policy's file is refused. Lines count from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// It isn't TOML, or lacks a key, or has one that a policy doesn't have. The text names the line.
    #[error("{0}")]
    Malformed(String),
    /// A decision must be able to name its policy.
    #[error("version must not be empty")]
    NoVersion,
    /// A value that can't stand where it stands.
    #[error("line {line}: {key} {rule}")]
    BadValue {
        /// Where.
        line: usize,
        /// The key.
        key: &'static str,
        /// What is expected.
        rule: Cow<'static, str>,
    },
    /// Each value is fine, but together they leave a score without exactly one outcome.
    #[error("{0}")]
    Inconsistent(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: String,
    cut_off: Spanned<f64>,
    #[serde(default)]
    bands: Vec<FileBand>,
}

/// Limits and rates are text here: a TOML number would pass through a float and lose its digits.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileBand {
    max_risk: Spanned<f64>,
    credit_limit: Spanned<String>,
    interest_rate: Spanned<String>,
    credit_type: Spanned<String>,
}

/// The policy that is built into the binary.
pub fn built_in() -> Result<Policy, PolicyError> {
    parse(BUILT_IN)
}

/// Reads a policy's file, whose form `policy-1.toml` explains.
pub fn parse(text: &str) -> Result<Policy, PolicyError> {
    let file: File = toml::from_str(text)
        .map_err(|error| PolicyError::Malformed(error.to_string().trim_end().to_owned()))?;
    if file.version.trim().is_empty() {
        return Err(PolicyError::NoVersion);
    }
    let reader = Reader { text };
    let policy = Policy {
        version: file.version,
        digest: hex::encode(Sha256::digest(text)),
        cut_off: reader.risk("cut_off", &file.cut_off)?,
        bands: file.bands.iter().map(|band| reader.band(band)).collect::<Result<_, _>>()?,
    };
    policy.validate().map_err(PolicyError::Inconsistent)
}

/// Turns what was read into values, with the line at hand for whatever is wrong with one.
struct Reader<'a> {
    text: &'a str,
}

impl Reader<'_> {
    fn band(&self, band: &FileBand) -> Result<Band, PolicyError> {
        Ok(Band {
            max_risk: self.risk("max_risk", &band.max_risk)?,
            credit_limit: self.digits("credit_limit", &band.credit_limit)?,
            interest_rate: self.digits("interest_rate", &band.interest_rate)?,
            credit_type: self.credit_type(&band.credit_type)?,
        })
    }

    fn risk(&self, key: &'static str, number: &Spanned<f64>) -> Result<f64, PolicyError> {
        let risk = *number.get_ref();
        // NaN is in no range, so it is refused here as well.
        if (0.0..=1.0).contains(&risk) {
            Ok(risk)
        } else {
            self.refuse(number, key, "must be between 0 and 1".into())
        }
    }

    fn digits<T: FromStr<Err = Cow<'static, str>>>(
        &self,
        key: &'static str,
        digits: &Spanned<String>,
    ) -> Result<T, PolicyError> {
        digits.get_ref().parse().or_else(|rule| self.refuse(digits, key, rule))
    }

    fn credit_type(&self, name: &Spanned<String>) -> Result<CreditType, PolicyError> {
        let rule = "must be SHORT_TERM or LONG_TERM";
        name.get_ref().parse().or_else(|()| self.refuse(name, "credit_type", rule.into()))
    }

    fn refuse<T, V>(
        &self,
        at: &Spanned<V>,
        key: &'static str,
        rule: Cow<'static, str>,
    ) -> Result<T, PolicyError> {
        let before = self.text.as_bytes().get(..at.span().start).unwrap_or_default();
        let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
        Err(PolicyError::BadValue { line, key, rule })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "version = \"p\"\ncut_off = 0.5\n[[bands]]\nmax_risk = 0.5\ncredit_limit = \"900.10\"\n\
                        interest_rate = \"14.25\"\ncredit_type = \"SHORT_TERM\"\n";

    #[test]
    fn the_built_in_policy_holds() {
        let policy = built_in().unwrap();
        assert_eq!(policy.version, "policy-1");
        assert!(policy.terms_for(policy.cut_off).is_some());
    }

    #[test]
    fn limits_and_rates_are_exact() {
        let terms = parse(GOOD).unwrap().terms_for(0.5).unwrap();
        assert_eq!(terms.credit_limit.minor_units(), 90_010);
        assert_eq!(terms.interest_rate.basis_points(), 1_425);
    }

    #[test]
    fn what_is_wrong_with_a_policy_is_named_with_its_line() {
        let check = |from: &str, to: &str, expect: &str| {
            let text = GOOD.replace(from, to);
            assert_ne!(text, GOOD, "{from} is not in the file");
            let refusal = parse(&text).expect_err(expect).to_string();
            assert!(refusal.contains(expect), "{from} -> {to}: {refusal}");
        };
        check("900.10", "900.101", "line 5: credit_limit must have at most 2 decimals");
        check("900.10", "much", "line 5: credit_limit must be a number");
        check("\"900.10\"", "900.10", "line 5");
        check("14.25", "-1", "line 6: interest_rate must be between 0 and 1000 percent per year");
        check("SHORT_TERM", "FOR_EVER", "line 7: credit_type must be SHORT_TERM or LONG_TERM");
        check("cut_off = 0.5", "cut_off = nan", "line 2: cut_off must be between 0 and 1");
        check("max_risk = 0.5", "max_risk = 5", "line 4: max_risk must be between 0 and 1");
        check("max_risk = 0.5", "max_risk = 0.4", "the last band must reach the cut-off");
        check("900.10", "0", "credit_limit above 0");
        check("version = \"p\"", "version = \"\"", "version must not be empty");
        check("credit_type", "kredit_type", "unknown field `kredit_type`");
        check("cut_off = 0.5\n", "", "missing field `cut_off`");
    }
}
