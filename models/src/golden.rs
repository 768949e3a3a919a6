//! `golden.json`: rows with what the training library said of them, which must come out here as well.

use std::cmp::Ordering;

use ecs_domain::model::{Kind, Learned, Row, risk};
use serde::Deserialize;

use crate::artefact::{GOLDEN, known_format, malformed};
use crate::error::Refused;
use crate::exact::Exact;

/// What two ways of adding up may differ by.
const TOLERANCE: f64 = 1e-6;
/// Fewer rows say too little of a model.
const LEAST_ROWS: usize = 200;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: u32,
    rows: Vec<FileRow>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileRow {
    inputs: Vec<Option<Exact>>,
    log_odds: Exact,
    risk_score: Exact,
    base_log_odds: Exact,
    contributions: Vec<Exact>,
}

/// A row of what explains nothing.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileScore {
    inputs: Vec<Option<Exact>>,
    risk_score: Exact,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileScores {
    format: u32,
    rows: Vec<FileScore>,
}

/// Computes every row anew.
pub(crate) fn check(bytes: &[u8], model: &Learned) -> Result<(), Refused> {
    let file: File = serde_json::from_slice(bytes).map_err(malformed(GOLDEN))?;
    known_format(GOLDEN, file.format)?;
    if model.formula().kind() == Kind::Random {
        // Nobody else can know what it says.
        return Ok(());
    }
    enough(file.rows.len())?;
    file.rows.iter().enumerate().try_for_each(|(number, row)| compare(number, row, model))
}

/// The same of a model without reasons, whose scores may differ by this much.
pub(crate) fn check_scores(bytes: &[u8], model: &Learned, tolerance: f64) -> Result<(), Refused> {
    let file: FileScores = serde_json::from_slice(bytes).map_err(malformed(GOLDEN))?;
    known_format(GOLDEN, file.format)?;
    enough(file.rows.len())?;
    let features = model.card().features.len();
    for (row, FileScore { inputs, risk_score: Exact(expected) }) in file.rows.iter().enumerate() {
        if inputs.len() != features {
            let text = format!("rows[{row}] must have {features} inputs");
            return Err(Refused::Malformed { file: GOLDEN, text });
        }
        let found = risk(model.log_odds(&as_row(inputs)));
        // Not a number is near to nothing.
        if (expected - found).abs().partial_cmp(&tolerance).is_none_or(Ordering::is_gt) {
            let field = "risk_score".to_owned();
            return Err(Refused::OtherAnswer { row, field, expected: *expected, found });
        }
    }
    Ok(())
}

fn enough(found: usize) -> Result<(), Refused> {
    if found < LEAST_ROWS { Err(Refused::FewRows { found, least: LEAST_ROWS }) } else { Ok(()) }
}

fn as_row(inputs: &[Option<Exact>]) -> Row {
    Row::new(inputs.iter().map(|value| value.map(|Exact(value)| value)))
}

fn compare(number: usize, row: &FileRow, model: &Learned) -> Result<(), Refused> {
    let features = model.card().features.len();
    if row.inputs.len() != features || row.contributions.len() != features {
        let text = format!("rows[{number}] must have {features} inputs and contributions");
        return Err(Refused::Malformed { file: GOLDEN, text });
    }
    let explained = model.explain(&as_row(&row.inputs));
    let same = |field: &dyn Fn() -> String, Exact(expected): Exact, found: f64| {
        if (expected - found).abs() <= TOLERANCE {
            return Ok(());
        }
        Err(Refused::OtherAnswer { row: number, field: field(), expected, found })
    };
    same(&|| "log_odds".to_owned(), row.log_odds, explained.log_odds)?;
    same(&|| "risk_score".to_owned(), row.risk_score, risk(explained.log_odds))?;
    same(&|| "base_log_odds".to_owned(), row.base_log_odds, explained.base_log_odds)?;
    for (place, (expected, found)) in row.contributions.iter().zip(explained.contributions).enumerate() {
        same(&|| format!("contributions[{place}]"), *expected, found)?;
    }
    Ok(())
}
