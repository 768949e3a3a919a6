//! Logs: structured JSON on standard output, or readable lines on a terminal.

mod lines;

use std::io::IsTerminal;
use std::panic::PanicHookInfo;

use tracing::Level;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use self::lines::{Lines, Members};
use crate::settings::Raw;

/// Starts logging for this process. Fails on a filter or format that can't be understood.
pub fn start(raw: &Raw) -> Result<(), String> {
    let text = |name: &str| raw.get(name).map(|value| value.text.clone()).unwrap_or_default();
    let filter = EnvFilter::try_new(text("ECS_LOG")).map_err(|error| format!("ECS_LOG {error}"))?;
    let format = text("ECS_LOG_FORMAT");
    let pretty = match format.as_str() {
        "auto" => std::io::stdout().is_terminal(),
        "pretty" => true,
        "json" => false,
        other => return Err(format!("ECS_LOG_FORMAT must be json, pretty or auto, it is {other:?}")),
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_span_events(FmtSpan::NONE);
    std::panic::set_hook(Box::new(log_panic));
    let careful = filter_fn(|metadata| may_be_logged(metadata.target(), *metadata.level()));
    if pretty {
        builder.compact().with_target(false).finish().with(careful).init();
    } else {
        builder.fmt_fields(Members).event_format(Lines).finish().with(careful).init();
    }
    Ok(())
}

/// Whatever somebody asks for, libraries say no more than what they say at level info. They don't know what must not be logged: the
/// client of NATS tells every payload at level trace, the driver of PostgreSQL every parameter at level debug.
fn may_be_logged(target: &str, level: Level) -> bool {
    level <= Level::INFO || target == "ecs" || target.starts_with("ecs::") || target.starts_with("ecs_")
}

/// A panic's place is logged and its words are not: they may quote a value that no log should hold.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let thread = std::thread::current().name().unwrap_or_default().to_owned();
    tracing::error!(place, thread, "panicked");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_no_more_talkative_than_at_level_info() {
        let check = |target: &str, level: Level, expect: bool| {
            assert_eq!(may_be_logged(target, level), expect, "{target} {level}");
        };
        for target in ["ecs", "ecs::platform", "ecs_work::relay", "ecs_web::server"] {
            check(target, Level::TRACE, true);
        }
        for target in ["async_nats::connection", "tokio_postgres::query", "hyper", "log", "ecstasy"] {
            check(target, Level::INFO, true);
            check(target, Level::DEBUG, false);
            check(target, Level::TRACE, false);
        }
    }
}
