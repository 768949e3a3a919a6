//! `ecs bridge`: copies subjects between buses.

mod end;
mod in_words;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use ecs_bus::{Group, Subject};
use ecs_work::bridge::{ARCHIVE_GROUP, Bridge, BridgeError, Copies, GROUP, Plan, Progress, SubjectProgress};
use tokio_util::sync::CancellationToken;

use self::end::End;
use self::in_words::Rates;
use super::stop::Signals;
use super::{Outcome, say};
use crate::cli::bridge::BridgeArgs;
use crate::platform::SystemClock;
use crate::settings::{Raw, Settings};

/// How often it tells how far it is.
const TELL: Duration = Duration::from_secs(2);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub(super) async fn run(args: &BridgeArgs, settings: &Settings, raw: &Raw) -> anyhow::Result<Outcome> {
    let plan = plan(args);
    let from = End::named("FROM", &args.from, settings, &end::with(raw, &args.from_set)?)?;
    let to = End::named("TO", &args.to, settings, &end::with(raw, &args.to_set)?)?;
    anyhow::ensure!(!from.is_same(&to), "FROM and TO are the same bus");
    from.must_exist()?;
    let mut signals = Signals::listen()?;
    let opened = async {
        let from = from.open().await?;
        match to.open().await {
            Ok(to) => Ok((from, to)),
            Err(error) => {
                from.close().await?;
                Err(error)
            }
        }
    };
    let (source, target) = tokio::select! {
        opened = opened => opened?,
        // An engine may be away for long, and nothing has begun yet.
        () = signals.stop() => return Ok(Outcome::Fine),
    };
    let bridge = Bridge {
        from: Arc::clone(source.bus()?),
        to: Arc::clone(target.bus()?),
        plan,
        clock: Arc::new(SystemClock),
        keyring: from.keyring().await?,
    };
    if bridge.keyring.is_none() && !args.quiet {
        eprint_all(
            "no vault is found here (ECS_VAULT_URL), so events of people who were erased are copied, too",
        );
    }
    let stop = CancellationToken::new();
    let told = stop.clone();
    tokio::spawn(async move {
        signals.stop().await;
        told.cancel();
        signals.exit_on_next();
    });
    let progress = Progress::new(&bridge.plan.subjects);
    let copied = copy(&bridge, &progress, &stop, args.quiet).await;
    drop(bridge);
    // What was settled is written down by the close, whatever ended the copying.
    let closed = target.close().await.context("closing TO").and(source.close().await.context("closing FROM"));
    copied.map_err(|error| placed(error, &from, &to))?;
    closed?;
    report(args, &progress.now())
}

fn plan(args: &BridgeArgs) -> Plan {
    let chosen = |subject: &Subject| args.subjects.is_empty() || args.subjects.contains(subject);
    // An archive of everything is one of everything that may be in it; who names the other by its name is refused.
    let allowed =
        |subject: &Subject| !args.archive || *subject != Subject::Emotions || args.subjects.contains(subject);
    let copies = match &args.name {
        _ if args.unsettled => Copies::Unsettled,
        // The process ends with the command, so the name may live as long as it does.
        Some(name) => Copies::Everything(Group(String::leak(name.clone()))),
        None if args.archive => Copies::Everything(ARCHIVE_GROUP),
        None => Copies::Everything(GROUP),
    };
    Plan {
        subjects: Subject::ALL.into_iter().filter(chosen).filter(allowed).collect(),
        copies,
        follow: args.follow,
        archive: args.keep_days.filter(|_| args.archive).map(|days| DAY * u32::from(days.get())),
    }
}

/// Copies, and tells how far it is on standard error.
async fn copy(
    bridge: &Bridge,
    progress: &Progress,
    stop: &CancellationToken,
    quiet: bool,
) -> Result<(), BridgeError> {
    let telling = async {
        let mut rates = Rates::begin();
        loop {
            tokio::time::sleep(TELL).await;
            if !quiet {
                eprint_all(&rates.tell(&progress.now()));
            }
        }
    };
    tokio::select! {
        copied = bridge.run(progress, stop) => copied,
        () = telling => Ok(()),
    }
}

fn eprint_all(text: &str) {
    use std::io::Write as _;
    // A reader that went away is no reason to stop copying.
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Says which side an error is about.
fn placed(error: BridgeError, from: &End, to: &End) -> anyhow::Error {
    let side = match &error {
        BridgeError::From(_) => Some(from.to_string()),
        BridgeError::To(_) => Some(to.to_string()),
        BridgeError::SameBus | BridgeError::NoKeys | BridgeError::EmotionsInArchive => None,
    };
    match side {
        Some(side) => anyhow::Error::from(error).context(side),
        None => error.into(),
    }
}

fn report(args: &BridgeArgs, subjects: &[SubjectProgress]) -> anyhow::Result<Outcome> {
    say(&if args.json { serde_json::to_string_pretty(subjects)? } else { in_words::report(subjects) });
    let complete = subjects.iter().all(|of| of.refused == 0 && of.caught_up);
    Ok(if complete { Outcome::Fine } else { Outcome::Off })
}
