//! `ecs config`

use super::{Outcome, say};
use crate::cli::ConfigArgs;
use crate::settings::{Raw, catalogue, show};

pub(super) fn run(args: &ConfigArgs, raw: &Raw) -> anyhow::Result<Outcome> {
    let text = if args.example { catalogue::example() } else { show(raw) };
    say(text.trim_end());
    Ok(Outcome::Fine)
}
