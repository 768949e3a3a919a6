//! From a line to a transaction, or to the reason why there is none.

use std::borrow::Cow;

use anyhow::{Context, bail};
use ecs_domain::{Day, Money, Timestamp};
use jiff::civil::time;
use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::Offset;

use super::mapping::{Column, Delimiter, Mapping};

/// A line that is neither blank nor a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    /// Its number in the file; the first line is 1.
    pub(super) line: u64,
    /// The customer's id in the file, where it can be read.
    pub(super) customer: Option<String>,
    /// What was bought, or why it can't be sent. A reason never quotes a value.
    pub(super) purchase: Result<Purchase, String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Purchase {
    pub(super) amount: Money,
    pub(super) at: Timestamp,
    pub(super) quantity: Option<u64>,
}

impl Purchase {
    /// The UTC day.
    pub(super) fn day(&self) -> Day {
        ecs_domain::utc_day(self.at)
    }
}

/// Reads rows once it is known which column has which number.
pub(super) struct RowReader {
    delimiter: Delimiter,
    date_format: String,
    user: usize,
    date: usize,
    amount: usize,
    quantity: Option<usize>,
}

impl RowReader {
    /// Finds the mapping's columns, by name in `header`.
    pub(super) fn new(mapping: &Mapping, header: Option<&str>) -> anyhow::Result<Self> {
        let names = header.map(|line| split(line, mapping.delimiter)).transpose();
        let names = names.map_err(|reason| anyhow::anyhow!("the header: {reason}"))?.unwrap_or_default();
        let index = |column: &Column| match column {
            Column::Number(0) => bail!("columns are counted from 1"),
            Column::Number(number) => Ok(number - 1),
            Column::Name(name) => {
                let at = names.iter().position(|field| field == name);
                at.with_context(|| format!("the header has no column `{name}`"))
            }
        };
        Ok(Self {
            delimiter: mapping.delimiter,
            date_format: mapping.date_format.clone(),
            user: index(&mapping.user)?,
            date: index(&mapping.date)?,
            amount: index(&mapping.amount)?,
            quantity: mapping.quantity.as_ref().map(index).transpose()?,
        })
    }

    /// Reads the line with this number.
    pub(super) fn row(&self, line: u64, bytes: &[u8]) -> Row {
        let Ok(text) = std::str::from_utf8(bytes) else {
            return Row { line, customer: None, purchase: Err("the line is not UTF-8".to_owned()) };
        };
        let fields = match split(text, self.delimiter) {
            Ok(fields) => fields,
            Err(reason) => return Row { line, customer: None, purchase: Err(reason) },
        };
        let customer = fields.get(self.user).filter(|customer| !customer.is_empty());
        let customer = customer.map(|customer| customer.clone().into_owned());
        let purchase = match customer {
            Some(_) => self.purchase(&fields),
            None => Err("the customer is missing".to_owned()),
        };
        Row { line, customer, purchase }
    }

