//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

pub(crate) use crate::settings::{Mode, Over, Settings};

/// Measures the platform against limits taken in the same run.
#[derive(Debug, Parser)]
pub(crate) struct Args {
    /// 60 s of steady load per round: the run that goals are held against.
    #[arg(long, conflicts_with_all = ["quick", "smoke"])]
    long: bool,
    /// One short round: shows that everything works, its numbers mean little.
    #[arg(long, conflicts_with = "smoke")]
    quick: bool,
    /// The least that touches everything, for the test of the benchmark.
    #[arg(long, hide = true)]
    smoke: bool,
    /// Over private PostgreSQL, NATS and Redis servers: other rows, see docs/benchmarks.md.
    #[arg(long)]
    engines: bool,
    /// Over private PostgreSQL and Redis servers and each transport in turn: other rows again.
    #[arg(long, conflicts_with = "engines")]
    transports: bool,
    /// How many rounds; the tables show medians.
    #[arg(long)]
    rounds: Option<usize>,
    /// Takes only the rows whose name has one of these words in it, such as `decisions,lines`, and their limits.
    #[arg(long, value_name = "WORDS", value_delimiter = ',')]
    pub(crate) rows: Vec<String>,
    /// Also imports this file: `cdnow_master.txt`.
    #[arg(long, value_name = "FILE")]
    pub(crate) cdnow: Option<PathBuf>,
    /// Measures this binary of the platform instead of building one.
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) binary: Option<PathBuf>,
    /// Where the reports, the platform's log and, meanwhile, its data go [default: target/bench].
    #[arg(long, value_name = "FOLDER", global = true)]
    pub(crate) out: Option<PathBuf>,
    /// Puts the tables between the marks of this document, too.
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) write: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// What it does instead of a run.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Prints the tables of a run again.
    Report {
        /// A `report.json`.
        file: PathBuf,
    },
    /// Says which rows changed beyond their spread from one run to the other.
    Compare {
        /// The `report.json` of the first run.
        old: PathBuf,
        /// The one of the second.
        new: PathBuf,
    },
    /// Only the durable POST, over and over, for those who hold a profiler against the platform.
    Steady {
        /// Seconds of load.
        #[arg(long, default_value_t = 20)]
        seconds: u32,
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
    Emotion,
    /// The same for each of many lines.
    Lines,
    /// Verifies the token, parses and validates the transaction, then 202 with the platform's body.
    Transaction,
    /// Verifies the token, then 200 with a decision that nobody made.
    Decision,
}

impl Answer {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Emotion => "emotion",
            Self::Lines => "lines",
            Self::Transaction => "transaction",
            Self::Decision => "decision",
        }
    }
}

impl Args {
    /// How much is measured.
    pub(crate) fn settings(&self) -> Settings {
        let mode = match (self.long, self.quick, self.smoke) {
            (true, _, _) => Mode::Long,
            (_, true, _) => Mode::Quick,
            (_, _, true) => Mode::Smoke,
            (false, false, false) => Mode::Default,
        };
        let over = match (self.engines, self.transports) {
            (true, _) => Over::Engines,
            (false, true) => Over::Transports,
            (false, false) => Over::Embedded,
        };
        let settings = Settings::of(over, mode);
        Settings { rounds: self.rounds.unwrap_or(settings.rounds).max(1), ..settings }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
        let check = |line: &[&str], mode: Mode, rounds: usize| {
            let args = Args::parse_from(std::iter::once(&"bench").chain(line));
            assert_eq!((args.settings().mode, args.settings().rounds), (mode, rounds), "{line:?}");
        };
        check(&[], Mode::Default, 3);
        check(&["--long", "--rounds", "5"], Mode::Long, 5);
        check(&["--quick", "--rounds", "0"], Mode::Quick, 1);
        check(&["steady", "--binary", "ecs", "--out", "folder", "--seconds", "5"], Mode::Default, 3);
        assert!(Args::try_parse_from(["bench", "--long", "--quick"]).is_err());
    }

    #[test]
    fn an_answer_is_read_as_it_is_written() {
        for answer in Answer::value_variants() {
            assert_eq!(Answer::from_str(answer.as_str(), false).as_ref(), Ok(answer));
        }
    }
}
