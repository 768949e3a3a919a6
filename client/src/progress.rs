//! How far a long command has come.

use std::borrow::Cow;
use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Hears how far a long command has come. Called from many tasks, so it must be cheap.
pub trait Progress: Send + Sync {
    /// There are `total` pieces of work ahead; `None` where nobody knows.
    fn expect(&self, what: Cow<'static, str>, total: Option<u64>);

    /// `done` more pieces are done.
    fn advance(&self, done: u64);

    /// Something worth a glance: how many are refused, that the platform is away.
    fn note(&self, text: String);

    /// Nothing more will come.
    fn finish(&self);
}

/// Says nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn expect(&self, _what: Cow<'static, str>, _total: Option<u64>) {}
    fn advance(&self, _done: u64) {}
    fn note(&self, _text: String) {}
    fn finish(&self) {}
}

/// A bar on the terminal's standard error, and nothing where that is not a terminal.
#[derive(Debug)]
pub struct Bar(ProgressBar);

impl Bar {
    /// A bar that appears with the first piece of work.
    #[must_use]
    pub fn new() -> Self {
        // Ten pictures a second are enough for the eye, and cost nothing beside the work itself.
        let target = if std::io::stderr().is_terminal() {
            ProgressDrawTarget::stderr_with_hz(10)
        } else {
            ProgressDrawTarget::hidden()
        };
        Self(ProgressBar::with_draw_target(None, target))
    }
}

impl Default for Bar {
    fn default() -> Self {
        Self::new()
    }
}

impl Progress for Bar {
    fn expect(&self, what: Cow<'static, str>, total: Option<u64>) {
        let template = match total {
            Some(_) => "{prefix} {wide_bar} {human_pos}/{human_len} {per_sec} {eta} {msg}",
            None => "{prefix} {spinner} {human_pos} {per_sec} {elapsed} {msg}",
        };
        // A template that indicatif can't read would be a mistake of ours; its default style does as well.
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        self.0.reset();
        self.0.set_style(style);
        self.0.set_prefix(what);
        match total {
            Some(total) => self.0.set_length(total),
            None => self.0.unset_length(),
        }
    }

    fn advance(&self, done: u64) {
        self.0.inc(done);
    }

    fn note(&self, text: String) {
        self.0.set_message(text);
    }

    fn finish(&self) {
        self.0.finish_and_clear();
    }
}
