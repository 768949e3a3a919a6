//! What a process shows in its metrics: its routes by their templates, its roles, and how far they are behind.

use std::sync::Arc;

use ecs_api_gateway::ROUTES;
use ecs_bus::Subject;
use ecs_cache::{Cache, Lookup};
use ecs_metrics::Metrics;
use ecs_web::Meter;
use ecs_work::Gauges;

use super::compose::Process;
use super::process_role;
use crate::role::Role;
use crate::settings::Settings;

/// Counts requests under the role that answers them, where it runs in this process; a gateway counts what it forwards to
/// other processes as its own.
pub(super) fn meter(settings: &Settings, metrics: &Metrics) -> Meter {
    let process = process_role(settings);
    let runs = |name: &str| settings.roles.iter().any(|role| role.as_str() == name);
    let answers = |owner: &'static str| if runs(owner) { owner } else { process };
    Meter::new(metrics, process, ROUTES.iter().map(|route| (answers(route.target.role()), route.path)))
}

/// Shows which roles run, and watches what waits for them.
pub(super) fn watch(process: &Process<'_>) -> anyhow::Result<()> {
    let gauges = Gauges { metrics: process.metrics.clone(), clock: Arc::clone(process.clock) };
    for role in process.settings.roles.iter() {
        process.metrics.role_runs(role.as_str());
        if let Some(subject) = consumes(role) {
            gauges.watch_backlog(process.supervisor, Arc::clone(process.storage.bus()?), subject);
        }
    }
    if process.settings.roles.iter().any(Role::writes_outbox) {
        gauges.watch_outbox(process.supervisor, Arc::clone(process.storage.store()?) as _);
    }
    if process.settings.roles.iter().any(|role| role == Role::UserAndCredit) {
        gauges.watch_reviews(process.supervisor, Arc::clone(process.storage.store()?) as _);
    }
    Ok(())
}

/// Counts the lookups of a cache with a single level.
pub(super) fn observed(cache: Cache, level: &'static str, metrics: &Metrics) -> Cache {
    let metrics = metrics.clone();
    cache.observed(move |lookup| match lookup {
        Lookup::Hit => metrics.cache_lookup(level, true),
        Lookup::Loaded | Lookup::Shared => metrics.cache_lookup(level, false),
    })
}

/// The subject whose events the role works on.
fn consumes(role: Role) -> Option<Subject> {
    match role {
        Role::EmotionProcessing => Some(Subject::Emotions),
        Role::TransactionProcessing => Some(Subject::Transactions),
        Role::CreditApplication => Some(Subject::OffersApproved),
        Role::Notification => Some(Subject::Notifications),
        Role::UserAndCredit => Some(Subject::Evaluations),
        Role::Operations => Some(Subject::Alerts),
        Role::ApiGateway | Role::EmotionIngestion | Role::TransactionIngestion | Role::CreditAnalysis => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_of_the_gateways_table_is_a_role() {
        for route in ROUTES {
            assert!(route.target.role().parse::<Role>().is_ok(), "{route:?}");
        }
    }

    #[test]
    fn a_role_watches_the_subject_that_its_group_is_named_after() {
        for role in Role::ALL {
            if let Some(subject) = consumes(role) {
                assert_eq!(subject.group().to_string(), role.as_str());
            }
        }
        let watched = Role::ALL.into_iter().filter_map(consumes).count();
        assert_eq!(watched, Subject::ALL.len(), "a subject that nobody watches");
    }
}
