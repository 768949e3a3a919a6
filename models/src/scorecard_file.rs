//! Reads and checks a scorecard's file.

use std::collections::HashSet;

use ecs_domain::scorecard::{Input, Scorecard, Term, Transform};
use serde::Deserialize;
use toml::Spanned;

use crate::digest;

/// The scorecard that is built in: `models/scorecard-1.toml`.
const BUILT_IN: &str = include_str!("../scorecard-1.toml");

/// Why a scorecard's file is refused. Lines count from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScorecardError {
    /// It isn't TOML, or lacks a key, or has one that a scorecard doesn't have. The text names the line.
    #[error("{0}")]
    Malformed(String),
    /// A decision must be able to name its model.
    #[error("version must not be empty")]
    NoVersion,
    /// A scorecard without terms gives everybody the same score.
    #[error("there are no terms")]
    NoTerms,
    /// No feature has this name.
    #[error("line {line}: {name} is not a feature; there are {known}", known = known_inputs())]
    UnknownInput {
        /// Where.
        line: usize,
        /// What stands there.
        name: String,
    },
    /// A feature may be weighed only once, or its explanation would be torn apart.
    #[error("line {line}: there is a second term for {input}")]
    DuplicateTerm {
        /// Where.
        line: usize,
        /// The feature.
        input: &'static str,
    },
    /// TOML can write `nan` and `inf`; a score can't come of them.
    #[error("line {line}: {key} must be a finite number")]
    NotFinite {
        /// Where.
        line: usize,
        /// The key.
        key: &'static str,
    },
    /// A number that makes no sense where it stands.
    #[error("line {line}: {key} {rule}")]
    OutOfRange {
        /// Where.
        line: usize,
        /// The key.
        key: &'static str,
        /// What is expected.
        rule: &'static str,
    },
}

