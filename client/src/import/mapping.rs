//! Where in a file's lines the transaction stands.

use std::str::FromStr;

use anyhow::{Context, bail, ensure};
use ecs_domain::transaction::Currency;
use serde::{Deserialize, Serialize};

/// How to read a file of transactions, one per line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mapping {
    /// Whose customers these are: they are provisioned as `{namespace}:{customer}`.
    pub namespace: String,
    /// What separates the fields of a line.
    pub delimiter: Delimiter,
    /// Lines before the header or, without one, before the first row.
    pub skip_lines: u64,
    /// Whether the first line after those names the columns.
    pub header: bool,
    /// The customer's id in the file.
    pub user: Column,
    /// The date.
    pub date: Column,
    /// How the date is written, in the letters of `strftime`. A date without a time of day is taken as noon in UTC, and
    /// a time without an offset as UTC.
    pub date_format: String,
    /// The amount: digits with a point.
    pub amount: Column,
    /// How many pieces, if the file says so. Transactions don't carry it; it is summed up for the report.
    pub quantity: Option<Column>,
    /// The currency of all amounts; the platform's base currency where it is not given.
    pub currency: Option<String>,
}

/// A column, by its number or its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Column {
    /// Its number; the first one is 1.
    Number(usize),
    /// Its name in the header.
    Name(String),
}

/// What separates fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Delimiter {
    /// Any number of spaces and tabs.
    Whitespace,
    /// CSV with this character. Fields may be quoted; they may not contain line breaks.
    Character(u8),
}

impl Mapping {
    /// The mappings that have a name.
    pub const PRESETS: [&str; 1] = ["cdnow"];

    /// The mapping of this name. `cdnow` is `cdnow_master.txt`: a header, then customer, date as `19970101`, number of
    /// CDs and dollars, aligned by spaces.
    #[must_use]
    pub fn preset(name: &str) -> Option<Self> {
        (name == "cdnow").then(|| Self {
            namespace: "cdnow".to_owned(),
            delimiter: Delimiter::Whitespace,
            skip_lines: 0,
            header: true,
            user: Column::Number(1),
            date: Column::Number(2),
            date_format: "%Y%m%d".to_owned(),
            amount: Column::Number(4),
            quantity: Some(Column::Number(3)),
            currency: None,
        })
    }

    fn blank() -> Self {
        Self {
            namespace: "import".to_owned(),
            delimiter: Delimiter::Character(b','),
            skip_lines: 0,
            header: true,
            user: Column::Name("user".to_owned()),
            date: Column::Name("date".to_owned()),
            date_format: "%Y-%m-%d".to_owned(),
            amount: Column::Name("amount".to_owned()),
            quantity: None,
            currency: None,
        }
    }

    fn set(&mut self, name: &str, value: &str) -> anyhow::Result<()> {
        match name {
            "namespace" => value.clone_into(&mut self.namespace),
            "delimiter" => self.delimiter = value.parse()?,
            "skip" => self.skip_lines = value.parse().context("skip must be a number of lines")?,
            "header" => self.header = yes_or_no(value)?,
            "user" => self.user = value.parse()?,
            "date" => self.date = value.parse()?,
            "date-format" => value.clone_into(&mut self.date_format),
            "amount" => self.amount = value.parse()?,
            "quantity" => self.quantity = Some(value.parse()?),
            "currency" => {
                let code =
                    Currency::from_str(value).map_err(|reason| anyhow::anyhow!("the currency {reason}"))?;
                self.currency = Some(code.as_str().to_owned());
            }
            other => bail!(
                "a mapping has no `{other}`, but user, date, amount, quantity, date-format, delimiter, header, skip, \
                 currency and namespace"
            ),
        }
        Ok(())
    }

    fn columns(&self) -> impl Iterator<Item = &Column> {
        [&self.user, &self.date, &self.amount].into_iter().chain(&self.quantity)
    }
}

impl FromStr for Mapping {
    type Err = anyhow::Error;

    /// Reads `user=customer,date=day,amount=4,delimiter=semicolon,…`. What isn't named is as in a CSV file with a header
    /// that has the columns `user`, `date` (as `2026-11-21`) and `amount`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut mapping = Self::blank();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (name, value) =
                part.split_once('=').with_context(|| format!("`{part}` is not NAME=VALUE"))?;
            mapping.set(name.trim(), value.trim())?;
        }
        let by_name = mapping.columns().any(|column| matches!(column, Column::Name(_)));
        ensure!(mapping.header || !by_name, "without a header, columns must be given by their numbers");
        ensure!((1..=64).contains(&mapping.namespace.len()), "the namespace must have 1 to 64 characters");
        Ok(mapping)
    }
}

impl FromStr for Column {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse() {
            Ok(0) => bail!("columns are counted from 1"),
            Ok(number) => Ok(Self::Number(number)),
            Err(_) if text.is_empty() => bail!("a column needs a number or a name"),
            Err(_) => Ok(Self::Name(text.to_owned())),
        }
    }
}

impl FromStr for Delimiter {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "whitespace" => Self::Whitespace,
            "comma" => Self::Character(b','),
            "semicolon" => Self::Character(b';'),
            "tab" => Self::Character(b'\t'),
            "pipe" => Self::Character(b'|'),
            _ => bail!("the delimiter must be whitespace, comma, semicolon, tab or pipe"),
        })
    }
}

fn yes_or_no(text: &str) -> anyhow::Result<bool> {
    match text {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => bail!("header must be yes or no"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapping_is_written_as_pairs() {
        let text =
            "user=1, date=2, amount=4, quantity=3, delimiter=whitespace, date-format=%Y%m%d, namespace=cdnow";
        assert_eq!(text.parse::<Mapping>().unwrap(), Mapping::preset("cdnow").unwrap());
        assert_eq!("".parse::<Mapping>().unwrap(), Mapping::blank());
    }

    #[test]
    fn a_mapping_that_makes_no_sense_says_why() {
        let check = |text: &str, expect: &str| {
            let error = text.parse::<Mapping>().unwrap_err().to_string();
            assert!(error.contains(expect), "{text}: {error}");
        };
        check("user=0", "from 1");
        check("user", "NAME=VALUE");
        check("colour=red", "no `colour`");
        check("header=no", "by their numbers");
        check("delimiter=%", "whitespace, comma");
        check("currency=dollars", "ISO 4217");
    }
}
