//! Consent: whether a person's emotions may be kept and used.

use std::fmt;
use std::str::FromStr;

use crate::Timestamp;

/// What consent is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Keeping emotion events and using them in credit decisions.
    EmotionAnalysis,
}

impl Purpose {
    /// Every purpose there is.
    pub const ALL: [Self; 1] = [Self::EmotionAnalysis];

    /// Its name in paths and tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EmotionAnalysis => "emotion-analysis",
        }
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Purpose {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|purpose| purpose.as_str() == name).ok_or(())
    }
}

/// What a person last said about one purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Consent {
    /// Whether they said yes.
    pub granted: bool,
    /// When they said so.
    pub updated_at: Timestamp,
}

/// What holds for those who have said nothing: `EMOTION_CONSENT`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConsentRule {
    /// Silence is a yes until it is withdrawn. For laptops and tests; production refuses it.
    Assumed,
    /// Silence is a no.
    Required,
}

impl ConsentRule {
    /// Whether emotions may be kept and used, given what the person last said.
    #[must_use]
    pub fn allows(self, said: Option<bool>) -> bool {
        said.unwrap_or(self == Self::Assumed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_counts_only_where_consent_is_assumed() {
        let check =
            |rule: ConsentRule, said, expect| assert_eq!(rule.allows(said), expect, "{rule:?} {said:?}");
        check(ConsentRule::Assumed, None, true);
        check(ConsentRule::Assumed, Some(false), false);
        check(ConsentRule::Required, None, false);
        check(ConsentRule::Required, Some(true), true);
        check(ConsentRule::Required, Some(false), false);
    }
}
