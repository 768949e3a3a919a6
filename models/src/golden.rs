//! `golden.json`: rows with what the training library said of them, which must come out here as well.

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

/// Computes every row anew.
pub(crate) fn check(bytes: &[u8], model: &Learned) -> Result<(), Refused> {
    let file: File = serde_json::from_slice(bytes).map_err(malformed(GOLDEN))?;
    known_format(GOLDEN, file.format)?;
    if model.formula().kind() == Kind::Random {
        // Nobody else can know what it says.
        return Ok(());
    }
    if file.rows.len() < LEAST_ROWS {
        return Err(Refused::FewRows { found: file.rows.len(), least: LEAST_ROWS });
    }
    file.rows.iter().enumerate().try_for_each(|(number, row)| compare(number, row, model))
}

fn compare(number: usize, row: &FileRow, model: &Learned) -> Result<(), Refused> {
    let features = model.card().features.len();
    if row.inputs.len() != features || row.contributions.len() != features {
        let text = format!("rows[{number}] must have {features} inputs and contributions");
        return Err(Refused::Malformed { file: GOLDEN, text });
    }
    let explained = model.explain(&Row::new(row.inputs.iter().map(|value| value.map(|Exact(value)| value))));
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
