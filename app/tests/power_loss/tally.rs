//! What was cut, and what was promised meanwhile.

use std::collections::BTreeMap;
use std::fmt;

use ecs_powerloss::{Cut, Losses, Moment};
use serde_json::{Value, json};

/// What the platform was at when the power went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Opening its files: making them, migrating them, or recovering them after the cut before.
    Starting,
    /// Working off what the cut before had left.
    CatchingUp,
    /// Under load.
    Serving,
    /// Stopping in good order, or just stopped.
    Stopping,
}

impl Phase {
    pub(crate) const ALL: [Self; 4] = [Self::Starting, Self::CatchingUp, Self::Serving, Self::Stopping];
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Starting => "starting",
            Self::CatchingUp => "catching up",
            Self::Serving => "serving",
            Self::Stopping => "stopping",
        })
    }
}

/// The sums of a campaign.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    cuts: BTreeMap<(Phase, Moment), u64>,
    in_bus: u64,
    in_store: u64,
    losses: Losses,
    /// How often only the process died.
    pub(crate) kills: u64,
    /// How many syncs failed while the power was on.
    pub(crate) failed_syncs: u64,
    pub(crate) checks: u64,
    /// Events that got their 202 and are counted.
    pub(crate) events: u64,
    /// Events without an answer, and how many of them arrived.
    pub(crate) unanswered: u64,
    pub(crate) unanswered_arrived: u64,
    /// Accounts that were made, decisions that were answered with an offer, and offers that became active.
    pub(crate) people: u64,
    pub(crate) offers: u64,
    pub(crate) activated: u64,
}

impl Tally {
    pub(crate) fn add_cut(&mut self, phase: Phase, cut: &Cut, losses: Losses) {
        *self.cuts.entry((phase, cut.moment)).or_default() += 1;
        let file = cut.file.as_deref().unwrap_or_default();
        self.in_bus += u64::from(file.starts_with("bus"));
        self.in_store += u64::from(file.starts_with("store"));
        self.losses.add(losses);
    }

    pub(crate) fn cuts(&self) -> u64 {
        self.cuts.values().sum()
    }

    pub(crate) fn cuts_in(&self, phase: Phase) -> u64 {
        self.cuts.iter().filter(|((of, _), _)| *of == phase).map(|(_, cuts)| cuts).sum()
    }

    /// How many promises were checked and found kept.
    pub(crate) fn promises(&self) -> u64 {
        self.events + self.people + self.offers + self.activated
    }

    pub(crate) fn to_json(&self) -> Value {
        let of = |phase: Phase| -> BTreeMap<String, u64> {
            let cuts = self.cuts.iter().filter(|((of, _), _)| *of == phase);
            cuts.map(|((_, moment), cuts)| (moment.to_string(), *cuts)).collect()
        };
        let phases: BTreeMap<String, _> =
            Phase::ALL.into_iter().map(|phase| (phase.to_string(), of(phase))).collect();
        json!({
            "cuts": phases, "kills": self.kills, "failed_syncs": self.failed_syncs, "in_bus": self.in_bus, "in_store": self.in_store, "checks": self.checks,
            "kept": {"events": self.events, "accounts": self.people, "offers": self.offers, "credits": self.activated},
            "unanswered": {"events": self.unanswered, "arrived": self.unanswered_arrived},
            "unsynced": {
                "changes": self.losses.unsynced, "files_without_them": self.losses.lost, "with_all": self.losses.kept,
                "cut_short": self.losses.cut_short, "scattered": self.losses.scattered,
                "garbled_sectors": self.losses.garbled,
            },
        })
    }
}
