//! What people are told of a decision: the text of every reason, of what helped, and of every feature, in every language.
//!
//! Texts come in versions, and a decision keeps the number of the one that its person was shown. A version that was released is never
//! changed, so that what somebody read can be read again: another wording is another version.

use crate::consent::Locale;
use crate::reason::Reason;
use crate::scorecard::Input;

/// The versions, the first one first, each in the order of [`Locale`]. A line is `kind name: text`.
const VERSIONS: [[&str; 3]; 1] = [[
    include_str!("../reasons/1.en.txt"),
    include_str!("../reasons/1.pt-BR.txt"),
    include_str!("../reasons/1.es.txt"),
]];

/// A version in a language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Catalogue {
    version: u32,
    locale: Locale,
}

impl Catalogue {
    /// The version that new decisions are told with.
    #[must_use]
    pub fn newest() -> u32 {
        u32::try_from(VERSIONS.len()).unwrap_or(u32::MAX)
    }

    /// This version in this language. Where there never was one of that number it is the newest: a decision from before there were
    /// versions.
    #[must_use]
    pub fn of(version: u32, locale: Locale) -> Self {
        let known = (1..=Self::newest()).contains(&version);
        Self { version: if known { version } else { Self::newest() }, locale }
    }

    /// Its number.
    #[must_use]
    pub fn version(self) -> u32 {
        self.version
    }

    /// Its language.
    #[must_use]
    pub fn locale(self) -> Locale {
        self.locale
    }

    /// What whoever was denied for this reason is told: what was looked at, and what they can do.
    #[must_use]
    pub fn reason(self, reason: Reason) -> &'static str {
        self.line("reason", reason.code())
    }

    /// What is said where this spoke most for somebody.
    #[must_use]
    pub fn helps(self, input: Input) -> &'static str {
        self.line("helps", input.as_str())
    }

    /// What a feature is called.
    #[must_use]
    pub fn feature(self, input: Input) -> &'static str {
        self.line("feature", input.as_str())
    }

    /// Several reasons as one text.
    #[must_use]
    pub fn joined(self, reasons: &[Reason]) -> String {
        let texts: Vec<&str> = reasons.iter().map(|reason| self.reason(*reason)).collect();
        texts.join(" ")
    }

    /// A code that is younger than the version has no text in it, and stands for itself.
    fn line(self, kind: &str, name: &'static str) -> &'static str {
        let at = usize::try_from(self.version).unwrap_or(usize::MAX).saturating_sub(1);
        let text = VERSIONS.get(at).and_then(|version| version.get(self.locale as usize));
        let of_name = |line: &'static str| {
            line.strip_prefix(kind)?.strip_prefix(' ')?.strip_prefix(name)?.strip_prefix(": ")
        };
        text.and_then(|text| text.lines().find_map(of_name)).unwrap_or(name)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use sha2::{Digest as _, Sha256};

    use super::*;

    /// What was released. A line is added for each new version; none is ever changed.
    const RELEASED: [[&str; 3]; 1] = [[
        "623fd67a2d4a1f6ad5f749610b361d7d26523c9c5864f9fcffa682481561d6b5",
        "6b0ab5c694a454827da29172215d1e781a191a6249fa5c55d8e573e61ec608b8",
        "950f9d7ff209bc8f1f23c3489f991b7730b512f6eca3352404690a3cd8a019f1",
    ]];

    fn catalogues() -> impl Iterator<Item = Catalogue> {
        let versions = 1..=Catalogue::newest();
        versions.flat_map(|version| Locale::ALL.map(|locale| Catalogue::of(version, locale)))
    }

    #[test]
    fn a_released_text_is_never_changed() {
        let digest =
            |text: &str| Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(
            VERSIONS.map(|version| version.map(digest)),
            RELEASED.map(|version| version.map(str::to_owned))
        );
    }

    #[test]
    fn the_newest_version_has_every_text_in_every_language() {
        for locale in Locale::ALL {
            let newest = Catalogue::of(Catalogue::newest(), locale);
            let mut texts = BTreeSet::new();
            for reason in Reason::ALL {
                let text = newest.reason(reason);
                assert!(text.len() > 60 && text.ends_with('.'), "{locale:?} {reason:?}: {text}");
                assert!(
                    !text.to_lowercase().contains("score"),
                    "what a score was made of, never the score: {text}"
                );
                texts.insert(text);
            }
            for input in Input::ALL {
                for text in [newest.helps(input), newest.feature(input)] {
                    assert!(text.contains(' '), "{locale:?} {input:?}: {text}");
                    texts.insert(text);
                }
            }
            assert_eq!(
                texts.len(),
                Reason::ALL.len() + 2 * Input::ALL.len(),
                "{locale:?}: each says something else"
            );
        }
    }

    /// A window that is named is the one that was looked at, in every language.
    #[test]
    fn texts_name_the_windows_of_what_they_are_about() {
        for catalogue in catalogues() {
            for input in Input::ALL {
                let text = catalogue.helps(input).to_owned() + catalogue.feature(input);
                for (mark, days) in [("_7d", "7"), ("_30d", "30")] {
                    assert_eq!(input.as_str().ends_with(mark), text.contains(&format!(" {days} ")), "{text}");
                }
            }
        }
    }

    #[test]
    fn every_line_is_of_something_there_is() {
        let known: BTreeSet<String> = Reason::ALL
            .iter()
            .map(|reason| format!("reason {}", reason.code()))
            .chain(
                Input::ALL
                    .iter()
                    .flat_map(|input| ["helps", "feature"].map(|kind| format!("{kind} {}", input.as_str()))),
            )
            .collect();
        for text in VERSIONS.as_flattened() {
            let named: Vec<String> = text
                .lines()
                .filter_map(|line| line.split_once(": "))
                .map(|(name, _)| name.to_owned())
                .collect();
            assert_eq!(named.len(), text.lines().count());
            assert!(named.iter().all(|name| known.contains(name)), "{named:?}");
            assert_eq!(named.iter().collect::<BTreeSet<_>>().len(), named.len(), "one line for each");
        }
    }

    #[test]
    fn an_unknown_version_is_told_with_the_newest() {
        for version in [0, Catalogue::newest() + 1] {
            assert_eq!(Catalogue::of(version, Locale::Es), Catalogue::of(Catalogue::newest(), Locale::Es));
        }
        let spanish = Catalogue::of(1, Locale::Es);
        assert!(
            spanish
                .joined(&[Reason::NewAccount, Reason::HighStress])
                .starts_with("Tu cuenta todavía es nueva. ")
        );
    }
}
