//! From PostgreSQL's errors to the store's. No text that leaves here holds an address, a user's data or a password: the
//! server's messages are passed on only where they speak of the schema, never its details, which quote values.

use std::io;

use ecs_store::StoreError;
use tokio_postgres::error::SqlState;

/// Why a piece of work failed. It lets `?` carry all kinds of error up to where they become one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// What the server or the way to it said.
    #[error(transparent)]
    Database(#[from] tokio_postgres::Error),
    /// What the contract has a word for.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A JSON column.
    #[error("a JSON column: {0}")]
    Json(#[from] serde_json::Error),
    /// There is no server to talk to, or it stopped talking.
    #[error("{0}")]
    Outage(&'static str),
    /// Every connection is in use.
    #[error("all connections are in use")]
    Busy,
    /// The server is there, and not fit to be used.
    #[error("{0}")]
    Unfit(String),
    /// The replica has not yet replayed what must be read.
    #[error("the replica is behind")]
    Behind,
    /// It met another transaction, or what another one had just changed: the same work can succeed at once.
    #[error("other transactions were in the way")]
    Conflict,
}

/// What an error means for the connection, the breaker and the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    /// Nothing was committed, and trying again at once can succeed.
    Conflict,
    /// The server or the way to it is broken.
    Outage,
    /// The server is well and couldn't do it now.
    Passing,
    /// A value that must be unique is there already.
    Unique,
    /// It won't succeed however often it is tried.
    Defect,
}

impl Fault {
    /// It takes what it is sent and says nothing.
    pub(super) const SILENT: Self = Self::Outage("the database didn't answer in time");
    /// It answers, but not all of what it was asked.
    pub(crate) const UNANSWERED: Self = Self::Outage("the database left an answer out");
    /// What it commits is lost on everybody else.
    pub(super) const DEPOSED: Self =
        Self::Outage("the database is a former primary: another one was promoted since");

    /// Whether the same work may be done again at once: the server has said that none of it was committed.
    pub(crate) fn is_conflict(&self) -> bool {
        matches!(self.sort(), Sort::Conflict)
    }

    /// Whether the breaker should count it.
    pub(crate) fn is_outage(&self) -> bool {
        matches!(self.sort(), Sort::Outage)
    }

    /// Whether the connection on which it happened is as good as before, once its transaction is rolled back.
    pub(super) fn leaves_connection_usable(&self) -> bool {
        match self {
            Self::Database(error) => match error.code() {
                // Statements that were prepared here are gone or outdated: prepare them anew, elsewhere.
                Some(code) if is_stale_statement(code) => false,
                Some(_) => !self.is_outage(),
                None => false,
            },
            Self::Store(_) | Self::Json(_) | Self::Conflict | Self::Behind => true,
            Self::Outage(_) | Self::Unfit(_) | Self::Busy => false,
        }
    }

    /// The name of the broken rule, when a row of that kind is there already.
    pub(crate) fn unique_rule(&self) -> Option<&str> {
        match self {
            Self::Database(error) if self.sort() == Sort::Unique => error.as_db_error()?.constraint(),
            _ => None,
        }
    }

    fn sort(&self) -> Sort {
        match self {
            Self::Database(error) => match error.code() {
                // The table's partition for the day is gone, as after a failover that lost it: it is made anew.
                Some(code) if *code == SqlState::CHECK_VIOLATION && !names_a_rule(error) => Sort::Passing,
                Some(code) => sort_of(code),
                None if is_defect(error) => Sort::Defect,
                None => Sort::Outage,
            },
            Self::Store(_) | Self::Json(_) => Sort::Defect,
            Self::Outage(_) | Self::Unfit(_) => Sort::Outage,
            Self::Busy | Self::Behind => Sort::Passing,
            Self::Conflict => Sort::Conflict,
        }
    }
}

fn names_a_rule(error: &tokio_postgres::Error) -> bool {
    error.as_db_error().is_some_and(|error| error.constraint().is_some())
}

fn is_stale_statement(code: &SqlState) -> bool {
    *code == SqlState::INVALID_SQL_STATEMENT_NAME || *code == SqlState::FEATURE_NOT_SUPPORTED
}

fn sort_of(code: &SqlState) -> Sort {
    let outages = [
        SqlState::ADMIN_SHUTDOWN,
        SqlState::CRASH_SHUTDOWN,
        SqlState::CANNOT_CONNECT_NOW,
        SqlState::TOO_MANY_CONNECTIONS,
        // A former primary, demoted under us.
        SqlState::READ_ONLY_SQL_TRANSACTION,
    ];
    // An operator's to mend, and no event's fault: what is given up for it would be all there is.
    let unprepared =
        [SqlState::INSUFFICIENT_PRIVILEGE, SqlState::UNDEFINED_TABLE, SqlState::INVALID_SCHEMA_NAME];
    let conflicts = [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED];
    match code.code().get(..2) {
        _ if outages.contains(code) => Sort::Outage,
        _ if conflicts.contains(code) => Sort::Conflict,
        _ if *code == SqlState::UNIQUE_VIOLATION => Sort::Unique,
        Some("08" | "28" | "3D") => Sort::Outage,
        // Cancelled, no lock in time, disk or memory full, an operator's hand, an error of the system beneath.
        Some("53" | "55" | "57" | "58" | "25") => Sort::Passing,
        _ if is_stale_statement(code) || unprepared.contains(code) => Sort::Passing,
        Some(_) | None => Sort::Defect,
    }
}

/// Whether an error that the server has no part in is one of this code: a value that doesn't fit its column. All
/// others are of the connection.
fn is_defect(error: &tokio_postgres::Error) -> bool {
    let source = std::error::Error::source(error);
    source.is_some_and(|source| source.downcast_ref::<tokio_postgres::types::WrongType>().is_some())
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        let sort = fault.sort();
        match fault {
            Fault::Store(error) => error,
            Fault::Json(_) => Self::Corrupt("a JSON column can't be read".to_owned()),
            Fault::Outage(why) => Self::Unavailable(why.to_owned()),
            Fault::Unfit(why) => Self::Unavailable(why),
            Fault::Busy | Fault::Behind | Fault::Conflict => Self::Unavailable(fault.to_string()),
            Fault::Database(error) => match sort {
                Sort::Conflict | Sort::Outage | Sort::Passing => Self::Unavailable(describe(&error)),
                Sort::Unique => taken(&error),
                Sort::Defect => Self::Corrupt(describe(&error)),
            },
        }
    }
}

