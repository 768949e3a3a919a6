//! What the platform counts and times, under documented names, as Prometheus reads it.
//!
//! The seam only, until its owner's version takes this place: the breakers' states are real, the rest counts nothing yet.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

type Labels = [(&'static str, &'static str); 1];

/// What is counted and timed. A clone counts into the same.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Mutex<Registry>,
    states: Family<Labels, Gauge>,
    opened: Family<Labels, Counter>,
    shed: Family<Labels, Counter>,
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

#[expect(missing_docs, reason = "the owner's version has them")]
impl Metrics {
    #[must_use]
    pub fn new() -> Self {
        let (mut registry, states, opened, shed) =
            (Registry::default(), Family::default(), Family::default(), Family::default());
        registry.register("ecs_breaker_state", "0 closed, 1 open, 2 half open", Family::clone(&states));
        registry.register("ecs_breaker_opened", "How often it opened", Family::clone(&opened));
        registry.register("ecs_http_shed", "Requests refused at once", Family::clone(&shed));
        Self(Arc::new(Inner { registry: Mutex::new(registry), states, opened, shed }))
    }

    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::new();
        let registry = self.0.registry.lock().unwrap_or_else(PoisonError::into_inner);
        // Writing to a string can't fail.
        let _ = encode(&mut text, &registry);
        text
    }

    pub fn breaker_state(&self, name: &'static str, state: u8) {
        self.0.states.get_or_create(&[("breaker", name)]).set(i64::from(state));
    }
    pub fn breaker_opened(&self, name: &'static str) {
        self.0.opened.get_or_create(&[("breaker", name)]).inc();
    }
    pub fn shed(&self, role: &'static str) {
        self.0.shed.get_or_create(&[("role", role)]).inc();
    }
    pub fn http(
        &self,
        _role: &'static str,
        _route: &'static str,
        _method: &'static str,
        _status: u16,
        _took: Duration,
    ) {
    }
    pub fn bus_published(&self, _subject: &'static str, _result: &'static str, _count: u64) {}
    pub fn bus_batch(&self, _stage: &'static str, _subject: &'static str, _size: usize) {}
    pub fn bus_delivered(&self, _subject: &'static str, _count: u64) {}
    pub fn bus_redelivered(&self, _subject: &'static str, _count: u64) {}
    pub fn dead_lettered(&self, _subject: &'static str, _kind: &'static str, _count: u64) {}
    pub fn bus_backlog(&self, _subject: &'static str, _pending: u64, _oldest_age: Duration) {}
    pub fn store_query(&self, _name: &'static str, _ok: bool, _took: Duration) {}
    pub fn store_read(&self, _target: &'static str) {}
    pub fn replica_lag(&self, _index: usize, _seconds: f64) {}
    pub fn cache_lookup(&self, _level: &'static str, _hit: bool) {}
    pub fn decided(&self, _outcome: &'static str) {}
    pub fn outbox_depth(&self, _depth: u64) {}
}
