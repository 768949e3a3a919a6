//! `ecs replay`: the aggregates, rebuilt from the raw events or from the log of the bus, on a running platform over HTTP, on a stopped one in its data.

use std::time::Duration;

use anyhow::Context as _;
use ecs_client::replays::Replay;
use ecs_domain::Clock as _;
use ecs_store::{LogReplayPlan, ReplayDays, ReplayPhase, ReplayPlan};
use ecs_work::{replays, retention};

use super::reach::Reach;
use super::{Outcome, say};
use crate::cli::ReplayArgs;
use crate::platform::{Storage, SystemClock};
use crate::settings::Settings;

/// How long a call to the store works before it tells how far it is.
const TIME: Duration = Duration::from_secs(1);

pub(super) async fn run(args: &ReplayArgs, settings: &Settings) -> anyhow::Result<Outcome> {
    let reach = Reach::of(settings).await?;
    let days = args.from.zip(args.to).map(|(from, to)| ReplayDays { from, to });
    let replayed = to_the_end(&reach, settings, days).await;
    reach.close().await?;
    let replayed = replayed?;
    say(&if args.json { serde_json::to_string_pretty(&replayed)? } else { in_words(&replayed) });
    Ok(Outcome::Fine)
}

/// An interrupted replay goes on where it was: the store keeps how far it is.
async fn to_the_end(reach: &Reach, settings: &Settings, days: Option<ReplayDays>) -> anyhow::Result<Replay> {
    let of_client = days.map(|days| (days.from, days.to));
    loop {
        let replay = match reach {
            Reach::Running(client) => client.replay(of_client).await.context("can't replay")?,
            Reach::Data(storage) => on_storage(storage, settings, days).await?,
        };
        if replay.has_switched() {
            return Ok(replay);
        }
    }
}

async fn on_storage(
    storage: &Storage,
    settings: &Settings,
    days: Option<ReplayDays>,
) -> anyhow::Result<Replay> {
    let (store, stress) = (storage.store()?.as_ref(), settings.stress);
    let replay = if let Some(days) = days {
        let (bus, plan) = (storage.bus()?.as_ref(), LogReplayPlan { stress, days });
        replays::work_on_days(bus, store, &SystemClock, plan, TIME).await?
    } else {
        let raw_floor = retention::raw_floor(SystemClock.now(), settings.retention.raw_emotion_days);
        replays::work_on(store, &SystemClock, ReplayPlan { stress, raw_floor }, TIME).await?
    };
    Ok(Replay {
        started_at: replay.started_at,
        phase: match replay.phase {
            ReplayPhase::Building => "building",
            ReplayPhase::Built => "built",
            ReplayPhase::Switched => "switched",
        }
        .to_owned(),
        confirmed: replay.confirmed,
        healed: replay.healed,
        kept: replay.kept,
        carried_over: replay.carried_over,
        switched_at: replay.switched_at,
        from: replay.days.map(|days| days.from),
        to: replay.days.map(|days| days.to),
    })
}

fn in_words(replay: &Replay) -> String {
    let Replay { confirmed, healed, kept, carried_over, .. } = replay;
    let (source, untold) = match (replay.from, replay.to) {
        (Some(from), Some(to)) => (
            format!("the aggregates from {from} to {to} were rebuilt from the log of the bus"),
            "the log does not tell all of them",
        ),
        _ => (
            "the aggregates were rebuilt from the raw events".to_owned(),
            "their raw events are not all kept any more",
        ),
    };
    let mut text = format!(
        "{source}, one row for each user and day\n\
         confirmed       {confirmed}\n\
         healed          {healed}\n\
         carried over    {carried_over}: {untold}"
    );
    if *kept > 0 {
        text += &format!(
            "\nleft alone      {kept}: they count more events than are kept of them, see ecs verify"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_were_left_alone_are_told_of_where_there_are_any() {
        let check = |kept: u64, expect: bool| {
            let replay = Replay {
                started_at: ecs_domain::Timestamp::UNIX_EPOCH,
                phase: "switched".to_owned(),
                confirmed: 1,
                healed: 2,
                kept,
                carried_over: 3,
                switched_at: None,
                from: None,
                to: None,
            };
            let text = in_words(&replay);
            assert_eq!(text.contains("left alone"), expect, "{text}");
            assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
        };
        check(0, false);
        check(1, true);
    }
}
