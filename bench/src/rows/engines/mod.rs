//! The rows over PostgreSQL, NATS and Redis: `make bench BENCH="--engines"`.

mod decisions;
mod drain;
mod emotions;
mod memory;
mod rated;

use super::{Goal, Group, Measure, Row, Unit, Values, batch_size, load_measures, note_load};
use crate::settings::Settings;

/// Every group there is, in the order of the report. `words` are those that choose rows.
pub(crate) fn all(settings: &Settings, words: &[String]) -> Vec<Group> {
    let mut groups = vec![emotions::group()];
    groups.extend(drain::sizes(settings, words).into_iter().map(drain::group));
    groups.extend([rated::visible_group(), rated::interactive_group(), decisions::group(), memory::group()]);
    groups
}
