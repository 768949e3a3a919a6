//! What the conformance kits of bus, store, cache and limits share: the stamp that makes one test per behaviour and backend, and the record
//! of what became of each, which `make test` ends with as one table.
//!
//! A test appends to the file that [`RECORD`] names; where it is not set nothing is recorded. Each run has a file of its own, so what an
//! earlier run showed is never shown again.

use std::env;
use std::fs::OpenOptions;
use std::io::Write;
use std::sync::Once;

/// The variable of the environment that names the file of the run.
pub const RECORD: &str = "ECS_CONFORMANCE_RECORD";

/// One contract's behaviours over one backend.
pub struct Suite {
    contract: &'static str,
    backend: &'static str,
    behaviours: &'static [&'static str],
    planned: Once,
}

/// What a behaviour returns when the backend says that it doesn't offer what is to be shown. Other behaviours return nothing.
#[derive(Debug, Clone, Copy)]
pub struct NotClaimed(
    /// What it doesn't offer.
    pub &'static str,
);

/// How a behaviour ended that didn't panic.
pub trait Outcome {
    /// What the backend doesn't claim, if that is why nothing was shown.
    fn not_claimed(&self) -> Option<NotClaimed>;
}

impl Outcome for () {
    fn not_claimed(&self) -> Option<NotClaimed> {
        None
    }
}

impl Outcome for Result<(), NotClaimed> {
    fn not_claimed(&self) -> Option<NotClaimed> {
        self.err()
    }
}

/// A behaviour that is being shown. Dropped without an end, by a panic, it has failed.
pub struct Running {
    suite: &'static Suite,
    behaviour: &'static str,
}

impl Suite {
    /// All `behaviours` of `contract`, over `backend`.
    #[must_use]
    pub const fn new(
        contract: &'static str,
        backend: &'static str,
        behaviours: &'static [&'static str],
    ) -> Self {
        Self { contract, backend, behaviours, planned: Once::new() }
    }

    /// Begins to show a behaviour; `None`, and said aloud, where the backend can't be had.
    #[must_use]
    pub fn begin(
        &'static self,
        behaviour: &'static str,
        unavailable: fn() -> Option<String>,
    ) -> Option<Running> {
        // Before anything can go wrong: what never ran must be missing by its name.
        self.planned.call_once(|| self.behaviours.iter().for_each(|name| self.record(name, "planned")));
        if let Some(reason) = unavailable() {
            let (contract, backend) = (self.contract, self.backend);
            // On the standard error itself, which the harness of tests doesn't capture. There is nobody to tell if even this fails.
            let _ = writeln!(
                std::io::stderr(),
                "DID NOT RUN: {contract} over {backend}, {behaviour} because {reason}"
            );
            return None;
        }
        self.record(behaviour, "began");
        Some(Running { suite: self, behaviour })
    }

    /// One line, in one write at the end of the file: other tests write to it at the same time.
    fn record(&self, behaviour: &str, state: &str) {
        let Some(path) = env::var_os(RECORD) else { return };
        let line = format!("{}\t{}\t{behaviour}\t{state}\n", self.contract, self.backend);
        let file = OpenOptions::new().append(true).create(true).open(path);
        let written = file.and_then(|mut file| file.write_all(line.as_bytes()));
        assert!(written.is_ok(), "the file in {RECORD} can't be written: {written:?}");
    }
}

impl Running {
    /// Notes that the behaviour was shown, or that it isn't claimed.
    pub fn end(self, outcome: &impl Outcome) {
        match outcome.not_claimed() {
            None => self.suite.record(self.behaviour, "passed"),
            Some(NotClaimed(what)) => self.suite.record(self.behaviour, &format!("not claimed: {what}")),
        }
    }
}

/// One test per behaviour over a harness. `$kit` is the kit's crate, with a trait `Harness` that has `NAME` and `unavailable()`, and with
/// the behaviours in modules: functions that are generic over the harness. The calling crate needs tokio with `macros` and
/// `rt-multi-thread`.
#[macro_export]
macro_rules! stamp {
    ($kit:tt, $contract:literal, $harness:ty; $($module:ident: $($behaviour:ident),+ $(,)?;)+) => {
        static SUITE: $crate::Suite = $crate::Suite::new(
            $contract,
            <$harness as $kit::Harness>::NAME,
            &[$($(concat!(stringify!($module), "::", stringify!($behaviour))),+),+],
        );
        $(mod $module {
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $behaviour() {
                    let name = concat!(stringify!($module), "::", stringify!($behaviour));
                    let unavailable = <$harness as $kit::Harness>::unavailable;
                    let Some(running) = super::SUITE.begin(name, unavailable) else { return };
                    running.end(&$kit::$module::$behaviour::<$harness>().await);
                }
            )+
        })+
    };
}
