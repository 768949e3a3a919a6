//! Consent: whether what a person felt, and what they told of themselves, may be kept and used.

use std::fmt;
use std::str::FromStr;

use crate::Timestamp;

/// What consent is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Keeping emotion events and using them in credit decisions.
    EmotionAnalysis,
    /// Keeping an age band and a region, for seeing whether decisions are fair.
    Demographics,
    /// Being counted in the anonymised export.
    Research,
    /// Being evaluated for an offer without asking for one.
    PreApproval,
}

impl Purpose {
    /// Every purpose there is.
    pub const ALL: [Self; 4] = [Self::EmotionAnalysis, Self::Demographics, Self::Research, Self::PreApproval];

    /// Its name in paths and tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EmotionAnalysis => "emotion-analysis",
            Self::Demographics => "demographics",
            Self::Research => "research",
            Self::PreApproval => "pre-approval",
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

/// A language that texts are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Locale {
    /// English.
    En,
    /// Portuguese of Brazil.
    PtBr,
    /// Spanish.
    Es,
}

impl Locale {
    /// Every language there is.
    pub const ALL: [Self; 3] = [Self::En, Self::PtBr, Self::Es];

    /// Its tag.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::PtBr => "pt-BR",
            Self::Es => "es",
        }
    }
}

impl FromStr for Locale {
    type Err = ();

    fn from_str(tag: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|locale| locale.as_str().eq_ignore_ascii_case(tag)).ok_or(())
    }
}

/// Which text a person saw when they said something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    /// The text's version, from 1.
    pub version: u32,
    /// Its language.
    pub locale: Locale,
}

/// The texts of emotion analysis, the first version first. A text that was shown is never changed, and one that permits something else
/// is another purpose's: whoever said yes to the one has not said so to the other.
const EMOTION_ANALYSIS: [[&str; 3]; 2] = [
    [
        include_str!("../consents/emotion-analysis.1.en.txt"),
        include_str!("../consents/emotion-analysis.1.pt-BR.txt"),
        include_str!("../consents/emotion-analysis.1.es.txt"),
    ],
    // It says that averages go by themselves, too, and who may see events for a person.
    [
        include_str!("../consents/emotion-analysis.2.en.txt"),
        include_str!("../consents/emotion-analysis.2.pt-BR.txt"),
        include_str!("../consents/emotion-analysis.2.es.txt"),
    ],
];
/// The same of age bands and regions.
const DEMOGRAPHICS: [[&str; 3]; 1] = [[
    include_str!("../consents/demographics.1.en.txt"),
    include_str!("../consents/demographics.1.pt-BR.txt"),
    include_str!("../consents/demographics.1.es.txt"),
]];
/// The same of research.
const RESEARCH: [[&str; 3]; 1] = [[
    include_str!("../consents/research.1.en.txt"),
    include_str!("../consents/research.1.pt-BR.txt"),
    include_str!("../consents/research.1.es.txt"),
]];
/// The same of evaluations that nobody asked for.
const PRE_APPROVAL: [[&str; 3]; 1] = [[
    include_str!("../consents/pre-approval.1.en.txt"),
    include_str!("../consents/pre-approval.1.pt-BR.txt"),
    include_str!("../consents/pre-approval.1.es.txt"),
]];

impl Purpose {
    /// The version of the text that is to be shown today.
    #[must_use]
    pub fn version(self) -> u32 {
        u32::try_from(self.texts().len()).unwrap_or(u32::MAX)
    }

    /// What a version says in a language; `None` when there never was one of that number.
    #[must_use]
    pub fn text(self, shown: Shown) -> Option<&'static str> {
        let version = usize::try_from(shown.version.checked_sub(1)?).ok()?;
        self.texts().get(version)?.get(shown.locale as usize).map(|text| text.trim_end())
    }

    fn texts(self) -> &'static [[&'static str; 3]] {
        match self {
            Self::EmotionAnalysis => &EMOTION_ANALYSIS,
            Self::Demographics => &DEMOGRAPHICS,
            Self::Research => &RESEARCH,
            Self::PreApproval => &PRE_APPROVAL,
        }
    }
}

/// What a person says about a purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said {
    /// Whether it is a yes.
    pub granted: bool,
    /// The text that they were shown, if whoever brings their word says so.
    pub shown: Option<Shown>,
}

impl From<bool> for Said {
    fn from(granted: bool) -> Self {
        Self { granted, shown: None }
    }
}

/// What a person said about one purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Consent {
    /// Whether they said yes.
    pub granted: bool,
    /// The text that they were shown; `None` when nobody told.
    pub shown: Option<Shown>,
    /// When they said so.
    pub updated_at: Timestamp,
}

impl Consent {
    /// Whether saying this now says anything new: the other answer, or the same one to another text.
    #[must_use]
    pub fn is_renewed_by(&self, said: Said) -> bool {
        self.granted != said.granted || said.shown.is_some_and(|shown| self.shown != Some(shown))
    }
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
    /// What holds for this purpose, where this rule holds for emotions: silence about anything else is always a no.
    #[must_use]
    pub fn about(self, purpose: Purpose) -> Self {
        match purpose {
            Purpose::EmotionAnalysis => self,
            Purpose::Demographics | Purpose::Research | Purpose::PreApproval => Self::Required,
        }
    }

    /// Whether it is allowed, given what the person last said.
    #[must_use]
    pub fn allows(self, said: Option<bool>) -> bool {
        said.unwrap_or(self == Self::Assumed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_version_has_a_text_in_every_language() {
        for purpose in Purpose::ALL {
            for version in 1..=purpose.version() {
                for locale in Locale::ALL {
                    let text = purpose.text(Shown { version, locale }).unwrap();
                    assert!(text.len() > 100, "{purpose} {version} {locale:?}");
                    assert_eq!(locale.as_str().parse(), Ok(locale));
                }
            }
            for version in [0, purpose.version() + 1] {
                assert_eq!(purpose.text(Shown { version, locale: Locale::En }), None);
            }
        }
    }

    #[test]
    fn the_same_word_on_another_text_is_a_new_one() {
        let shown = |version| Some(Shown { version, locale: Locale::Es });
        let consent = Consent { granted: true, shown: shown(1), updated_at: Timestamp::UNIX_EPOCH };
        let check = |granted, shown, expect| {
            assert_eq!(consent.is_renewed_by(Said { granted, shown }), expect, "{granted} {shown:?}");
        };
        check(true, shown(1), false);
        check(true, None, false);
        check(true, shown(2), true);
        check(false, None, true);
    }

    #[test]
    fn silence_counts_only_where_consent_is_assumed() {
        let check =
            |rule: ConsentRule, said, expect| assert_eq!(rule.allows(said), expect, "{rule:?} {said:?}");
        check(ConsentRule::Assumed, None, true);
        check(ConsentRule::Assumed, Some(false), false);
        check(ConsentRule::Required, None, false);
        check(ConsentRule::Required, Some(true), true);
        check(ConsentRule::Required, Some(false), false);
        for purpose in [Purpose::Demographics, Purpose::Research, Purpose::PreApproval] {
            check(ConsentRule::Assumed.about(purpose), None, false);
            check(ConsentRule::Assumed.about(purpose), Some(true), true);
        }
        check(ConsentRule::Assumed.about(Purpose::EmotionAnalysis), None, true);
    }
}
