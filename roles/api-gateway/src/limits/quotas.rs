//! The quotas: a table of classes and subjects, with a short text for what differs from it.

use std::fmt;
use std::str::FromStr;

use ecs_limits::{Quota, QuotaError};

/// What kind of call a route is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Events that come in.
    Ingest,
    /// Looks at what there is.
    Read,
    /// Changes and decisions.
    Write,
    /// Registering, logging in and out, passwords: slow work, and what guessers call.
    Credentials,
    /// What operators do.
    Operations,
    /// The document and its page.
    Documentation,
}

impl Class {
    /// Every class.
    pub const ALL: [Self; 6] =
        [Self::Ingest, Self::Read, Self::Write, Self::Credentials, Self::Operations, Self::Documentation];

    /// Its name in settings and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Read => "read",
            Self::Write => "write",
            Self::Credentials => "credentials",
            Self::Operations => "operations",
            Self::Documentation => "documentation",
        }
    }
}

/// Whose calls are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// A token's user, who may do nothing but in their own affairs.
    User,
    /// The user of a token with permissions: a person or a program that acts for others.
    Operator,
    /// A service key.
    Key,
    /// The address of who calls without credentials, or with some that don't hold.
    Address,
}

impl Subject {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::User, Self::Operator, Self::Key, Self::Address];

    /// Its name in settings and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Operator => "operator",
            Self::Key => "key",
            Self::Address => "address",
        }
    }
}

/// A quota, or none, for each subject of each class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimits([[Option<Quota>; Subject::ALL.len()]; Class::ALL.len()]);

/// Why a text isn't one of rate limits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuotasError {
    /// A part isn't `class.subject=quota`.
    #[error("must be off, or hold entries such as read.user=20/s:40, separated by commas; {0:?} is none")]
    Form(String),
    /// There is no such class.
    #[error("names the class {0:?}; there are {classes}", classes = names(Class::ALL.map(Class::as_str)))]
    Class(String),
    /// There is no such subject.
    #[error("names the subject {0:?}; there are {subjects}", subjects = names(Subject::ALL.map(Subject::as_str)))]
    Subject(String),
    /// A quota can't be.
    #[error("has a quota for {0} that {1}")]
    Quota(String, QuotaError),
}

fn names<const N: usize>(names: [&str; N]) -> String {
    names.join(", ")
}

/// What holds unless a setting says otherwise. A line is a class; the columns are those of [`Subject::ALL`].
const DEFAULTS: [(Class, [&str; 4]); 6] = [
    (Class::Ingest, ["1000/s:2000", "off", "off", "20/s:200"]),
    (Class::Read, ["200/s:400", "off", "off", "20/s:200"]),
    (Class::Write, ["50/s:100", "off", "off", "20/s:200"]),
    (Class::Credentials, ["1/s:20", "1/s:20", "off", "5/s:200"]),
    (Class::Operations, ["20/s:100", "off", "off", "20/s:200"]),
    (Class::Documentation, ["off", "off", "off", "20/s:200"]),
];

impl RateLimits {
    /// No quota for anybody.
    #[must_use]
    pub fn off() -> Self {
        Self([[None; Subject::ALL.len()]; Class::ALL.len()])
    }

    /// The quota of a subject for routes of a class.
    #[must_use]
    pub fn of(&self, class: Class, subject: Subject) -> Option<&Quota> {
        self.0[class as usize][subject as usize].as_ref()
    }

    fn set(&mut self, entry: &str) -> Result<(), QuotasError> {
        let form = || QuotasError::Form(entry.to_owned());
        let (name, quota) = entry.split_once('=').ok_or_else(form)?;
        let (class, subject) = name.trim().split_once('.').ok_or_else(form)?;
        let class = Class::ALL.into_iter().find(|known| known.as_str() == class);
        let class = class.ok_or_else(|| QuotasError::Class(class_of(name)))?;
        let subject_named = Subject::ALL.into_iter().find(|known| known.as_str() == subject);
        let subject = subject_named.ok_or_else(|| QuotasError::Subject(subject.to_owned()))?;
        self.0[class as usize][subject as usize] = match quota.trim() {
            "off" => None,
            quota => Some(quota.parse().map_err(|error| QuotasError::Quota(name.trim().to_owned(), error))?),
        };
        Ok(())
    }
}

