//! `ecs config`: the settings in force.

use super::catalogue::CATALOGUE;
use super::{Raw, Source};

/// A line per setting: its value and where it comes from; secrets are hidden.
#[must_use]
pub fn show(raw: &Raw) -> String {
    let width = CATALOGUE.iter().map(|setting| setting.name.len()).max().unwrap_or_default();
    let mut text = String::new();
    for setting in CATALOGUE {
        let (value, source) = match raw.get(setting.name) {
            Some(value) if setting.secret => ("(hidden)", word(&value.source)),
            Some(value) => (value.text.as_str(), word(&value.source)),
            None => ("(unset)", ""),
        };
        text.push_str(&format!("{:width$}  {value:28} {source}\n", setting.name).replace(" \n", "\n"));
    }
    text
}

fn word(source: &Source) -> &'static str {
    match source {
        Source::Default => "default",
        Source::File => "file",
        Source::Environment => "environment",
        Source::Flag => "command line",
    }
}
