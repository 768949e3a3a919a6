//! How a release is written: as JSON lines or as CSV, piece by piece as it is read.

use std::convert::Infallible;

use axum::body::Body;
use bytes::Bytes;
use ecs_domain::Month;
use ecs_domain::anonymity::{Age, Place, Release, Row};
use ecs_domain::measures::Measure;
use ecs_web::body::NDJSON;
use futures::stream::{self, StreamExt as _};
use http::HeaderMap;
use http::header::ACCEPT;
use serde_json::{Map, Value};
use tokio::sync::OwnedMutexGuard;

use super::SummaryView;

/// How many rows are written at once.
const PIECE: usize = 1_000;
/// The content type of CSV.
pub(super) const CSV: &str = "text/csv";

/// In which format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    JsonLines,
    Csv,
}

impl Format {
    /// CSV for whoever names it, else JSON lines.
    pub(super) fn wanted(headers: &HeaderMap) -> Self {
        let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let mut named = accepted.flat_map(|value| value.split(','));
        let csv = named.any(|range| range.split(';').next().is_some_and(|range| range.trim() == CSV));
        if csv { Self::Csv } else { Self::JsonLines }
    }

    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::JsonLines => NDJSON,
            Self::Csv => CSV,
        }
    }
}

/// A release on its way out.
pub(super) struct Sheet {
    pub(super) release: Release,
    pub(super) month: Month,
    pub(super) format: Format,
}

impl Sheet {
    /// Writes it piece by piece. `turn` is let go when the last of it is written, or its reader hangs up.
    pub(super) fn into_body(self, turn: OwnedMutexGuard<()>) -> Body {
        let head = Bytes::from(self.head());
        let pieces = (0..self.release.rows().len()).step_by(PIECE);
        let pieces = stream::iter(pieces.map(move |from| {
            let _still_ours = &turn;
            self.piece(from)
        }));
        Body::from_stream(stream::iter([head]).chain(pieces).map(Ok::<Bytes, Infallible>))
    }

    fn head(&self) -> String {
        match self.format {
            Format::JsonLines => {
                let summary = SummaryView::from(self.release.summary());
                format!("{}\n", serde_json::json!({"summary": summary}))
            }
            Format::Csv => {
                let names = Measure::ALL.map(Measure::as_str).join(",");
                format!("pseudonym,month,age_band,region,{names}\n")
            }
        }
    }

    fn piece(&self, from: usize) -> Bytes {
        let rows = self.release.rows().iter().skip(from).take(PIECE);
        let lines = rows.map(|row| match self.format {
            Format::JsonLines => json_line(row, self.month),
            Format::Csv => csv_line(row, self.month),
        });
        Bytes::from(lines.collect::<String>())
    }
}

/// A row's values under their names, in their order.
fn values(row: &Row, month: Month) -> Vec<(&'static str, Option<String>)> {
    let age = match row.group.age {
        Age::Band(band) => Some(band.to_string()),
        Age::Wide(wide) => Some(wide.to_owned()),
        Age::Unknown => None,
        Age::Any => Some("*".to_owned()),
    };
    let region = match row.group.place {
        Place::Region(region) => Some(region.to_string()),
        Place::Unknown => None,
        Place::Any => Some("*".to_owned()),
    };
    let who = Some(hex::encode(row.pseudonym));
    let mut values =
        vec![("pseudonym", who), ("month", Some(month.to_string())), ("age_band", age), ("region", region)];
    let measures = Measure::ALL.map(|measure| (measure.as_str(), row.measures.text(measure)));
    values.extend(measures.map(|(name, text)| (name, text.map(str::to_owned))));
    values
}

fn json_line(row: &Row, month: Month) -> String {
    let fields = values(row, month).into_iter().map(|(name, value)| (name.to_owned(), Value::from(value)));
    format!("{}\n", Value::Object(fields.collect::<Map<_, _>>()))
}

/// No value has a comma or a quote, so none is quoted; where there is none, nothing stands.
fn csv_line(row: &Row, month: Month) -> String {
    let values: Vec<String> =
        values(row, month).into_iter().map(|(_, value)| value.unwrap_or_default()).collect();
    values.join(",") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_is_for_those_who_name_it() {
        let check = |accept: &str, expect| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, accept.parse().unwrap());
            assert_eq!(Format::wanted(&headers), expect, "{accept}");
        };
        check("text/csv", Format::Csv);
        check("application/json, text/csv;q=0.5", Format::Csv);
        check("*/*", Format::JsonLines);
        check("text/csvish", Format::JsonLines);
        assert_eq!(Format::wanted(&HeaderMap::new()), Format::JsonLines);
    }
}
