//! Says alerts in the log of the process, each once, whoever noticed.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ecs_bus::payload::{Alert, AlertAbout, AlertPayload, Severity};
use ecs_bus::{Delivery, Outcome, Subject, SubscribeOptions};
use ecs_work::{ConsumeDeps, Failure, Handler, OnFailure, OnStop, Supervisor, consume, decoded, retention};

use crate::Deps;

/// Starts to hear, and to forget the bus's copies.
pub(super) fn start(deps: &Deps, supervisor: &Supervisor) {
    let Deps { bus, clock, delivery_limit, metrics, alert_retention, .. } = deps.clone();
    let store = Arc::clone(&deps.store) as _;
    let consume_deps = ConsumeDeps { bus: Arc::clone(&bus), store, clock, delivery_limit, metrics };
    let options = SubscribeOptions { linger: Duration::ZERO, ..SubscribeOptions::default() };
    let consumer =
        consume::run(consume_deps, Subject::Alerts, options.into(), Arc::new(Hear), supervisor.token());
    supervisor.spawn("operations/alerts", OnFailure::StopProcess, OnStop::Wait, consumer);
    retention::start_bus_sweep(supervisor, bus, Arc::clone(&deps.clock), Subject::Alerts, alert_retention);
}

struct Hear;

#[async_trait]
impl Handler for Hear {
    async fn handle(&self, batch: &[Delivery]) -> Result<Vec<Outcome>, Failure> {
        let hear = |delivery: &Delivery| match AlertPayload::decode(&delivery.event) {
            Ok(alert) => {
                say(&alert);
                Outcome::Ack
            }
            Err(error) => decoded::undecodable(&error),
        };
        Ok(batch.iter().map(hear).collect())
    }
}

fn say(Alert { id, severity, about, .. }: &Alert) {
    let (kind, severity_name) = (about.kind(), severity.as_str());
    let (of, name) = match about {
        AlertAbout::Drift(drift) => (&drift.model, &drift.measure),
        AlertAbout::Fairness(fairness) => (&fairness.attribute, &fairness.group),
    };
    match severity {
        Severity::Over => tracing::info!(alert_id = %id, kind, of, name, "what an alert told is over"),
        Severity::Warning | Severity::Critical => {
            tracing::warn!(alert_id = %id, kind, severity = severity_name, of, name, "an alert");
        }
    }
}
