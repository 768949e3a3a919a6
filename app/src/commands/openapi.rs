//! `ecs openapi`

use super::{Outcome, say};

pub(super) fn run() -> Outcome {
    say(crate::openapi::json().trim_end());
    Outcome::Fine
}
