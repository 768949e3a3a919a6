//! What the platform counts and times, under documented names, as Prometheus reads it.
//!
//! A process has one [`Metrics`], made at its start and handed to whatever has something to count; there is no global
//! registry. The names are a contract, listed in `docs/metrics.md`, and a test holds that page against this crate.
//!
//! **Labels are bounded.** Every label's value is a `&'static str`, so nothing that a request brought can become one: no
//! path, id or e-mail address. What comes as a number or a word from outside (a status, a method) is mapped to a fixed
//! list with the member `other`. Emotion values and scores are never counted at all.
//!
//! **Recording is cheap.** What happens once per request goes through handles that were looked up before
//! ([`Endpoint`], [`SubjectMetrics`]); what happens once per batch or query looks its series up.

mod backtests;
mod bus;
mod credit;
mod exports;
mod families;
mod guards;
mod http;
mod process;
#[cfg(any(test, feature = "read"))]
pub mod read;
mod reviews;
mod store;
mod watch;
mod webhooks;

use std::sync::Arc;

use prometheus_client::encoding::text::encode;

pub use bus::{Published, SubjectMetrics};
pub use families::{Described, Kind};
pub use http::{Endpoint, InFlight};

use families::Families;

/// The media type of what [`Metrics::render`] returns.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What is counted and timed. A clone counts into the same.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    families: Families,
    http: http::Http,
    bus: bus::Bus,
    store: store::Store,
    guards: guards::Guards,
    credit: credit::Credit,
    process: process::Process,
    webhooks: webhooks::Webhooks,
    exports: exports::Exports,
    reviews: reviews::Reviews,
    watch: watch::Watch,
    backtests: backtests::Backtests,
}

impl Metrics {
    /// With every family registered, and nothing counted yet.
    #[must_use]
    pub fn new() -> Self {
        let mut families = Families::default();
        let http = http::Http::register(&mut families);
        let bus = bus::Bus::register(&mut families);
        let store = store::Store::register(&mut families);
        let guards = guards::Guards::register(&mut families);
        let credit = credit::Credit::register(&mut families);
        let process = process::Process::register(&mut families);
        let webhooks = webhooks::Webhooks::register(&mut families);
        let exports = exports::Exports::register(&mut families);
        let reviews = reviews::Reviews::register(&mut families);
        let watch = watch::Watch::register(&mut families);
        let backtests = backtests::Backtests::register(&mut families);
        Self(Arc::new(Inner {
            families,
            http,
            bus,
            store,
            guards,
            credit,
            process,
            webhooks,
            exports,
            reviews,
            watch,
            backtests,
        }))
    }

    /// Everything that was counted, in the text format of OpenMetrics 1.0, which Prometheus reads.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::with_capacity(16 * 1024);
        // Writing to a string can't fail.
        let _ = encode(&mut text, self.0.families.registry());
        text
    }

    /// Every family that there is, whether it has been counted or not.
    #[must_use]
    pub fn families(&self) -> &[Described] {
        self.0.families.described()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Metrics")
    }
}