/// Which column's value is taken.
fn taken(error: &tokio_postgres::Error) -> StoreError {
    match error.as_db_error().and_then(|error| error.constraint()) {
        Some("users_by_email") => StoreError::Taken("email"),
        Some("users_by_external_id") => StoreError::Taken("externalId"),
        Some(_) | None => StoreError::Corrupt(describe(error)),
    }
}

/// What happened, in words that hold no values.
fn describe(error: &tokio_postgres::Error) -> String {
    let Some(said) = error.as_db_error() else {
        return match std::error::Error::source(error).and_then(|source| source.downcast_ref::<io::Error>()) {
            Some(error) => format!("the connection to the database failed: {}", error.kind()),
            None if error.is_closed() => "the connection to the database is closed".to_owned(),
            None => "the connection to the database failed".to_owned(),
        };
    };
    let code = said.code().code();
    match (said.constraint(), code.get(..2)) {
        (Some(rule), _) => format!("a write broke the rule {rule} of the tables (SQLSTATE {code})"),
        // Messages of these classes speak of the state of the server and of the schema. Others may quote values.
        (None, Some("0A" | "25" | "26" | "40" | "42" | "53" | "55" | "57" | "58")) => {
            format!("the database says: {} (SQLSTATE {code})", said.message())
        }
        (None, _) => format!("the database refused (SQLSTATE {code})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_sorted() {
        let check = |code, expect| assert_eq!(sort_of(&SqlState::from_code(code)), expect, "{code}");
        check("40001", Sort::Conflict);
        check("40P01", Sort::Conflict);
        check("57P01", Sort::Outage);
        check("57P03", Sort::Outage);
        check("53300", Sort::Outage);
        check("25006", Sort::Outage);
        check("08006", Sort::Outage);
        check("28P01", Sort::Outage);
        check("57014", Sort::Passing);
        check("53100", Sort::Passing);
        check("42501", Sort::Passing);
        check("42P01", Sort::Passing);
        check("3F000", Sort::Passing);
        check("23505", Sort::Unique);
        check("23503", Sort::Defect);
        check("42601", Sort::Defect);
        check("22021", Sort::Defect);
        check("XX001", Sort::Defect);
    }
}
