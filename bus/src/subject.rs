//! What events are about, and who reads them.

use std::fmt;

/// A subject: events of one kind, published for whoever is interested. The names are a contract with other systems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    /// Emotion events as they were accepted.
    Emotions,
    /// Transactions as they were accepted.
    Transactions,
    /// Offers that their users accepted.
    OffersApproved,
    /// What customers are told.
    Notifications,
    /// People who are to be looked at again, since something about them has changed.
    Evaluations,
    /// What somebody should know about the platform, and is about nobody in particular.
    Alerts,
}

impl Subject {
    /// Every subject there is.
    pub const ALL: [Self; 6] = [
        Self::Emotions,
        Self::Transactions,
        Self::OffersApproved,
        Self::Notifications,
        Self::Evaluations,
        Self::Alerts,
    ];

    /// The name on every transport.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Emotions => "user.emotions.topic",
            Self::Transactions => "transactions.topic",
            Self::OffersApproved => "credit.offers.approved",
            Self::Notifications => "user.notifications",
            Self::Evaluations => "credit.evaluations.requested",
            Self::Alerts => "platform.alerts",
        }
    }

    /// The subject with this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|subject| subject.as_str() == name)
    }

    /// The one group whose work completes the subject's events in the books.
    #[must_use]
    pub fn group(self) -> Group {
        match self {
            Self::Emotions => Group("emotion-processing"),
            Self::Transactions => Group("transaction-processing"),
            Self::OffersApproved => Group("credit-application"),
            Self::Notifications => Group("notification"),
            Self::Evaluations => Group("user-and-credit"),
            Self::Alerts => Group("operations"),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A group of consumers that share the work on a subject. Groups are independent of each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Group(pub &'static str);

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}
