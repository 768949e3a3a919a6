//! The roles that a process can run, by their stable names.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// A role: one service, which runs here or somewhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// The edge.
    ApiGateway,
    /// Takes emotion events in.
    EmotionIngestion,
    /// Takes transactions in.
    TransactionIngestion,
    /// Folds emotion events.
    EmotionProcessing,
    /// Folds transactions.
    TransactionProcessing,
    /// Accounts, decisions, offers.
    UserAndCredit,
    /// The model.
    CreditAnalysis,
    /// Activates accepted offers.
    CreditApplication,
    /// Tells customers.
    Notification,
    /// Answers operators.
    Operations,
}

impl Role {
    /// Every role there is.
    pub const ALL: [Self; 10] = [
        Self::ApiGateway,
        Self::EmotionIngestion,
        Self::TransactionIngestion,
        Self::EmotionProcessing,
        Self::TransactionProcessing,
        Self::UserAndCredit,
        Self::CreditAnalysis,
        Self::CreditApplication,
        Self::Notification,
        Self::Operations,
    ];

    /// The name on the command line, in logs and in deployments.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ApiGateway => "api-gateway",
            Self::EmotionIngestion => "emotion-ingestion",
            Self::TransactionIngestion => "transaction-ingestion",
            Self::EmotionProcessing => "emotion-processing",
            Self::TransactionProcessing => "transaction-processing",
            Self::UserAndCredit => "user-and-credit",
            Self::CreditAnalysis => "credit-analysis",
            Self::CreditApplication => "credit-application",
            Self::Notification => "notification",
            Self::Operations => "operations",
        }
    }

    /// The roles whose handles this one holds: they run in the same process, or are reached over HTTP.
    #[must_use]
    pub fn calls(self) -> &'static [Self] {
        match self {
            Self::ApiGateway => &[
                Self::EmotionIngestion,
                Self::TransactionIngestion,
                Self::UserAndCredit,
                Self::CreditAnalysis,
                Self::Notification,
                Self::Operations,
            ],
            Self::UserAndCredit => &[Self::CreditAnalysis],
            // It has no store, and asks there which tokens hold no more.
            Self::TransactionIngestion => &[Self::UserAndCredit],
            Self::EmotionIngestion
            | Self::EmotionProcessing
            | Self::TransactionProcessing
            | Self::CreditAnalysis
            | Self::CreditApplication
            | Self::Notification
            | Self::Operations => &[],
        }
    }

    /// The setting that says where the role answers when it runs in another process; `None` for roles that nobody calls.
    #[must_use]
    pub fn service_setting(self) -> Option<&'static str> {
        match self {
            Self::EmotionIngestion => Some("EMOTION_SERVICE_URL"),
            Self::TransactionIngestion => Some("TRANSACTION_SERVICE_URL"),
            Self::UserAndCredit => Some("USER_CREDIT_SERVICE_URL"),
            Self::CreditAnalysis => Some("CREDIT_ANALYSIS_SERVICE_URL"),
            Self::Notification => Some("NOTIFICATION_SERVICE_URL"),
            Self::Operations => Some("OPERATIONS_SERVICE_URL"),
            Self::ApiGateway
            | Self::EmotionProcessing
            | Self::TransactionProcessing
            | Self::CreditApplication => None,
        }
    }

    /// Whether the role asks who bears a token.
    #[must_use]
    pub fn reads_tokens(self) -> bool {
        matches!(
            self,
            Self::ApiGateway
                | Self::TransactionIngestion
                | Self::UserAndCredit
                | Self::Notification
                | Self::Operations
        )
    }

    /// Whether the role uses the store, and with it the keys of people.
    #[must_use]
    pub fn uses_store(self) -> bool {
        match self {
            Self::ApiGateway | Self::CreditAnalysis | Self::EmotionIngestion | Self::TransactionIngestion => {
                false
            }
            Self::UserAndCredit
            | Self::EmotionProcessing
            | Self::TransactionProcessing
            | Self::CreditApplication
            | Self::Notification
            | Self::Operations => true,
        }
    }

    /// Whether the role writes rows to the outbox, so that its process must run the relay.
    #[must_use]
    pub fn writes_outbox(self) -> bool {
        matches!(self, Self::UserAndCredit | Self::CreditApplication | Self::Operations)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|role| role.as_str() == name).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|role| role.as_str()).collect();
            format!("there is no such role; the roles are {}", names.join(", "))
        })
    }
}

/// The roles of one process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roles(BTreeSet<Role>);

impl Roles {
    /// These, or all of them when none is named.
    #[must_use]
    pub fn chosen(named: &[Role]) -> Self {
        if named.is_empty() { Self(Role::ALL.into()) } else { Self(named.iter().copied().collect()) }
    }

    /// Whether the role is among them.
    #[must_use]
    pub fn contains(&self, role: Role) -> bool {
        self.0.contains(&role)
    }

    /// The roles, in the order of the enumeration.
    pub fn iter(&self) -> impl Iterator<Item = Role> + '_ {
        self.0.iter().copied()
    }

    /// The roles that a chosen one calls and that are not chosen, each with its first caller.
    #[must_use]
    pub fn missing(&self) -> Vec<(Role, Role)> {
        let mut missing: Vec<(Role, Role)> = Vec::new();
        for caller in self.iter() {
            for called in caller.calls().iter().copied().filter(|called| !self.contains(*called)) {
                if missing.iter().all(|(_, known)| *known != called) {
                    missing.push((caller, called));
                }
            }
        }
        missing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for role in Role::ALL {
            assert_eq!(role.as_str().parse(), Ok(role));
        }
        assert!("gateway".parse::<Role>().unwrap_err().contains("api-gateway"));
    }

    #[test]
    fn a_subset_says_what_it_lacks() {
        let check = |roles: &[Role], expect: &[(Role, Role)]| {
            assert_eq!(Roles::chosen(roles).missing(), expect, "{roles:?}");
        };
        check(&[], &[]);
        check(&[Role::EmotionIngestion, Role::EmotionProcessing], &[]);
        check(&[Role::UserAndCredit], &[(Role::UserAndCredit, Role::CreditAnalysis)]);
        check(&[Role::UserAndCredit, Role::CreditAnalysis], &[]);
        check(
            &[Role::ApiGateway, Role::EmotionIngestion, Role::UserAndCredit, Role::Notification],
            &[
                (Role::ApiGateway, Role::TransactionIngestion),
                (Role::ApiGateway, Role::CreditAnalysis),
                (Role::ApiGateway, Role::Operations),
            ],
        );
    }

    #[test]
    fn a_role_that_is_called_has_a_setting_that_names_it() {
        for called in Role::ALL.iter().flat_map(|role| role.calls()) {
            assert!(called.service_setting().is_some(), "{called}");
        }
    }
}
