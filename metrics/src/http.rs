//! Requests: how many, how long, how many at once, how many refused.

use std::array;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;

use crate::Metrics;
use crate::families::{Count, Families, Series};

/// What a status or method is called that isn't among those that the platform knows.
const OTHER: &str = "other";

const METHODS: [&str; 7] = ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"];

/// The statuses that the platform answers with, and those that a library in between may.
const STATUSES: [(u16, &str); 26] = [
    (202, "202"),
    (200, "200"),
    (201, "201"),
    (204, "204"),
    (304, "304"),
    (400, "400"),
    (401, "401"),
    (403, "403"),
    (404, "404"),
    (405, "405"),
    (406, "406"),
    (408, "408"),
    (409, "409"),
    (410, "410"),
    (411, "411"),
    (412, "412"),
    (413, "413"),
    (414, "414"),
    (415, "415"),
    (422, "422"),
    (429, "429"),
    (431, "431"),
    (500, "500"),
    (502, "502"),
    (503, "503"),
    (504, "504"),
];

pub(crate) struct Http {
    requests: Series<4, Counter>,
    duration: Series<2, Histogram>,
    in_flight: Series<1, Count>,
    shed: Series<1, Counter>,
}

impl Http {
    pub(crate) fn register(families: &mut Families) -> Self {
        Self {
            requests: families.counter(
                "ecs_http_requests_total",
                &["role", "route", "method", "status"],
                "Requests that were answered",
            ),
            duration: families.durations(
                "ecs_http_request_duration_seconds",
                &["role", "route"],
                "From a request's head to its answer's; a stream's body is not waited for",
            ),
            in_flight: families.gauge(
                "ecs_http_requests_in_flight",
                &["role"],
                "Requests whose answer has not begun",
            ),
            shed: families.counter(
                "ecs_http_requests_shed_total",
                &["role"],
                "Requests refused at once, because too many were in flight",
            ),
        }
    }
}

impl Metrics {
    /// The handle for the requests of one route. `role` is who answers here, `route` the path's template.
    #[must_use]
    pub fn endpoint(&self, role: &'static str, route: &'static str) -> Endpoint {
        Endpoint(Arc::new(Route {
            metrics: self.clone(),
            role,
            route,
            duration: self.0.http.duration.of([role, route]),
            in_flight: self.0.http.in_flight.of([role]),
            requests: array::from_fn(|_| OnceLock::new()),
        }))
    }
}

/// The requests of one route. Cheap to clone, and cheap to count with: it looks each series up once.
#[derive(Debug, Clone)]
pub struct Endpoint(Arc<Route>);

#[derive(Debug)]
struct Route {
    metrics: Metrics,
    role: &'static str,
    route: &'static str,
    duration: Histogram,
    in_flight: Count,
    /// By method; those beyond the list come last.
    requests: [OnceLock<ByStatus>; METHODS.len() + 1],
}

type ByStatus = Box<[OnceLock<Counter>; STATUSES.len() + 1]>;

impl Endpoint {
    /// A request has come. It is in flight until what is returned is dropped.
    #[must_use]
    pub fn enter(&self) -> InFlight {
        self.0.in_flight.inc();
        InFlight(Arc::clone(&self.0))
    }

    /// A request was refused at once. It is counted as answered, too.
    pub fn shed(&self) {
        self.0.metrics.0.http.shed.of([self.0.role]).inc();
    }
}

/// A request whose answer has not begun. Dropping it without an answer (the client has gone) counts nothing.
#[derive(Debug)]
pub struct InFlight(Arc<Route>);

impl InFlight {
    /// Its answer has begun.
    pub fn answered(self, method: &str, status: u16, took: Duration) {
        let route = &self.0;
        let (method, method_name) = place(&METHODS.map(|name| (name, name)), &method);
        let (status, status_name) = place(&STATUSES, &status);
        let by_status = route
            .requests
            .get(method)
            .map(|by_status| by_status.get_or_init(|| Box::new(array::from_fn(|_| OnceLock::new()))));
        if let Some(counter) = by_status.and_then(|by_status| by_status.get(status)) {
            let labels = [route.role, route.route, method_name, status_name];
            counter.get_or_init(|| route.metrics.0.http.requests.of(labels)).inc();
        }
        route.duration.observe(took.as_secs_f64());
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.dec();
    }
}

/// Where something stands in a list, and its name; behind the end when it isn't there.
fn place<T: PartialEq>(list: &[(T, &'static str)], wanted: &T) -> (usize, &'static str) {
    list.iter()
        .enumerate()
        .find(|(_, (listed, _))| listed == wanted)
        .map_or((list.len(), OTHER), |(at, (_, name))| (at, *name))
}
