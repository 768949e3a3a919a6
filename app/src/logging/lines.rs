//! Lines of the log as JSON: what the subscriber's own format writes, fields of the event flattened beside their span. That one keeps a
//! span's fields as a document, which it reads again for each line and for each field that comes later; every request pays for that. Here
//! they are kept as text that a line holds as it is.

use std::fmt::{self, Debug, Write};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// What libraries that log otherwise say of themselves, beside their event's own fields.
const BRIDGED: &str = "log.";
const BRIDGED_TARGET: &str = "log.target";

/// A line for each event.
pub(super) struct Lines;

/// Fields as members of an object, each with the comma that ends it: what comes later is added behind. A field that is noted twice is there
/// twice, and its last value counts.
pub(super) struct Members;

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut to: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        to.write_str("{\"timestamp\":\"")?;
        SystemTime.format_time(&mut to)?;
        write!(to, "\",\"level\":\"{}\",", event.metadata().level())?;
        let mut visitor = Visitor::new(&mut to);
        event.record(&mut visitor);
        let Visitor { bridged, written, .. } = visitor;
        written?;
        member(&mut to, "target", bridged.as_deref().unwrap_or(event.metadata().target()))?;
        let parent = event.parent().and_then(|id| context.span(id));
        if let Some(span) = parent.or_else(|| context.lookup_current()) {
            to.write_str(",\"span\":{")?;
            if let Some(fields) = span.extensions().get::<FormattedFields<N>>() {
                to.write_str(&fields.fields)?;
            }
            member(&mut to, "name", span.name())?;
            to.write_char('}')?;
        }
        to.write_str("}\n")
    }
}

impl<'a> FormatFields<'a> for Members {
    fn format_fields<R: RecordFields>(&self, mut to: Writer<'a>, fields: R) -> fmt::Result {
        let mut visitor = Visitor::new(&mut to);
        fields.record(&mut visitor);
        visitor.written
    }
}

/// Writes fields as members.
struct Visitor<'a, 'w> {
    to: &'a mut Writer<'w>,
    /// Where an event comes from that was not made by `tracing`.
    bridged: Option<String>,
    written: fmt::Result,
}

impl<'a, 'w> Visitor<'a, 'w> {
    fn new(to: &'a mut Writer<'w>) -> Self {
        Self { to, bridged: None, written: Ok(()) }
    }

    fn plain(&mut self, field: &Field, value: impl fmt::Display) {
        if self.written.is_ok() && !field.name().starts_with(BRIDGED) {
            self.written = write!(self.to, "\"{}\":{value},", name(field));
        }
    }
}

impl Visit for Visitor<'_, '_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON knows no other numbers.
        if value.is_finite() { self.plain(field, value) } else { self.plain(field, "null") }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.plain(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.plain(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.plain(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == BRIDGED_TARGET {
            self.bridged = Some(value.to_owned());
        }
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.plain(field, Quoted(value));
    }
}

/// What a value says of itself, as a string of JSON.
struct Quoted<'a>(&'a dyn Debug);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_char('"')?;
        write!(Escaped(&mut *to), "{:?}", self.0)?;
        to.write_char('"')
    }
}

/// Escapes what a string of JSON must not hold as it is.
struct Escaped<W>(W);

impl<W: Write> Write for Escaped<W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.bytes().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f)) {
            let (plain, from) = rest.split_at(at);
            self.0.write_str(plain)?;
            let (escaped, after) = from.split_at(1);
            match escaped {
                "\n" => self.0.write_str("\\n")?,
                "\"" | "\\" => write!(self.0, "\\{escaped}")?,
                other => other.bytes().try_for_each(|byte| write!(self.0, "\\u{byte:04x}"))?,
            }
            rest = after;
        }
        self.0.write_str(rest)
    }
}

/// The last member of an object.
fn member(to: &mut Writer<'_>, name: &str, text: &str) -> fmt::Result {
    write!(to, "\"{name}\":{}", Quoted(&format_args!("{text}")))
}

/// A field that is called like a word of the language is written `r#type`.
fn name(field: &Field) -> &str {
    field.name().strip_prefix("r#").unwrap_or(field.name())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;
    use serde_json::{Value, json};
    use tempfile::NamedTempFile;

    use super::*;

    /// What is logged by ours and by the subscriber's own format, without the instant.
    fn logged(what: impl Fn()) -> (Vec<Value>, Vec<Value>) {
        let (ours, theirs) = (NamedTempFile::new().unwrap(), NamedTempFile::new().unwrap());
        let builder = tracing_subscriber::fmt().with_max_level(tracing::Level::INFO);
        let builder = builder.with_writer(ours.reopen().unwrap()).fmt_fields(Members).event_format(Lines);
        tracing::subscriber::with_default(builder.finish(), &what);
        let builder = tracing_subscriber::fmt().with_max_level(tracing::Level::INFO);
        let builder = builder.with_writer(theirs.reopen().unwrap()).json().flatten_event(true);
        let builder = builder.with_current_span(true).with_span_list(false);
        tracing::subscriber::with_default(builder.finish(), &what);
        let read = |log: NamedTempFile| {
            let text = fs::read_to_string(log.path()).unwrap();
            text.lines().map(|line| timeless(serde_json::from_str(line).unwrap())).collect()
        };
        (read(ours), read(theirs))
    }

    fn timeless(mut line: Value) -> Value {
        let at = line.as_object_mut().unwrap().remove("timestamp").unwrap();
        assert!(at.as_str().unwrap().parse::<ecs_domain::Timestamp>().is_ok(), "{at}");
        line
    }

    proptest! {
        #[test]
        fn a_line_says_what_the_subscribers_own_says(
            text in any::<String>(), shown in any::<String>(), float in any::<f64>(), integer in any::<i64>(),
            count in any::<u64>(), wide in any::<u128>(), flag in any::<bool>(), later in proptest::option::of(any::<String>()),
        ) {
            let (ours, theirs) = logged(|| {
                let span = tracing::info_span!("outer", text, integer, later = tracing::field::Empty);
                if let Some(later) = &later {
                    span.record("later", later.as_str());
                }
                let inner = || {
                    tracing::info!(%shown, ?shown, count, flag, "said {text}");
                    tracing::info_span!("inner", flag).in_scope(|| tracing::warn!(text, wide, r#type = 7));
                };
                span.in_scope(inner);
                tracing::error!(float);
            });
            prop_assert_eq!(ours.len(), 3);
            let close = |a: &Value, b: &Value| a.as_f64().zip(b.as_f64()).map_or(a == b, |(a, b)| (a - b).abs() <= b.abs() * 1e-15);
            prop_assert!(close(&ours[2]["float"], &theirs[2]["float"]), "{:?} {:?}", ours, theirs);
            prop_assert_eq!(&ours[..2], &theirs[..2]);
        }
    }

    #[test]
    fn what_a_library_logs_otherwise_is_told_under_its_own_name() {
        let (ours, _) = logged(|| {
            tracing::info!({ log.target = "some::library", log.line = 7, host = "a" }, "heard");
        });
        let expect = json!({"level": "INFO", "message": "heard", "host": "a", "target": "some::library"});
        assert_eq!(ours, [expect]);
    }
}