    fn purchase(&self, fields: &[Cow<'_, str>]) -> Result<Purchase, String> {
        let date = fields.get(self.date).ok_or("the date is missing")?;
        let at = instant(&self.date_format, date).ok_or("the date is not written as the mapping says")?;
        let amount = fields.get(self.amount).ok_or("the amount is missing")?;
        let amount: Money = amount.parse().map_err(|reason| format!("the amount {reason}"))?;
        if amount <= Money::ZERO {
            return Err(
                if amount == Money::ZERO { "the amount is 0" } else { "the amount is below 0" }.to_owned()
            );
        }
        let quantity = match self.quantity {
            Some(column) => {
                let quantity = fields.get(column).ok_or("the quantity is missing")?;
                Some(quantity.parse().map_err(|_| "the quantity is not a whole number")?)
            }
            None => None,
        };
        Ok(Purchase { amount, at, quantity })
    }
}

/// Noon in UTC is on the same calendar day nearly everywhere on earth, which midnight is not; so a date alone stays the
/// date that the file says, whoever looks.
fn instant(format: &str, text: &str) -> Option<Timestamp> {
    let parsed = BrokenDownTime::parse(format, text).ok()?;
    if parsed.offset().is_some() {
        return parsed.to_timestamp().ok();
    }
    let date = parsed.to_date().ok()?;
    let time = if parsed.hour().is_some() { parsed.to_time().ok()? } else { time(12, 0, 0, 0) };
    Offset::UTC.to_timestamp(date.to_datetime(time)).ok()
}

/// The fields of a line, without the blanks around them.
fn split(line: &str, delimiter: Delimiter) -> Result<Vec<Cow<'_, str>>, String> {
    let separator = match delimiter {
        Delimiter::Whitespace => return Ok(line.split_ascii_whitespace().map(Cow::Borrowed).collect()),
        Delimiter::Character(separator) => separator,
    };
    // Without quotation marks a line needs no CSV reader, and nearly no line has any.
    if !line.contains('"') {
        return Ok(line.split(char::from(separator)).map(|field| Cow::Borrowed(field.trim())).collect());
    }
    if line.bytes().filter(|byte| *byte == b'"').count() % 2 == 1 {
        return Err("a quoted field doesn't end on its line".to_owned());
    }
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .delimiter(separator)
        .trim(csv::Trim::All)
        .from_reader(line.as_bytes());
    let record = reader.records().next().and_then(Result::ok).ok_or("the line is not CSV")?;
    Ok(record.iter().map(|field| Cow::Owned(field.to_owned())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(mapping: &str, header: Option<&str>, line: &str, expect: Result<(&str, &str, &str), &str>) {
        let mapping: Mapping = mapping.parse().unwrap();
        let row = RowReader::new(&mapping, header).unwrap().row(1, line.as_bytes());
        let read = row.purchase.map(|purchase| {
            (row.customer.clone().unwrap(), purchase.at.to_string(), purchase.amount.digits())
        });
        let read = read.as_ref().map(|(user, at, amount)| (user.as_str(), at.as_str(), amount.as_str()));
        match (read, expect) {
            (Err(reason), Err(part)) => assert!(reason.contains(part), "{line}: {reason}"),
            (read, expect) => assert_eq!(read.ok(), expect.ok(), "{line}"),
        }
    }

    #[test]
    fn lines_aligned_by_spaces() {
        let check = |line: &str, expect| {
            check(
                "header=no,user=1,date=2,amount=4,delimiter=whitespace,date-format=%Y%m%d",
                None,
                line,
                expect,
            );
        };
        check(" 00001 19970101  1   11.77", Ok(("00001", "1997-01-01T12:00:00Z", "11.77")));
        check("00002\t19970112 5 77.00", Ok(("00002", "1997-01-12T12:00:00Z", "77.00")));
        check("00002 19970112 5 0.00", Err("the amount is 0"));
        check("00002 19970112 5 -1", Err("below 0"));
        check("00002 19970112 5 1.005", Err("at most 2 decimals"));
        check("00002 19970112 5 1e300", Err("number"));
        check("00002 19970112 5 lots", Err("number"));
        check("00002 19971312 5 1.00", Err("the date"));
        check("00002 19970112 5", Err("the amount is missing"));
        check("00002", Err("the date is missing"));
    }

    #[test]
    fn lines_of_csv() {
        let header = Some("who;when; total ;city");
        let check = |line: &str, expect| {
            let mapping = "user=who,date=when,amount=total,delimiter=semicolon,date-format=%d.%m.%Y %H:%M";
            check(mapping, header, line, expect);
        };
        check("ana; 19.08.2025 14:30 ;10.5;Rio", Ok(("ana", "2025-08-19T14:30:00Z", "10.50")));
        check("\"a;na\";19.08.2025 14:30;\"10.50\";Rio", Ok(("a;na", "2025-08-19T14:30:00Z", "10.50")));
        check(";19.08.2025 14:30;10.5;Rio", Err("the customer is missing"));
        check("\"ana;19.08.2025 14:30;10.5;Rio", Err("quoted field"));
        check("ana;19.08.2025;10.5;Rio", Err("the date"));
    }

    #[test]
    fn a_time_with_an_offset_is_that_instant() {
        let mapping = "user=1,date=2,amount=3,header=no,date-format=%Y-%m-%dT%H:%M:%S%:z";
        check(mapping, None, "ana,2025-08-19T23:30:00-03:00,1", Ok(("ana", "2025-08-20T02:30:00Z", "1.00")));
    }

    #[test]
    fn columns_that_are_not_there_are_named() {
        let mapping = "user=who".parse().unwrap();
        let error = RowReader::new(&mapping, Some("user,date,amount")).err().unwrap().to_string();
        assert!(error.contains("`who`"), "{error}");
    }

    #[test]
    fn a_line_that_is_not_text_is_refused() {
        let mapping = Mapping::preset("cdnow").unwrap();
        let row = RowReader::new(&mapping, Some("a b c d")).unwrap().row(7, b"00001 19970101 1 \xff");
        assert!(row.purchase.unwrap_err().contains("UTF-8"));
    }
}
