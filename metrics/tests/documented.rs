//! What is registered, what is rendered and what is documented are the same.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ecs_metrics::read::Exposition;
use ecs_metrics::{Kind, Metrics, Published};

const PAGE: &str = include_str!("../../docs/metrics.md");

/// Counts something in every family.
fn everything() -> Metrics {
    let metrics = Metrics::new();
    let endpoint = metrics.endpoint("api-gateway", "unmatched");
    endpoint.shed();
    endpoint.enter().answered("BREW", 418, Duration::from_millis(3));
    let subject = metrics.subject("transactions.topic");
    subject.published(Published::WindowFull, 3);
    subject.delivered(7, 2);
    metrics.bus_batch("published", "transactions.topic", 5);
    metrics.dead_lettered("transactions.topic", "gave-up", 1);
    metrics.bus_backlog("transactions.topic", 9, Duration::from_millis(1500));
    metrics.store_query("users.user", true, Duration::from_micros(30));
    metrics.store_read("replica");
    metrics.replica_lag(99, 0.25);
    metrics.outbox_depth(4);
    metrics.review_backlog(2, Duration::from_secs(7));
    metrics.cache_lookup("process", true);
    metrics.breaker_state("bus", 2);
    metrics.breaker_opened("bus");
    metrics.rate_limited("read", "user");
    metrics.decided("denied");
    metrics.evaluated("offered");
    metrics.replayed();
    metrics.model_in_charge("financial", "champion", "financial-1", true);
    metrics.model_in_charge("financial", "challenger", "other", false);
    metrics.models_changed("refused");
    metrics.webhook_attempted("delivered", Duration::from_millis(20));
    metrics.webhook_disabled("gone");
    metrics.export_attempted("ready");
    metrics.backtest_begun();
    metrics.backtest_asked(200);
    metrics.backtest_attempted("finished", Duration::from_secs(90));
    metrics.role_runs("operations");
    metrics.decisions_watched(40);
    metrics.watch_psi("scorecard-1", "score", Some([0.31, 0.02]));
    metrics.watch_psi("other", "score", Some([0.5, 0.02]));
    metrics.watch_psi("other", "score", None);
    metrics.watch_approval("65+", Some(0.75));
    metrics.watch_impact("region", Some(0.5), 2);
    metrics
}

/// The cells of the page's tables whose first cell is a name in backticks.
fn rows() -> impl Iterator<Item = (&'static str, Vec<&'static str>)> {
    PAGE.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.split(" | ");
        let name = cells.next()?.strip_suffix('`')?;
        Some((name, cells.collect()))
    })
}

