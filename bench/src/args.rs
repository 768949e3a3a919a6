//! The command line, and how large a run it asks for.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};

/// Measures the platform against limits taken in the same run.
#[derive(Debug, Parser)]
pub(crate) struct Args {
    /// 60 s of steady load per round instead of 20 s.
    #[arg(long, conflicts_with = "quick")]
    long: bool,
    /// One short round: shows that everything works, its numbers mean little.
    #[arg(long)]
    quick: bool,
    /// Measures this binary of the platform instead of building one.
    #[arg(long, value_name = "FILE")]
    pub(crate) binary: Option<PathBuf>,
    /// How many rounds; the table shows medians.
    #[arg(long)]
    rounds: Option<usize>,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// What it does instead of a whole run.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Only the durable POST, over and over, for those who hold a profiler against the platform.
    Steady {
        /// Seconds of load.
        #[arg(long, default_value_t = 20)]
        seconds: u64,
    },
    /// Serves one limit over HTTP and prints its address.
    #[command(hide = true)]
    LimitServer {
        /// What it does with a request.
        answer: Answer,
    },
}

/// What a limit does with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Answer {
    /// 202 without looking at the body.
    Bare,
    /// Parses and validates the emotion, then 202 with the platform's body.
    Parse,
}

impl Answer {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Parse => "parse",
        }
    }
}

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    /// How often everything is measured.
    pub(crate) rounds: usize,
    /// Load before a measurement counts.
    pub(crate) warm_up: Duration,
    /// Steady load on the platform.
    pub(crate) steady: Duration,
    /// Load on each limit, and on the routes that have no goal.
    pub(crate) short: Duration,
    /// Events that are appended, consumed and folded to take a limit.
    pub(crate) events: u64,
    /// Accounts that the events belong to.
    pub(crate) users: u32,
}

impl Args {
    pub(crate) fn scale(&self) -> Scale {
        let full = Scale {
            rounds: 3,
            warm_up: Duration::from_secs(2),
            steady: Duration::from_secs(if self.long { 60 } else { 20 }),
            short: Duration::from_secs(4),
            events: 500_000,
            users: 10_000,
        };
        let scale = if self.quick {
            let second = Duration::from_secs(1);
            Scale { rounds: 1, warm_up: second, steady: 3 * second, short: second, events: 100_000, ..full }
        } else {
            full
        };
        Scale { rounds: self.rounds.unwrap_or(scale.rounds).max(1), ..scale }
    }
}
