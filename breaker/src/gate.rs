//! The rules, as a plain value that is told the time: no locks, no metrics.

use std::time::Duration;

use tokio::time::Instant;

/// What is told to who comes while the only places for probes are taken: by then one of them may have come back.
const WHILE_PROBING: Duration = Duration::from_secs(1);
/// Stands for a time to stay open that the clock can't count to.
const FOR_EVER: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

/// When a breaker opens, and how it closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How many failures in a row open it; at least 1.
    pub failures: u32,
    /// How long it stays open before a probe may try.
    pub open_for: Duration,
    /// How many probes may be under way at once; at least 1.
    pub probes: u32,
}

impl Default for Options {
    /// Five failures, thirty seconds, one probe.
    fn default() -> Self {
        Self { failures: 5, open_for: Duration::from_secs(30), probes: 1 }
    }
}

/// What a breaker does with calls. The numbers are those of its metric: the higher, the worse. The metric is written when
/// the state changes, so one whose time is over shows as open until a probe has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// Calls pass.
    Closed = 0,
    /// A few calls pass, to find out whether the others may.
    HalfOpen = 1,
    /// Calls are refused.
    Open = 2,
}

/// The breaker is open: the call was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Open {
    /// When another try is worth it.
    pub retry_after: Duration,
}

/// A call that was let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Admitted {
    /// The term in which it was. What it comes to says nothing about a later one.
    pub(crate) term: u64,
    /// Whether it takes one of the places for probes.
    pub(crate) probe: bool,
}

/// Where a breaker stands.
#[derive(Debug)]
pub(crate) struct Gate {
    options: Options,
    phase: Phase,
    /// Counts the changes of phase.
    term: u64,
    /// Probes without a result, those of an earlier term, too: they still burden the dependency.
    probes: u32,
}

#[derive(Debug)]
enum Phase {
    Closed { failures: u32 },
    Open { until: Instant },
    HalfOpen,
}

impl Gate {
    /// A closed one.
    pub(crate) fn new(options: Options) -> Self {
        let options = Options { failures: options.failures.max(1), probes: options.probes.max(1), ..options };
        Self { options, phase: Phase::Closed { failures: 0 }, term: 0, probes: 0 }
    }

    pub(crate) fn term(&self) -> u64 {
        self.term
    }

    /// How many calls have failed in a row, where it is closed.
    pub(crate) fn failures(&self) -> u32 {
        match self.phase {
            Phase::Closed { failures } => failures,
            Phase::Open { .. } | Phase::HalfOpen => 0,
        }
    }

    /// Where it stands at `now`. One whose time is over is half open, although no probe has come yet.
    pub(crate) fn state(&self, now: Instant) -> State {
        match self.phase {
            Phase::Closed { .. } => State::Closed,
            Phase::Open { until } if now < until => State::Open,
            Phase::Open { .. } | Phase::HalfOpen => State::HalfOpen,
        }
    }

    /// Lets a call through, or says when the next may come.
    pub(crate) fn admit(&mut self, now: Instant) -> Result<Admitted, Open> {
        if let Phase::Open { until } = self.phase {
            let left = until.saturating_duration_since(now);
            if !left.is_zero() {
                return Err(Open { retry_after: left });
            }
            self.enter(Phase::HalfOpen);
        }
        let probe = matches!(self.phase, Phase::HalfOpen);
        if probe {
            if self.probes >= self.options.probes {
                return Err(Open { retry_after: WHILE_PROBING.min(self.options.open_for) });
            }
            self.probes += 1;
        }
        Ok(Admitted { term: self.term, probe })
    }

    /// A call succeeded. One of an earlier term changes nothing: it was sent before things went wrong.
    pub(crate) fn succeeded(&mut self, call: Admitted) {
        self.given_up(call);
        if call.term == self.term {
            match &mut self.phase {
                Phase::Closed { failures } => *failures = 0,
                Phase::HalfOpen => self.enter(Phase::Closed { failures: 0 }),
                Phase::Open { .. } => {}
            }
        }
    }

    /// A call failed. True when that opened it.
    pub(crate) fn failed(&mut self, call: Admitted, now: Instant) -> bool {
        self.given_up(call);
        let opens = call.term == self.term
            && match &mut self.phase {
                Phase::Closed { failures } => {
                    *failures += 1;
                    *failures >= self.options.failures
                }
                Phase::HalfOpen => true,
                Phase::Open { .. } => false,
            };
        if opens {
            let until = now.checked_add(self.options.open_for).unwrap_or_else(|| now + FOR_EVER);
            self.enter(Phase::Open { until });
        }
        opens
    }

    /// A call has ended, perhaps without a result. A probe's place is free again.
    pub(crate) fn given_up(&mut self, call: Admitted) {
        if call.probe {
            self.probes = self.probes.saturating_sub(1);
        }
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.term += 1;
    }
}
