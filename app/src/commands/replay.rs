//! `ecs replay`: the aggregates, rebuilt from the raw events, on a running platform over HTTP, on a stopped one in its data.

use std::time::Duration;

use anyhow::Context as _;
use ecs_client::replays::Replay;
use ecs_store::{ReplayPhase, ReplayPlan};
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
    let replayed = to_the_end(&reach, settings).await;
    reach.close().await?;
    let replayed = replayed?;
    say(&if args.json { serde_json::to_string_pretty(&replayed)? } else { in_words(&replayed) });
    Ok(Outcome::Fine)
}

/// An interrupted replay goes on where it was: the store keeps how far it is.
async fn to_the_end(reach: &Reach, settings: &Settings) -> anyhow::Result<Replay> {
    loop {
        let replay = match reach {
            Reach::Running(client) => client.replay().await.context("can't replay")?,
            Reach::Data(storage) => on_storage(storage, settings).await?,
        };
        if replay.has_switched() {
            return Ok(replay);
        }
    }
}

async fn on_storage(storage: &Storage, settings: &Settings) -> anyhow::Result<Replay> {
    use ecs_domain::Clock as _;
    let raw_floor = retention::raw_floor(SystemClock.now(), settings.retention.raw_emotion_days);
    let plan = ReplayPlan { stress: settings.stress, raw_floor };
    let replay = replays::work_on(storage.store()?.as_ref(), &SystemClock, plan, TIME).await?;
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
    })
}

fn in_words(replay: &Replay) -> String {
    let Replay { confirmed, healed, kept, carried_over, .. } = replay;
    let mut text = format!(
        "the aggregates were rebuilt from the raw events, one row for each user and day\n\
         confirmed       {confirmed}\n\
         healed          {healed}\n\
         carried over    {carried_over}: their raw events are not all kept any more"
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
            };
            let text = in_words(&replay);
            assert_eq!(text.contains("left alone"), expect, "{text}");
            assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
        };
        check(0, false);
        check(1, true);
    }
}
