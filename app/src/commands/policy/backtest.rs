//! `ecs policy backtest`: decisions that were made, asked again of a draft.

use std::collections::HashMap;
use std::sync::Arc;

use ecs_client::{Bar, Progress as _};
use ecs_domain::backtest::{Backtest, Direction, Flip};
use ecs_domain::utc_day;
use ecs_store::decision_log::WantedDecisions;
use ecs_user_and_credit::{BacktestReport, ask_again, told_by};
use serde::Serialize;

use super::super::decisions::source::{self, Pieces};
use super::super::reach::Reach;
use super::super::{Outcome, say};
use super::{draft, in_words};
use crate::cli::policy::BacktestArgs;
use crate::settings::Settings;

/// What is printed as JSON.
#[derive(Serialize)]
struct Found {
    #[serde(flatten)]
    report: BacktestReport,
    flips: Flips,
}

/// Decisions that flip, as far as somebody wants them named.
#[derive(Default, Serialize)]
pub(super) struct Flips {
    pub(super) gained: Vec<String>,
    pub(super) lost: Vec<String>,
}

impl Flips {
    fn note(&mut self, flip: Flip, most: usize) {
        let named = match flip.direction {
            Direction::Gained => &mut self.gained,
            Direction::Lost => &mut self.lost,
        };
        if named.len() < most {
            named.push(flip.decision.to_string());
        }
    }
}

pub(super) async fn run(args: &BacktestArgs, settings: &Settings) -> anyhow::Result<Outcome> {
    anyhow::ensure!(args.from <= args.to, "--from comes before --to");
    let wanted = source::wanted(Some(args.from), Some(args.to), None)?;
    let reach = Reach::of(settings).await?;
    let found = find(args, &wanted, &reach, settings).await;
    reach.close().await?;
    let (backtest, flips) = found?;
    let report = backtest.report();
    if args.json {
        let found = Found { report: BacktestReport::of(&report)?, flips };
        say(&serde_json::to_string_pretty(&found)?);
    } else {
        say(&in_words::report(&report, &flips));
    }
    Ok(Outcome::Fine)
}

async fn find(
    args: &BacktestArgs,
    wanted: &WantedDecisions,
    reach: &Reach,
    settings: &Settings,
) -> anyhow::Result<(Backtest, Flips)> {
    let draft = draft::find(&args.draft, reach, settings).await?;
    // Over HTTP nobody is told what others said of themselves.
    let groups = matches!(reach, Reach::Data(_));
    let mut backtest = Backtest::new(Arc::clone(&draft.policy), args.lgd, groups);
    let (mut flips, mut pieces, progress) = (Flips::default(), Pieces::new(reach, wanted), Bar::new());
    progress.expect("decisions".into(), None);
    while let Some(piece) = pieces.next().await? {
        progress.advance(piece.len() as u64);
        if let Some(last) = piece.last() {
            progress.note(format!("up to {}", utc_day(last.at)));
        }
        let told = match reach {
            Reach::Data(storage) => told_by(storage.store()?.as_ref(), &piece).await?,
            Reach::Running(_) => HashMap::new(),
        };
        let flipped = ask_again(&mut backtest, &piece, &told);
        flipped.into_iter().for_each(|flip| flips.note(flip, args.flips));
    }
    progress.finish();
    Ok((backtest, flips))
}
