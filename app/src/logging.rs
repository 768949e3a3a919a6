//! Logs: structured JSON on standard output, or readable lines on a terminal.

use std::io::IsTerminal;
use std::panic::PanicHookInfo;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

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
    if pretty {
        builder.compact().with_target(false).init();
    } else {
        builder.json().flatten_event(true).with_current_span(true).with_span_list(false).init();
    }
    Ok(())
}

/// A panic's place is logged and its words are not: they may quote a value that no log should hold.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let thread = std::thread::current().name().unwrap_or_default().to_owned();
    tracing::error!(place, thread, "panicked");
}