fn known_inputs() -> String {
    Input::ALL.map(Input::as_str).join(", ")
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: String,
    intercept: Spanned<f64>,
    #[serde(default)]
    terms: Vec<FileTerm>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileTerm {
    input: Spanned<String>,
    transform: Shape,
    cap: Spanned<f64>,
    reference: Spanned<f64>,
    weight: Spanned<f64>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Shape {
    Capped,
    Log,
}

/// The scorecard that is built into the binary.
pub fn built_in() -> Result<Scorecard, ScorecardError> {
    parse(BUILT_IN)
}

/// What is meant by it.
pub(crate) fn digest_of_built_in() -> String {
    digest(BUILT_IN.as_bytes())
}

/// Reads a scorecard's file, whose form `models/scorecard-1.toml` explains.
pub fn parse(text: &str) -> Result<Scorecard, ScorecardError> {
    let file: File = toml::from_str(text)
        .map_err(|error| ScorecardError::Malformed(error.to_string().trim_end().to_owned()))?;
    if file.version.trim().is_empty() {
        return Err(ScorecardError::NoVersion);
    }
    if file.terms.is_empty() {
        return Err(ScorecardError::NoTerms);
    }
    let reader = Reader { text };
    let intercept = reader.finite("intercept", &file.intercept)?;
    let mut seen = HashSet::new();
    let mut terms = Vec::with_capacity(file.terms.len());
    for term in &file.terms {
        let line = reader.line(&term.input);
        let term = reader.term(term)?;
        if !seen.insert(term.input) {
            return Err(ScorecardError::DuplicateTerm { line, input: term.input.as_str() });
        }
        terms.push(term);
    }
    Ok(Scorecard { version: file.version, digest: digest(text.as_bytes()), intercept, terms })
}

/// Turns what was read into a term, with the line at hand for whatever is wrong with it.
struct Reader<'a> {
    text: &'a str,
}

impl Reader<'_> {
    fn term(&self, term: &FileTerm) -> Result<Term, ScorecardError> {
        let input = self.input(&term.input)?;
        let cap = self.finite("cap", &term.cap)?;
        if cap <= 0.0 {
            let line = self.line(&term.cap);
            return Err(ScorecardError::OutOfRange { line, key: "cap", rule: "must be above 0" });
        }
        let reference = self.finite("reference", &term.reference)?;
        if !(0.0..=cap).contains(&reference) {
            let line = self.line(&term.reference);
            return Err(ScorecardError::OutOfRange {
                line,
                key: "reference",
                rule: "must be between 0 and cap",
            });
        }
        let (transform, reference) = match term.transform {
            Shape::Capped => (Transform::Capped { cap }, reference),
            Shape::Log => (Transform::Log { cap }, reference.ln_1p()),
        };
        Ok(Term { input, transform, reference, weight: self.finite("weight", &term.weight)? })
    }

    fn input(&self, name: &Spanned<String>) -> Result<Input, ScorecardError> {
        let known = Input::ALL.into_iter().find(|input| input.as_str() == name.get_ref());
        known.ok_or_else(|| ScorecardError::UnknownInput {
            line: self.line(name),
            name: name.get_ref().clone(),
        })
    }

    fn finite(&self, key: &'static str, number: &Spanned<f64>) -> Result<f64, ScorecardError> {
        let value = *number.get_ref();
        if value.is_finite() {
            Ok(value)
        } else {
            Err(ScorecardError::NotFinite { line: self.line(number), key })
        }
    }

    fn line<T>(&self, value: &Spanned<T>) -> usize {
        let before = self.text.as_bytes().get(..value.span().start).unwrap_or_default();
        1 + before.iter().filter(|&&byte| byte == b'\n').count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "version = \"s\"\nintercept = -1\n[[terms]]\ninput = \"avg_stress_7d\"\n\
                        transform = \"capped\"\ncap = 1\nreference = 0.3\nweight = 2\n";

    fn refusal(text: &str) -> String {
        parse(text).expect_err("it should be refused").to_string()
    }

    #[test]
    fn the_reference_is_shaped_as_values_are() {
        let term = |text: &str| parse(text).unwrap().terms.remove(0);
        assert_eq!(term(GOOD).reference, 0.3);
        let log = GOOD.replace("capped", "log").replace("cap = 1\n", "cap = 60\n").replace("0.3", "8");
        assert_eq!(term(&log).reference, 8.0_f64.ln_1p());
    }

    #[test]
    fn what_is_wrong_with_a_scorecard_is_named_with_its_line() {
        let check = |from: &str, to: &str, expect: &str| {
            let text = GOOD.replace(from, to);
            assert_ne!(text, GOOD, "{from} is not in the file");
            let refusal = refusal(&text);
            assert!(refusal.contains(expect), "{from} -> {to}: {refusal}");
        };
        check(
            "avg_stress_7d",
            "shoe_size",
            "line 4: shoe_size is not a feature; there are transaction_count_30d,",
        );
        check("weight = 2", "weight = nan", "line 8: weight must be a finite number");
        check("cap = 1", "cap = inf", "line 6: cap must be a finite number");
        check("intercept = -1", "intercept = -inf", "line 2: intercept must be a finite number");
        check("cap = 1", "cap = 0", "line 6: cap must be above 0");
        check("reference = 0.3", "reference = 1.3", "line 7: reference must be between 0 and cap");
        check("version = \"s\"", "version = \" \"", "version must not be empty");
        check("capped", "squared", "unknown variant `squared`");
        check("weight = 2", "wieght = 2", "unknown field `wieght`");
        check("cap = 1\n", "", "missing field `cap`");
    }

    #[test]
    fn a_feature_is_weighed_once() {
        let (_, term) = GOOD.split_at(GOOD.find("[[terms]]").unwrap());
        assert_eq!(refusal(&format!("{GOOD}{term}")), "line 10: there is a second term for avg_stress_7d");
    }

    #[test]
    fn a_scorecard_without_terms_is_refused() {
        assert_eq!(refusal("version = \"s\"\nintercept = 1\n"), "there are no terms");
        assert!(refusal("version = ").contains("line 1"));
    }
}
