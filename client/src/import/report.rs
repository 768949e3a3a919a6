//! What came of an import.

use std::collections::HashSet;
use std::time::Duration;

use ecs_domain::Day;
use rust_decimal::Decimal;
use serde::{Serialize, Serializer};

use super::rows::{Purchase, Row};

/// What came of an import. Its counts are those of the file up to where the import came, earlier runs included, so a
/// finished import says the same whether or not it was interrupted on the way.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// Rows of the file: lines that are neither blank nor a header.
    pub rows: u64,
    /// Those that the platform accepted.
    pub accepted: u64,
    /// Those of the accepted ones that an earlier run had sent.
    pub accepted_before: u64,
    /// Those that were refused, by the rising number of their line.
    pub refused: Vec<RefusedRow>,
    /// Distinct customers of all rows.
    pub customers: u64,
    /// Customers that this run provisioned and the platform had not known.
    pub new_customers: u64,
    /// The exact sum of the accepted amounts.
    #[serde(serialize_with = "digits")]
    pub amount: Decimal,
    /// The sum of the accepted quantities, for files that have them.
    pub quantity: u64,
    /// The first date of an accepted row.
    pub first_date: Option<Day>,
    /// The last date of an accepted row.
    pub last_date: Option<Day>,
    /// Why the import ended before the file did; it goes on from there when it is run again.
    pub interrupted: Option<String>,
    /// How long this run took, in seconds.
    pub seconds: f64,
}

/// A row that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RefusedRow {
    /// Its line in the file; the first line is 1.
    pub line: u64,
    /// Why.
    pub reason: String,
}

impl Report {
    /// Whether every row of the file has its answer.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.interrupted.is_none()
    }
}

fn digits<S: Serializer>(amount: &Decimal, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(amount)
}

/// Adds rows up as their answers come in.
#[derive(Default)]
pub(super) struct Ledger {
    pub(super) report: Report,
    customers: HashSet<String>,
}

impl Ledger {
    /// Counts a row that has its answer.
    pub(super) fn count(&mut self, row: &Row) {
        self.report.rows += 1;
        if let Some(customer) = &row.customer
            && !self.customers.contains(customer)
        {
            self.customers.insert(customer.clone());
        }
    }

    pub(super) fn accept(&mut self, purchase: &Purchase, by_earlier_run: bool) {
        let report = &mut self.report;
        report.accepted += 1;
        report.accepted_before += u64::from(by_earlier_run);
        report.amount += purchase.amount.decimal();
        report.quantity += purchase.quantity.unwrap_or_default();
        let day = purchase.day();
        report.first_date = Some(report.first_date.map_or(day, |first| first.min(day)));
        report.last_date = Some(report.last_date.map_or(day, |last| last.max(day)));
    }

    pub(super) fn refuse(&mut self, line: u64, reason: String) {
        self.report.refused.push(RefusedRow { line, reason });
    }

    /// The report, once nothing more will come.
    pub(super) fn close(mut self, took: Duration) -> Report {
        self.report.refused.sort_by_key(|row| row.line);
        self.report.customers = self.customers.len() as u64;
        self.report.seconds = took.as_secs_f64();
        self.report
    }
}
