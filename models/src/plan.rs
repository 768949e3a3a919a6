//! The file that says which models decide.
//!
//! ```toml
//! [financial]                       # without consent or emotions, and what is said beside each decision with them
//! champion = "financial-1"
//! challenger = "financial-trees-1"  # is scored, kept and never used
//!
//! [empathic]                        # with both
//! champion = "empathic-1"
//! ```

use serde::Deserialize;

/// The models that decide unless somebody says otherwise: the policy that is active by default is made for their scores.
const FINANCIAL: &str = "financial-1";
const EMPATHIC: &str = "empathic-1";
/// The models that are listened to unless somebody says otherwise: of another kind, and trained on the same people.
const FINANCIAL_CHALLENGER: &str = "financial-trees-1";
const EMPATHIC_CHALLENGER: &str = "empathic-trees-1";

/// Which models decide, by their versions.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Where nothing is known of emotions.
    #[serde(default = "Plan::financial")]
    pub financial: Names,
    /// Where something is.
    #[serde(default = "Plan::empathic")]
    pub empathic: Names,
}

/// Who decides, and who is listened to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Names {
    /// Decides.
    pub champion: String,
    /// Is scored, kept and never used.
    pub challenger: Option<String>,
}

/// It isn't TOML, lacks a champion, or has a key that nothing is done with. The text names the line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PlanError(String);

impl Plan {
    fn financial() -> Names {
        Names { champion: FINANCIAL.to_owned(), challenger: Some(FINANCIAL_CHALLENGER.to_owned()) }
    }

    fn empathic() -> Names {
        Names { champion: EMPATHIC.to_owned(), challenger: Some(EMPATHIC_CHALLENGER.to_owned()) }
    }

    /// Reads the file. A section that isn't there stays with what is built in.
    pub fn parse(text: &str) -> Result<Self, PlanError> {
        toml::from_str(text).map_err(|error| PlanError(error.to_string().trim_end().to_owned()))
    }

    /// Every model that it names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let seats = [&self.financial, &self.empathic].into_iter();
        seats.flat_map(|names| std::iter::once(names.champion.as_str()).chain(names.challenger.as_deref()))
    }
}

/// What is built in.
impl Default for Plan {
    fn default() -> Self {
        Self { financial: Self::financial(), empathic: Self::empathic() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_read_or_refused_with_the_line() {
        let check = |text: &str, expect: Result<[&str; 2], &str>| match (Plan::parse(text), expect) {
            (Ok(plan), Ok(champions)) => {
                assert_eq!([plan.financial.champion, plan.empathic.champion], champions, "{text}");
            }
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{text}: {error}"),
            (got, _) => panic!("{text}: {got:?}"),
        };
        check("", Ok([FINANCIAL, EMPATHIC]));
        check("[financial]\nchampion = \"a\"", Ok(["a", EMPATHIC]));
        check(
            "[financial]\nchampion = \"a\"\n[empathic]\nchampion = \"b\"\nchallenger = \"c\"",
            Ok(["a", "b"]),
        );
        check("[financial]\nchallenger = \"a\"", Err("champion"));
        check("[financial]\nchampion = 1", Err("line 2"));
        check("[other]\nchampion = \"a\"", Err("other"));
        check("[empathic]\nchampion = \"a\"\nrandom = true", Err("random"));
    }
}
