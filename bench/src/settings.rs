//! How much is measured.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};

/// How large a run is, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mode {
    Long,
    Default,
    Quick,
    Smoke,
}

/// What the platform runs over, which decides what rows there are. Each has reports and marks in the documents of its own, so
/// that none takes another's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Over {
    /// Storage in the data folder.
    #[default]
    Embedded,
    /// PostgreSQL, NATS and Redis.
    Engines,
    /// PostgreSQL, Redis and one transport after the other.
    Transports,
}

impl Over {
    /// What the files of its reports are called, without what they end in.
    pub(crate) fn file(self) -> &'static str {
        match self {
            Self::Embedded => "report",
            Self::Engines => "engines",
            Self::Transports => "transports",
        }
    }

    /// What the marks around its tables are called.
    pub(crate) fn marks(self) -> &'static str {
        match self {
            Self::Embedded => "bench",
            Self::Engines => "engines",
            Self::Transports => "transports",
        }
    }

    /// Reports from before there were transports say whether it was over the engines.
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Flag(bool),
            Name(Over),
        }
        Ok(match Written::deserialize(deserializer)? {
            Written::Flag(false) => Self::Embedded,
            Written::Flag(true) => Self::Engines,
            Written::Name(over) => over,
        })
    }
}

/// How large a run is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Settings {
    pub(crate) mode: Mode,
    /// How often everything is measured.
    pub(crate) rounds: usize,
    /// Load before a measurement counts.
    pub(crate) warm_up_seconds: f64,
    /// Load on the row that has the goal.
    pub(crate) steady_seconds: f64,
    /// Load on the other rows.
    pub(crate) short_seconds: f64,
    /// Load on each limit.
    pub(crate) limit_seconds: f64,
    /// How long an idle platform settles before its memory is read.
    pub(crate) idle_seconds: f64,
    /// How often the start is measured in each round.
    pub(crate) starts: usize,
    /// Events that are appended, consumed and folded to take a limit.
    pub(crate) events: u64,
    /// Accounts that the events belong to.
    pub(crate) users: u32,
    /// Accounts about which a decision can be made.
    pub(crate) deciders: u32,
    #[serde(default, alias = "engines", deserialize_with = "Over::read")]
    pub(crate) over: Over,
    /// Whether this benchmark was built without optimisation.
    pub(crate) debug_build: bool,
}

impl Settings {
    pub(crate) fn of(over: Over, mode: Mode) -> Self {
        match over {
            Over::Embedded => Self::embedded(mode),
            Over::Engines => Self::engines(mode),
            Over::Transports => Self::transports(mode),
        }
    }

    fn embedded(mode: Mode) -> Self {
        let default = Self {
            mode,
            rounds: 3,
            warm_up_seconds: 1.0,
            steady_seconds: 12.0,
            short_seconds: 3.0,
            limit_seconds: 1.5,
            idle_seconds: 3.0,
            starts: 5,
            events: 300_000,
            users: 10_000,
            deciders: 80_000,
            over: Over::Embedded,
            debug_build: cfg!(debug_assertions),
        };
        match mode {
            Mode::Default => default,
            Mode::Long => Self {
                warm_up_seconds: 2.0,
                steady_seconds: 60.0,
                short_seconds: 10.0,
                limit_seconds: 4.0,
                idle_seconds: 5.0,
                events: 500_000,
                deciders: 200_000,
                ..default
            },
            Mode::Quick => Self {
                rounds: 1,
                warm_up_seconds: 0.5,
                steady_seconds: 3.0,
                short_seconds: 1.0,
                limit_seconds: 0.5,
                idle_seconds: 1.0,
                starts: 2,
                events: 100_000,
                deciders: 30_000,
                ..default
            },
            Mode::Smoke => Self {
                rounds: 1,
                warm_up_seconds: 0.05,
                steady_seconds: 0.5,
                short_seconds: 0.5,
                limit_seconds: 0.1,
                idle_seconds: 0.1,
                starts: 1,
                events: 3_000,
                users: 500,
                deciders: 3_000,
                ..default
            },
        }
    }

    /// The same over servers, which take longer to fill and to warm up.
    fn engines(mode: Mode) -> Self {
        let settings = Self { over: Over::Engines, ..Self::embedded(mode) };
        match mode {
            Mode::Default => Self {
                warm_up_seconds: 2.0,
                events: 200_000,
                short_seconds: 10.0,
                deciders: 120_000,
                ..settings
            },
            Mode::Long => Self { warm_up_seconds: 5.0, events: 400_000, short_seconds: 30.0, ..settings },
            Mode::Quick => Self { warm_up_seconds: 1.0, events: 60_000, short_seconds: 3.0, ..settings },
            // Whoever wants an answer while the rated load comes may have to wait for it on a slow machine.
            Mode::Smoke => Self { short_seconds: 2.0, ..settings },
        }
    }

    /// The same for each of four transports: a shorter load, so that the run takes as long.
    fn transports(mode: Mode) -> Self {
        let settings = Self { over: Over::Transports, ..Self::engines(mode) };
        match mode {
            Mode::Default => Self { steady_seconds: 8.0, ..settings },
            Mode::Long => Self { steady_seconds: 30.0, ..settings },
            Mode::Quick => settings,
            // A broker that has just started takes its time, and this load has to get something through.
            Mode::Smoke => Self { steady_seconds: 2.0, ..settings },
        }
    }

    pub(crate) fn warm_up(&self) -> Duration {
        Duration::from_secs_f64(self.warm_up_seconds)
    }

    pub(crate) fn steady(&self) -> Duration {
        Duration::from_secs_f64(self.steady_seconds)
    }

    pub(crate) fn short(&self) -> Duration {
        Duration::from_secs_f64(self.short_seconds)
    }

    pub(crate) fn limit(&self) -> Duration {
        Duration::from_secs_f64(self.limit_seconds)
    }

    pub(crate) fn idle(&self) -> Duration {
        Duration::from_secs_f64(self.idle_seconds)
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rounds, steady_seconds, short_seconds, limit_seconds, warm_up_seconds, users, .. } = self;
        let each = format!("each after {warm_up_seconds} s of warm-up");
        write!(
            f,
            "{rounds} rounds; {steady_seconds} s of load on the row with the goal, {short_seconds} s on others, {limit_seconds} s on limits, {each}; {users} users."
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_run_was_over_is_read_from_old_reports_and_new_ones() {
        let check = |name: &str, value: serde_json::Value, expect: Over| {
            let mut json = serde_json::to_value(Settings::of(Over::Embedded, Mode::Quick)).unwrap();
            let fields = json.as_object_mut().unwrap();
            fields.remove("over");
            fields.insert(name.to_owned(), value);
            assert_eq!(serde_json::from_value::<Settings>(json).unwrap().over, expect, "{name}");
        };
        check("unknown", true.into(), Over::Embedded);
        check("engines", false.into(), Over::Embedded);
        check("engines", true.into(), Over::Engines);
        check("over", "transports".into(), Over::Transports);
    }
}