fn class_of(name: &str) -> String {
    name.trim().split('.').next().unwrap_or_default().to_owned()
}

impl Default for RateLimits {
    fn default() -> Self {
        let mut quotas = Self::off();
        for (class, texts) in DEFAULTS {
            for (quota, text) in quotas.0[class as usize].iter_mut().zip(texts) {
                // A test holds that each of them is a quota or `off`.
                *quota = text.parse().ok();
            }
        }
        quotas
    }
}

impl FromStr for RateLimits {
    type Err = QuotasError;

    /// `off`, or what differs from the defaults: `read.user=20/s:40, ingest.user=off`.
    fn from_str(text: &str) -> Result<Self, QuotasError> {
        if text.trim() == "off" {
            return Ok(Self::off());
        }
        let mut quotas = Self::default();
        let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        entries.into_iter().try_for_each(|entry| quotas.set(entry))?;
        Ok(quotas)
    }
}

impl fmt::Display for RateLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for class in Class::ALL {
            write!(f, "| `{}` |", class.as_str())?;
            for subject in Subject::ALL {
                match self.of(class, subject) {
                    Some(quota) => write!(f, " `{quota}` |")?,
                    None => f.write_str(" – |")?,
                }
            }
            f.write_str("\n")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = include_str!("../../../../docs/rate-limits.md");

    #[test]
    fn the_defaults_are_whole_and_documented() {
        for (at, (class, texts)) in DEFAULTS.into_iter().enumerate() {
            assert_eq!((class as usize, class), (at, Class::ALL[at]));
            for (subject, text) in Subject::ALL.into_iter().zip(texts) {
                let quota = RateLimits::default().of(class, subject).map(Quota::to_string);
                assert_eq!(quota.as_deref(), (text != "off").then_some(text), "{class:?} {subject:?}");
            }
        }
        assert!(PAGE.contains(&RateLimits::default().to_string()), "docs: {}", RateLimits::default());
    }

    #[test]
    fn a_text_says_what_differs_from_the_defaults() {
        let check = |text: &str, class: Class, subject: Subject, expect: Option<&str>| {
            let quotas: RateLimits = text.parse().unwrap();
            let quota = quotas.of(class, subject).map(Quota::to_string);
            assert_eq!(quota.as_deref(), expect, "{text}");
        };
        check("", Class::Read, Subject::User, Some("200/s:400"));
        check("off", Class::Read, Subject::User, None);
        check("read.user=5/s", Class::Read, Subject::User, Some("5/s:5"));
        check("read.user=5/s", Class::Write, Subject::User, Some("50/s:100"));
        check("write.user = off , read.user = 1/m:9,", Class::Read, Subject::User, Some("1/m:9"));
        check("write.user = off , read.user = 1/m:9,", Class::Write, Subject::User, None);
        check("ingest.key=100000/s", Class::Ingest, Subject::Key, Some("100000/s:100000"));
    }

    #[test]
    fn what_is_unknown_is_refused_by_its_name() {
        let check = |text: &str, expect: &str| {
            let refused = text.parse::<RateLimits>().unwrap_err().to_string();
            assert!(refused.contains(expect), "{text}: {refused}");
        };
        check("on", "\"on\" is none");
        check("read=5/s", "\"read=5/s\" is none");
        check("reads.user=5/s", "the class \"reads\"; there are ingest, read, write");
        check("read.users=5/s", "the subject \"users\"; there are user, operator, key, address");
        check("read.user=5", "a quota for read.user that must be written like 20/s");
        check("read.user=0/s", "a quota for read.user that its numbers must be from 1");
    }
}
