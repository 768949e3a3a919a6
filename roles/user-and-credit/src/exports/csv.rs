//! Rows as lines of CSV (RFC 4180), as spreadsheets read them without taking a text for a formula.

use ecs_store::personal_data::PersonalRow;

/// What a spreadsheet takes for the beginning of a formula.
const FORMULAS: [char; 7] = ['=', '+', '-', '@', '\t', '\r', '\n'];

/// The line of the columns' names.
pub(super) fn header(columns: &[&str]) -> String {
    line(columns.iter().map(|column| (*column).to_owned()))
}

/// The line of a row. Null is an empty cell, and what has parts stands in its cell as JSON.
pub(super) fn of(row: &PersonalRow) -> String {
    line(row.members().map(|(_, json)| cell(json)))
}

fn line(cells: impl Iterator<Item = String>) -> String {
    let cells: Vec<String> = cells.map(quoted).collect();
    cells.join(",") + "\r\n"
}

/// The cell of a value. A text that looks like a formula gets an apostrophe before it; a number is one, whatever its sign.
fn cell(json: &str) -> String {
    match serde_json::from_str::<String>(json) {
        Ok(text) if text.starts_with(FORMULAS) => format!("'{text}"),
        Ok(text) => text,
        Err(_) if json == "null" => String::new(),
        Err(_) => json.to_owned(),
    }
}

fn quoted(cell: String) -> String {
    let is_plain = !cell.contains(['"', ',', ';', '\t', '\r', '\n']) && cell.trim() == cell;
    if is_plain { cell } else { format!("\"{}\"", cell.replace('"', "\"\"")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_a_line() {
        let check = |value: &str, expect: &str| {
            let row = PersonalRow::parse(&format!("{{\"a\":{value},\"b\":1}}")).unwrap();
            assert_eq!(of(&row), format!("{expect},1\r\n"), "{value}");
        };
        check("12.30", "12.30");
        check("-7", "-7");
        check("1.0e-9", "1.0e-9");
        check("null", "");
        check("true", "true");
        check(r#""plain""#, "plain");
        check(r#""""#, "");
        check(r#""a,b""#, r#""a,b""#);
        // Spreadsheets of many languages split where this stands.
        check(r#""a;=b""#, r#""a;=b""#);
        check(r#""she said \"no\"""#, r#""she said ""no""""#);
        check(r#""two\r\nlines""#, "\"two\r\nlines\"");
        check(r#"" space ""#, r#"" space ""#);
        check(r#"{"a":[1,"x"]}"#, r#""{""a"":[1,""x""]}""#);
        check("[]", "[]");
    }

    #[test]
    fn no_text_is_taken_for_a_formula() {
        for text in ["=1+1", "+55 11 9999", "-7", "@sum", "\tx", "\rx", "\nx", "=HYPERLINK(\"a\",\"b\")"] {
            assert_eq!(cell(&serde_json::to_string(text).unwrap()), format!("'{text}"));
        }
        assert_eq!(cell(r#""a=1""#), "a=1");
    }

    #[test]
    fn the_header_names_the_columns() {
        assert_eq!(header(&["id", "amount"]), "id,amount\r\n");
    }
}
