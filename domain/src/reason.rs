//! Why somebody is denied, in a word that doesn't change.

use crate::scorecard::Input;

/// A reason of a denial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Few transactions in 30 days.
    FewTransactions,
    /// Transactions of little value.
    LowTransactionValue,
    /// No transaction for some time.
    NoRecentTransaction,
    /// The account is young.
    NewAccount,
    /// Little positivity in 7 days.
    LowPositivity,
    /// Strong emotions in 7 days.
    HighIntensity,
    /// Much stress in 7 days.
    HighStress,
    /// Many events of stress.
    StressEvents,
    /// Nothing speaks against them, and too little for them.
    TooLittleKnown,
    /// They could owe as much as anybody may already.
    ExistingCredit,
    /// They were denied not long ago.
    DeniedRecently,
}

impl Reason {
    /// Every reason there is.
    pub const ALL: [Self; 11] = [
        Self::FewTransactions,
        Self::LowTransactionValue,
        Self::NoRecentTransaction,
        Self::NewAccount,
        Self::LowPositivity,
        Self::HighIntensity,
        Self::HighStress,
        Self::StressEvents,
        Self::TooLittleKnown,
        Self::ExistingCredit,
        Self::DeniedRecently,
    ];

    /// Its name, which stays.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::FewTransactions => "FEW_TRANSACTIONS",
            Self::LowTransactionValue => "LOW_TRANSACTION_VALUE",
            Self::NoRecentTransaction => "NO_RECENT_TRANSACTION",
            Self::NewAccount => "NEW_ACCOUNT",
            Self::LowPositivity => "LOW_POSITIVITY",
            Self::HighIntensity => "HIGH_INTENSITY",
            Self::HighStress => "HIGH_STRESS",
            Self::StressEvents => "STRESS_EVENTS",
            Self::TooLittleKnown => "TOO_LITTLE_KNOWN",
            Self::ExistingCredit => "EXISTING_CREDIT",
            Self::DeniedRecently => "DENIED_RECENTLY",
        }
    }
}

impl From<Input> for Reason {
    /// The reason that is told of an input that raised the risk.
    fn from(input: Input) -> Self {
        match input {
            Input::TransactionCount30d => Self::FewTransactions,
            Input::AvgTransactionValue30d => Self::LowTransactionValue,
            Input::DaysSinceLastTransaction => Self::NoRecentTransaction,
            Input::AccountAgeDays => Self::NewAccount,
            Input::AvgPositivity7d => Self::LowPositivity,
            Input::AvgIntensity7d => Self::HighIntensity,
            Input::AvgStress7d => Self::HighStress,
            Input::StressEvents7d | Input::StressEvents30d => Self::StressEvents,
        }
    }
}

impl std::str::FromStr for Reason {
    type Err = ();

    fn from_str(code: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|reason| reason.code() == code).ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_as_they_are_written() {
        for reason in Reason::ALL {
            assert_eq!(reason.code().parse(), Ok(reason));
        }
    }
}
