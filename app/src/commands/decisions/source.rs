//! Where decisions are read: from a running platform over HTTP, else from its data.

use anyhow::Context as _;
use ecs_client::decisions::WhichDecisions;
use ecs_domain::clock::first_instant;
use ecs_domain::{Day, DecisionId, UserId};
use ecs_store::decision_log::{Left, LoggedDecision, WantedDecisions};
use ecs_store::parse_decision;

use super::super::reach::Reach;

/// How many decisions are read at a time from a store.
const PIECE: usize = 1_000;

/// Which decisions the arguments mean: days are whole ones, in UTC.
pub(in super::super) fn wanted(
    from: Option<Day>,
    to: Option<Day>,
    user: Option<UserId>,
) -> anyhow::Result<WantedDecisions> {
    let begin = |day: Day, option: &'static str| first_instant(day).context(option);
    let after = to.map(|day| day.tomorrow()).transpose().context("--to")?;
    Ok(WantedDecisions {
        from: from.map(|day| begin(day, "--from")).transpose()?,
        until: after.map(|day| begin(day, "--to")).transpose()?,
        user,
    })
}

/// Decisions in the order of their entries, piece by piece.
pub(in super::super) struct Pieces<'a> {
    reach: &'a Reach,
    wanted: &'a WantedDecisions,
    after: u64,
}

impl<'a> Pieces<'a> {
    pub(in super::super) fn new(reach: &'a Reach, wanted: &'a WantedDecisions) -> Self {
        Self { reach, wanted, after: 0 }
    }

    /// The next ones; `None` when there is nothing more.
    pub(in super::super) async fn next(&mut self) -> anyhow::Result<Option<Vec<LoggedDecision>>> {
        let piece = piece(self.reach, self.wanted, self.after).await?;
        let Some(last) = piece.last() else { return Ok(None) };
        anyhow::ensure!(last.number > self.after, "decisions come out of their turn");
        self.after = last.number;
        Ok(Some(piece))
    }
}

/// Some decisions behind the entry of this number; none when there is nothing more.
async fn piece(reach: &Reach, wanted: &WantedDecisions, after: u64) -> anyhow::Result<Vec<LoggedDecision>> {
    match reach {
        Reach::Running(client) => {
            let WantedDecisions { from, until, user } = *wanted;
            let which = WhichDecisions { from, until, user };
            let found = client.logged_decisions(&which, after).await.context("can't read the decisions")?;
            found.into_iter().map(read).collect()
        }
        Reach::Data(storage) => Ok(storage.store()?.logged_decisions(wanted, after, PIECE).await?),
    }
}

fn read(logged: ecs_client::decisions::LoggedDecision) -> anyhow::Result<LoggedDecision> {
    let ecs_client::decisions::LoggedDecision { number, decision, user, at, left, whole } = logged;
    let (id, user): (DecisionId, UserId) = (decision, user);
    let left = match (left.as_str(), whole) {
        ("whole", Some(text)) => {
            parse_decision(&text).map_or(Left::Unreadable, |it| Left::Whole(Box::new(it)))
        }
        ("aged", _) => Left::Aged,
        ("erased", _) => Left::Erased,
        ("gone", _) => Left::Gone,
        ("unreadable", _) => Left::Unreadable,
        (other, _) => {
            anyhow::bail!("the platform says of a decision what this version doesn't understand: {other}")
        }
    };
    Ok(LoggedDecision { number, id, user, at, left })
}
