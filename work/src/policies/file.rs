//! Reads and checks a credit policy's file.

use std::borrow::Cow;
use std::ops::Range;
use std::str::FromStr;

use ecs_domain::policy::{Band, Comparison, CoolDown, Exposure, Flaw, KnockOut, Place, Policy, Rounding};
use ecs_domain::reason::Reason;
use ecs_domain::scorecard::Input;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use toml::Spanned;

/// Why a policy's file is refused. Lines count from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// It isn't TOML, or lacks a key, or has one that a policy doesn't have.
    #[error("line {line}: {what}")]
    Malformed {
        /// Where.
        line: usize,
        /// What is wrong there.
        what: String,
    },
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
    /// Each value is fine, but together they leave a score without exactly one outcome, or reward a risk.
    #[error("line {line}: {rule}")]
    Inconsistent {
        /// Where.
        line: usize,
        /// What is expected.
        rule: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: String,
    made_for: Option<Spanned<Vec<String>>>,
    cut_off: Spanned<f64>,
    #[serde(default)]
    knock_outs: Vec<FileKnockOut>,
    #[serde(default)]
    bands: Vec<FileBand>,
    exposure: Option<FileExposure>,
    cool_down: Option<FileCoolDown>,
    rounding: Option<FileRounding>,
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileKnockOut {
    feature: Spanned<String>,
    comparison: Spanned<String>,
    value: Spanned<f64>,
    reason: Option<Spanned<String>>,
    #[serde(default)]
    only_with_consent: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileExposure {
    max_total: Spanned<String>,
    min_limit: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileCoolDown {
    days: Spanned<u16>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileRounding {
    limit_step: Spanned<String>,
    rate_step: Spanned<String>,
}

/// Reads a policy's file, whose form `policies/policy-3.toml` explains.
pub fn parse(text: &str) -> Result<Policy, PolicyError> {
    let reader = Reader { text };
    let file: File = toml::from_str(text).map_err(|error| reader.malformed(&error))?;
    if file.version.trim().is_empty() {
        return Err(PolicyError::NoVersion);
    }
    let policy = Policy {
        version: file.version.clone(),
        digest: hex::encode(Sha256::digest(text)),
        made_for: file.made_for.as_ref().map_or(Ok(Vec::new()), |models| reader.models(models))?,
        knock_outs: file.knock_outs.iter().map(|rule| reader.knock_out(rule)).collect::<Result<_, _>>()?,
        cut_off: reader.risk("cut_off", &file.cut_off)?,
        bands: file.bands.iter().map(|band| reader.band(band)).collect::<Result<_, _>>()?,
        exposure: file.exposure.as_ref().map(|exposure| reader.exposure(exposure)).transpose()?,
        cool_down: file.cool_down.as_ref().map(|cool_down| CoolDown { days: *cool_down.days.get_ref() }),
        rounding: file.rounding.as_ref().map_or(Ok(Rounding::NONE), |rounding| reader.rounding(rounding))?,
    };
    policy.validate().map_err(|flaw| reader.inconsistent(&file, flaw))
}

impl File {
    /// Where a part of the policy stands.
    fn span(&self, place: Place) -> Option<Range<usize>> {
        match place {
            Place::CutOff => Some(self.cut_off.span()),
            Place::Band(at) => self.bands.get(at).map(|band| band.max_risk.span()),
            Place::KnockOut(at) => self.knock_outs.get(at).map(|rule| rule.feature.span()),
            Place::Exposure => self.exposure.as_ref().map(|exposure| exposure.max_total.span()),
            Place::CoolDown => self.cool_down.as_ref().map(|cool_down| cool_down.days.span()),
            Place::Rounding => self.rounding.as_ref().map(|rounding| rounding.limit_step.span()),
        }
    }
}

/// Turns what was read into values, with the line at hand for whatever is wrong with one.
struct Reader<'a> {
    text: &'a str,
}

impl Reader<'_> {
    fn models(&self, models: &Spanned<Vec<String>>) -> Result<Vec<String>, PolicyError> {
        let named = models.get_ref();
        if named.is_empty() || named.iter().any(|model| model.trim().is_empty()) {
            let why = "must name the models whose scores it is for: leave it out to take any";
            return self.refuse(models, "made_for", why.into());
        }
        Ok(named.clone())
    }

    fn band(&self, band: &FileBand) -> Result<Band, PolicyError> {
        Ok(Band {
            max_risk: self.risk("max_risk", &band.max_risk)?,
            credit_limit: self.digits("credit_limit", &band.credit_limit)?,
            interest_rate: self.digits("interest_rate", &band.interest_rate)?,
            credit_type: self.word("credit_type", &band.credit_type, "must be SHORT_TERM or LONG_TERM")?,
        })
    }

    fn knock_out(&self, rule: &FileKnockOut) -> Result<KnockOut, PolicyError> {
        let feature = self.feature(&rule.feature)?;
        let comparisons = "must be below, at_most, above or at_least";
        let comparison: Comparison = self.word("comparison", &rule.comparison, comparisons)?;
        let reason = match &rule.reason {
            Some(code) => self.word::<Reason>("reason", code, "must be the code of a reason")?,
            None => feature.into(),
        };
        let value = self.finite("value", &rule.value)?;
        let read = KnockOut { feature, comparison, value, reason };
        match (read.needs_consent(), rule.only_with_consent) {
            (true, false) => {
                let why = "is an emotion, which is only there with consent: say only_with_consent = true";
                self.refuse(&rule.feature, "feature", why.into())
            }
            (false, true) => {
                let why = "is there without consent, too: leave only_with_consent out";
                self.refuse(&rule.feature, "feature", why.into())
            }
            (true, true) | (false, false) => Ok(read),
        }
    }

    fn exposure(&self, exposure: &FileExposure) -> Result<Exposure, PolicyError> {
        Ok(Exposure {
            max_total: self.digits("max_total", &exposure.max_total)?,
            min_limit: self.digits("min_limit", &exposure.min_limit)?,
        })
    }

    fn rounding(&self, rounding: &FileRounding) -> Result<Rounding, PolicyError> {
        Ok(Rounding {
            limit_step: self.digits("limit_step", &rounding.limit_step)?,
            rate_step: self.digits("rate_step", &rounding.rate_step)?,
        })
    }

    fn feature(&self, name: &Spanned<String>) -> Result<Input, PolicyError> {
        let found = Input::ALL.into_iter().find(|input| input.as_str() == name.get_ref());
        let known = || format!("must be one of {}", Input::ALL.map(Input::as_str).join(", "));
        found.map_or_else(|| self.refuse(name, "feature", known().into()), Ok)
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

    fn finite(&self, key: &'static str, number: &Spanned<f64>) -> Result<f64, PolicyError> {
        let value = *number.get_ref();
        if value.is_finite() { Ok(value) } else { self.refuse(number, key, "must be a finite number".into()) }
    }

    fn digits<T: FromStr<Err = Cow<'static, str>>>(
        &self,
        key: &'static str,
        digits: &Spanned<String>,
    ) -> Result<T, PolicyError> {
        digits.get_ref().parse().or_else(|rule| self.refuse(digits, key, rule))
    }

    fn word<T: FromStr<Err = ()>>(
        &self,
        key: &'static str,
        name: &Spanned<String>,
        rule: &'static str,
    ) -> Result<T, PolicyError> {
        name.get_ref().parse().or_else(|()| self.refuse(name, key, rule.into()))
    }

    fn refuse<T, V>(
        &self,
        at: &Spanned<V>,
        key: &'static str,
        rule: Cow<'static, str>,
    ) -> Result<T, PolicyError> {
        Err(PolicyError::BadValue { line: self.line(at.span().start), key, rule })
    }

    fn malformed(&self, error: &toml::de::Error) -> PolicyError {
        let line = self.line(error.span().map_or(0, |span| span.start));
        PolicyError::Malformed { line, what: error.message().trim_end().to_owned() }
    }

    fn inconsistent(&self, file: &File, Flaw { place, rule }: Flaw) -> PolicyError {
        let line = self.line(file.span(place).map_or(0, |span| span.start));
        PolicyError::Inconsistent { line, rule }
    }

    fn line(&self, at: usize) -> usize {
        let before = self.text.as_bytes().get(..at).unwrap_or_default();
        1 + before.iter().filter(|&&byte| byte == b'\n').count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "version = \"p\"\ncut_off = 0.5\n[[bands]]\nmax_risk = 0.5\ncredit_limit = \"900.10\"\n\
                        interest_rate = \"14.25\"\ncredit_type = \"SHORT_TERM\"\n";

    /// From line 8 on.
    const RULES: &str = "[[knock_outs]]\nfeature = \"account_age_days\"\ncomparison = \"below\"\nvalue = 1.5\n\
                         [exposure]\nmax_total = \"1000.00\"\nmin_limit = \"50.00\"\n[cool_down]\ndays = 30\n\
                         [rounding]\nlimit_step = \"10.00\"\nrate_step = \"0.25\"\n";

    #[test]
    fn limits_and_rates_are_exact() {
        let terms = parse(GOOD).unwrap().terms_for(0.5).unwrap();
        assert_eq!(terms.credit_limit.minor_units(), 90_010);
        assert_eq!(terms.interest_rate.basis_points(), 1_425);
    }

    #[test]
    fn rules_are_read_as_they_are_written() {
        let policy = parse(&(GOOD.to_owned() + RULES)).unwrap();
        let rule = KnockOut {
            feature: Input::AccountAgeDays,
            comparison: Comparison::Below,
            value: 1.5,
            reason: Reason::NewAccount,
        };
        assert_eq!(policy.knock_outs, [rule]);
        let exposure = policy.exposure.unwrap();
        let units = [exposure.max_total, exposure.min_limit, policy.rounding.limit_step];
        assert_eq!(units.map(ecs_domain::Money::minor_units), [100_000, 5_000, 1_000]);
        assert_eq!(policy.cool_down.unwrap().days, 30);
        assert_eq!(policy.rounding.rate_step.basis_points(), 25);
        let terms = policy.terms_for(0.5).unwrap();
        assert_eq!((terms.credit_limit.minor_units(), terms.interest_rate.basis_points()), (90_000, 1_425));
        let bare = parse(GOOD).unwrap();
        assert_eq!((bare.exposure, bare.cool_down, bare.rounding), (None, None, Rounding::NONE));
        assert!(bare.made_for.is_empty());
        let named = format!("made_for = [\"a-1\", \"b-2\"]\n{GOOD}");
        assert_eq!(parse(&named).unwrap().made_for, ["a-1", "b-2"]);
    }

    /// Replaces a piece of a good file, and tells what is said of the rest.
    fn check_in(good: &str, from: &str, to: &str, expect: &str) {
        let text = good.replace(from, to);
        assert_ne!(text, good, "{from} is not in the file");
        let refusal = parse(&text).expect_err(expect).to_string();
        assert!(refusal.starts_with(expect), "{from} -> {to}: {refusal}");
    }

    #[test]
    fn what_is_wrong_with_a_policy_is_named_with_its_line() {
        let check = |from: &str, to: &str, expect: &str| check_in(GOOD, from, to, expect);
        check("900.10", "900.101", "line 5: credit_limit must have at most 2 decimals");
        check("900.10", "much", "line 5: credit_limit must be a number");
        check("\"900.10\"", "900.10", "line 5: ");
        check("14.25", "-1", "line 6: interest_rate must be between 0 and 1000 percent per year");
        check("SHORT_TERM", "FOR_EVER", "line 7: credit_type must be SHORT_TERM or LONG_TERM");
        check("cut_off = 0.5", "cut_off = nan", "line 2: cut_off must be between 0 and 1");
        check("max_risk = 0.5", "max_risk = 5", "line 4: max_risk must be between 0 and 1");
        check("max_risk = 0.5", "max_risk = 0.4", "line 2: the last band must reach the cut-off");
        check("900.10", "0", "line 4: every band needs a credit_limit above 0");
        check("version = \"p\"", "version = \"\"", "version must not be empty");
        check("credit_type", "kredit_type", "line 7: unknown field `kredit_type`");
        check("cut_off = 0.5\n", "", "line 1: missing field `cut_off`");
        for none in ["made_for = []", "made_for = [\"a-1\", \" \"]"] {
            check("cut_off", &format!("{none}\ncut_off"), "line 2: made_for must name the models");
        }
        check("cut_off", "made_for = \"a-1\"\ncut_off", "line 2: ");
        check("[[bands]]", "[[bands]", "line 3: ");
    }

    #[test]
    fn what_is_wrong_with_a_rule_is_named_with_its_line() {
        let good = GOOD.to_owned() + RULES;
        let check = |from: &str, to: &str, expect: &str| check_in(&good, from, to, expect);
        check("account_age_days", "shoe_size", "line 9: feature must be one of transaction_count_30d, ");
        check("\"below\"", "\"under\"", "line 10: comparison must be below, at_most, above or at_least");
        check("value = 1.5", "value = inf", "line 11: value must be a finite number");
        check(
            "value = 1.5",
            "value = 1.5\nreason = \"BAD_LUCK\"",
            "line 12: reason must be the code of a reason",
        );
        check(
            "value = 1.5",
            "value = 1.5\nreason = \"DENIED_RECENTLY\"",
            "line 9: reason DENIED_RECENTLY is of",
        );
        check("value = 1.5", "value = 1.5\nweight = 1", "line 12: unknown field `weight`");
        check("account_age_days", "avg_stress_7d", "line 9: feature is an emotion, which is only there with");
        check(
            "value = 1.5",
            "value = 1.5\nonly_with_consent = true",
            "line 9: feature is there without consent",
        );
        check("1000.00", "49.99", "line 13: max_total must be at least min_limit");
        check("\"50.00\"", "\"0\"", "line 13: min_limit must be above 0");
        check("\"50.00\"", "\"900.01\"", "line 4: credit_limit must come to at least min_limit");
        check("days = 30", "days = 0", "line 16: days must be at least 1");
        check("days = 30", "days = -1", "line 16: ");
        check("days = 30", "days = 30.5", "line 16: ");
        check("10.00", "0.00", "line 18: limit_step must be above 0");
        check("0.25", "0", "line 18: rate_step must be above 0");
        check("rate_step = \"0.25\"\n", "", "line 17: missing field `rate_step`");
    }

    #[test]
    fn a_rule_on_emotions_says_that_consent_is_needed() {
        let text = RULES
            .replace("account_age_days", "avg_stress_7d")
            .replace("1.5", "0.5\nonly_with_consent = true");
        assert!(parse(&(GOOD.to_owned() + &text)).unwrap().knock_outs[0].needs_consent());
    }
}
