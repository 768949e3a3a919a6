//! Drawing over what was drawn before, on standard error.

use std::fmt::Write as _;
use std::io::Write as _;

use terminal_size::{Width, terminal_size_of};

/// The width of a terminal that doesn't say.
const USUAL_WIDTH: usize = 80;

/// How a piece of text looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Paint {
    Plain,
    Strong,
    Faint,
    Good,
    Bad,
    Accent,
}

impl Paint {
    fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Strong => "\x1b[1m",
            Self::Faint => "\x1b[2m",
            Self::Good => "\x1b[32m",
            Self::Bad => "\x1b[31m",
            Self::Accent => "\x1b[36m",
        }
    }
}

/// A line in pieces.
#[derive(Debug, Clone, Default)]
pub(super) struct Line(Vec<(Paint, String)>);

impl Line {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn and(mut self, paint: Paint, text: impl Into<String>) -> Self {
        self.0.push((paint, text.into()));
        self
    }

    /// The line cut to `width` characters, for a line that wraps would be two to draw over.
    pub(super) fn text(&self, width: usize, colours: bool) -> String {
        let mut left = width;
        let mut text = String::new();
        for (paint, piece) in &self.0 {
            let cut: String = piece.chars().take(left).collect();
            left -= cut.chars().count();
            if colours && *paint != Paint::Plain && !cut.is_empty() {
                // Writing to a String can't fail.
                let _ = write!(text, "{}{cut}\x1b[0m", paint.code());
            } else {
                text.push_str(&cut);
            }
        }
        text
    }
}

/// Where the panel stands.
#[derive(Debug)]
pub(super) struct Screen {
    drawn: usize,
}

impl Screen {
    pub(super) fn new() -> Self {
        Self { drawn: 0 }
    }

    /// Puts these lines in the place of those before.
    pub(super) fn draw(&mut self, lines: &[Line], colours: bool) {
        // Asked for each time: people resize their windows.
        let width = terminal_size_of(std::io::stderr());
        let width = width.map_or(USUAL_WIDTH, |(Width(width), _)| usize::from(width));
        let frame = frame(self.drawn, lines, width, colours);
        self.drawn = lines.len();
        put(&frame);
    }

    /// Puts one line below the others, for good.
    pub(super) fn line(&mut self, line: &Line) {
        put(&format!("{}\n", line.text(usize::MAX, false)));
    }

    /// Takes the panel away.
    pub(super) fn wipe(&mut self) {
        if self.drawn > 0 {
            put(&frame(self.drawn, &[], 0, false));
            self.drawn = 0;
        }
    }
}

/// One write per frame, so that a reader never sees half of one.
pub(super) fn frame(drawn: usize, lines: &[Line], width: usize, colours: bool) -> String {
    let mut text = String::new();
    if drawn > 0 {
        let _ = write!(text, "\r\x1b[{drawn}A");
    }
    for line in lines {
        let _ = writeln!(text, "{}\x1b[K", line.text(width, colours));
    }
    text.push_str("\x1b[J");
    text
}

/// A terminal that went away is no reason to stop.
fn put(text: &str) {
    let mut out = std::io::stderr().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
