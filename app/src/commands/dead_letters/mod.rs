//! `ecs dead-letters`: what was given up, on a running platform over HTTP, on a stopped one in its data folder.

mod in_words;
mod source;

use std::io::{IsTerminal as _, Write as _};

use ecs_client::dead_letters::{DeadLetterChoice, DeadLetterFilter, DeadLettersDone};
use ecs_work::dead_letters::Action;
use serde::Serialize;

use self::source::Source;
use super::reach::Reach;
use super::{Outcome, say};
use crate::cli::dead_letters::{ChoiceArgs, DeadLettersCommand, DropArgs, FilterArgs, ListArgs, ShowArgs};
use crate::settings::Settings;

pub(super) async fn run(command: &DeadLettersCommand, settings: &Settings) -> anyhow::Result<Outcome> {
    if let DeadLettersCommand::Drop(args) = command {
        confirm(args)?;
    }
    let source = Source(Reach::of(settings).await?);
    let outcome = match command {
        DeadLettersCommand::List(args) => list(args, &source).await,
        DeadLettersCommand::Count(args) => {
            let counts = source.counts().await;
            counts.and_then(|counts| answer(args.json, &counts, || in_words::counts(&counts)))
        }
        DeadLettersCommand::Show(args) => show(args, &source).await,
        DeadLettersCommand::Replay(args) => act(Action::Replay, &args.choice, &source).await,
        DeadLettersCommand::Drop(args) => act(Action::Drop, &args.choice, &source).await,
    };
    source.0.close().await?;
    outcome
}

async fn list(args: &ListArgs, source: &Source) -> anyhow::Result<Outcome> {
    let state = args.state.map(|state| state.to_string());
    let filter = DeadLetterFilter { state, ..filter(&args.filter) };
    let page = source.page(&filter, args.before, usize::from(args.limit)).await?;
    answer(args.json, &page, || in_words::page(&page))
}

async fn show(args: &ShowArgs, source: &Source) -> anyhow::Result<Outcome> {
    let letter = source.letter(args.id, args.payload).await?;
    answer(args.json, &letter, || in_words::letter(&letter))
}

/// Does it call by call until nothing that matches is left; each letter is met once.
async fn act(action: Action, args: &ChoiceArgs, source: &Source) -> anyhow::Result<Outcome> {
    let mut all = DeadLettersDone::default();
    if args.which.all {
        let mut before = None;
        loop {
            let choice = DeadLetterChoice::Matching { filter: filter(&args.filter), before };
            let done = source.act(action, choice).await?;
            before = done.next;
            add(&mut all, done);
            if before.is_none() {
                break;
            }
        }
    } else {
        for ids in args.which.ids.chunks(ecs_client::dead_letters::MOST) {
            add(&mut all, source.act(action, DeadLetterChoice::Ids { ids: ids.to_vec() }).await?);
        }
    }
    answer(args.json, &all, || in_words::done(action, &all))?;
    Ok(if all.skipped.is_empty() { Outcome::Fine } else { Outcome::Off })
}

fn add(all: &mut DeadLettersDone, done: DeadLettersDone) {
    all.done.extend(done.done);
    all.skipped.extend(done.skipped);
}

fn answer(
    json: bool,
    document: &impl Serialize,
    in_words: impl FnOnce() -> String,
) -> anyhow::Result<Outcome> {
    say(&if json { serde_json::to_string_pretty(document)? } else { in_words() });
    Ok(Outcome::Fine)
}

fn filter(args: &FilterArgs) -> DeadLetterFilter {
    DeadLetterFilter {
        subject: args.subject.clone(),
        group: args.group.clone(),
        state: None,
        kind: args.kind.map(|kind| kind.to_string()),
        reason: args.reason.clone(),
        user: args.user,
        event: args.event,
        since: args.since,
        until: args.until,
    }
}

/// Asks on a terminal; elsewhere `--yes` has to be said, for what is dropped is gone.
fn confirm(args: &DropArgs) -> anyhow::Result<()> {
    if args.yes {
        return Ok(());
    }
    anyhow::ensure!(
        std::io::stdin().is_terminal(),
        "what is dropped can't be brought back: say --yes, there is no terminal to ask on"
    );
    let what = match args.choice.which.ids.len() {
        0 => "all dead letters that wait and match".to_owned(),
        1 => "this dead letter".to_owned(),
        count => format!("these {count} dead letters"),
    };
    let mut out = std::io::stderr().lock();
    write!(out, "Drop {what} for good? [y/N] ")?;
    out.flush()?;
    let mut said = String::new();
    std::io::stdin().read_line(&mut said)?;
    anyhow::ensure!(matches!(said.trim(), "y" | "Y" | "yes"), "nothing was dropped");
    Ok(())
}