/// The words in backticks.
fn words(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

#[test]
fn every_family_is_documented_and_nothing_else_is() {
    let documented: BTreeMap<_, _> = rows()
        .filter(|(name, _)| name.contains("_"))
        .map(|(name, cells)| (name, (cells[0], words(cells[1]))))
        .collect();
    let metrics = Metrics::new();
    let registered = metrics.families().iter();
    let registered: BTreeMap<_, _> =
        registered.map(|family| (family.name, (family.kind.as_str(), family.labels.to_vec()))).collect();
    assert!(registered.len() > 25, "only {} families", registered.len());
    assert_eq!(documented, registered);
}

#[test]
fn every_label_is_documented() {
    let labels: BTreeSet<_> = rows().map(|(name, _)| name).filter(|name| !name.contains('_')).collect();
    let metrics = Metrics::new();
    let registered: BTreeSet<_> =
        metrics.families().iter().flat_map(|family| family.labels).copied().collect();
    assert_eq!(labels, registered);
}

#[test]
fn what_is_rendered_is_what_is_registered() {
    let metrics = everything();
    let read = Exposition::read(&metrics.render()).unwrap();
    let mut missing: BTreeSet<_> = read.samples.iter().map(|sample| sample.name.clone()).collect();
    for family in metrics.families() {
        let suffixes: &[&str] = match family.kind {
            Kind::Counter | Kind::Gauge => &[""],
            Kind::Histogram => &["_bucket", "_sum", "_count"],
        };
        for suffix in suffixes {
            let name = format!("{}{suffix}", family.name);
            let sample = read.samples.iter().find(|sample| sample.name == name);
            let sample = sample.unwrap_or_else(|| panic!("nobody counts {name}"));
            let labels: BTreeSet<_> =
                sample.labels.keys().map(String::as_str).filter(|label| *label != "le").collect();
            assert_eq!(labels, family.labels.iter().copied().collect(), "{name}");
            missing.remove(&name);
        }
    }
    assert!(missing.is_empty(), "{missing:?} are not registered");
}

#[test]
fn what_is_counted_is_read_back() {
    let read = Exposition::read(&everything().render()).unwrap();
    let check = |name: &str, labels: &[(&str, &str)], expect: f64| {
        assert_eq!(read.sum(name, labels), Some(expect), "{name} {labels:?}");
    };
    let request = [("role", "api-gateway"), ("route", "unmatched"), ("method", "other"), ("status", "other")];
    check("ecs_http_requests_total", &request, 1.0);
    check("ecs_http_request_duration_seconds_bucket", &[("route", "unmatched"), ("le", "0.0025")], 0.0);
    check("ecs_http_request_duration_seconds_bucket", &[("route", "unmatched"), ("le", "0.005")], 1.0);
    check("ecs_http_requests_in_flight", &[("role", "api-gateway")], 0.0);
    check("ecs_http_requests_shed_total", &[("role", "api-gateway")], 1.0);
    check("ecs_bus_published_total", &[("subject", "transactions.topic"), ("result", "window_full")], 3.0);
    check("ecs_bus_published_total", &[("subject", "transactions.topic"), ("result", "ok")], 0.0);
    check("ecs_bus_delivered_total", &[], 7.0);
    check("ecs_bus_redelivered_total", &[], 2.0);
    check("ecs_bus_batch_events_sum", &[("stage", "delivered")], 7.0);
    check("ecs_bus_batch_events_sum", &[("stage", "published")], 5.0);
    check("ecs_bus_pending_events", &[], 9.0);
    check("ecs_bus_oldest_pending_age_seconds", &[], 1.5);
    check("ecs_store_query_duration_seconds_count", &[("query", "users.user"), ("outcome", "ok")], 1.0);
    check("ecs_store_replica_lag_seconds", &[("replica", "other")], 0.25);
    check("ecs_store_outbox_pending_events", &[], 4.0);
    check("ecs_cache_lookups_total", &[("level", "process"), ("result", "hit")], 1.0);
    check("ecs_breaker_state", &[("breaker", "bus")], 2.0);
    check("ecs_breaker_opened_total", &[("breaker", "bus")], 1.0);
    check("ecs_rate_limited_total", &[("class", "read"), ("subject", "user")], 1.0);
    check("ecs_model_in_charge", &[("seat", "financial"), ("place", "champion")], 1.0);
    check("ecs_model_in_charge", &[("version", "other")], 0.0);
    check("ecs_model_changes_total", &[("result", "refused")], 1.0);
    check("ecs_backtest_attempts_begun_total", &[], 1.0);
    check("ecs_backtest_decisions_total", &[], 200.0);
    for (le, expect) in [("30.0", 0.0), ("120.0", 1.0)] {
        check("ecs_backtest_attempt_duration_seconds_bucket", &[("outcome", "finished"), ("le", le)], expect);
    }
    check("ecs_watch_decisions_total", &[], 40.0);
    check("ecs_watch_psi", &[("version", "scorecard-1"), ("measure", "score")], 0.31);
    assert_eq!(read.sum("ecs_watch_psi", &[("version", "other")]), None, "it isn't known any more");
    check("ecs_watch_psi_critical", &[("measure", "score")], 0.02);
    check("ecs_watch_approval_ratio", &[("attribute", "age_band"), ("group", "65+")], 0.75);
    check("ecs_watch_lowest_impact", &[("attribute", "region")], 0.5);
    check("ecs_watch_adverse_groups", &[("attribute", "region")], 2.0);
    check("ecs_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1.0);
    assert!(read.sum("process_cpu_seconds_total", &[]).unwrap() > 0.0);
    assert!(read.sum("process_resident_memory_bytes", &[]).unwrap() > 1e6);
    assert!(read.sum("process_open_fds", &[]).unwrap() >= 3.0);
}

#[test]
fn whoever_left_is_not_in_flight_and_not_counted() {
    let metrics = Metrics::new();
    let endpoint = metrics.endpoint("operations", "/healthz");
    let request = endpoint.enter();
    let in_flight = || Exposition::read(&metrics.render()).unwrap().sum("ecs_http_requests_in_flight", &[]);
    assert_eq!(in_flight(), Some(1.0));
    drop(request);
    assert_eq!(in_flight(), Some(0.0));
    assert_eq!(Exposition::read(&metrics.render()).unwrap().sum("ecs_http_requests_total", &[]), None);
}

/// The expressions of the alarms speak of families that exist.
#[test]
fn alarms_ask_for_what_there_is() {
    let metrics = Metrics::new();
    let (_, alarms) = PAGE.split_once("## Alarms").unwrap();
    let mut asked = 0;
    for expression in alarms.lines().filter(|line| line.starts_with("| ")).flat_map(words) {
        let names = expression.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        for name in names.filter(|name| name.starts_with("ecs_")) {
            let known = |name: &str| metrics.families().iter().any(|family| family.name == name);
            let bucket = name.strip_suffix("_bucket");
            assert!(known(name) || bucket.is_some_and(known), "{name}");
            asked += 1;
        }
    }
    assert!(asked > 8, "only {asked} names were looked at");
}
