//! Counts and times the requests of a listener by their routes: by templates, never by the paths themselves, so that whoever
//! asks for paths at random adds nothing.

use std::sync::{Arc, OnceLock};

use ecs_metrics::{Endpoint, Metrics};

/// The route of a request whose path has no template here.
const UNMATCHED: &str = "unmatched";

/// What every listener answers besides its roles' routes.
const OWN: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// Counts the requests of a listener. A clone is the same one.
#[derive(Debug, Clone)]
pub struct Meter(Arc<Routes>);

#[derive(Debug)]
struct Routes {
    metrics: Metrics,
    known: Vec<Route>,
    unmatched: Route,
}

#[derive(Debug)]
struct Route {
    role: &'static str,
    template: &'static str,
    /// Made with the first request, so that a process shows only what it is asked for.
    endpoint: OnceLock<Endpoint>,
}

impl Meter {
    /// Over `routes`, each with the role that answers it here; the hottest come first. `role` is who answers otherwise.
    #[must_use]
    pub fn new(
        metrics: &Metrics,
        role: &'static str,
        routes: impl IntoIterator<Item = (&'static str, &'static str)>,
    ) -> Self {
        let route = |role, template| Route { role, template, endpoint: OnceLock::new() };
        let known = routes.into_iter().map(|(role, template)| route(role, template));
        let own = OWN.map(|template| route(role, template));
        let known = known.chain(own).collect();
        Self(Arc::new(Routes { metrics: metrics.clone(), known, unmatched: route(role, UNMATCHED) }))
    }

    /// The series of a path.
    pub(crate) fn endpoint(&self, path: &str) -> &Endpoint {
        let Routes { metrics, known, unmatched } = self.0.as_ref();
        let found = known.iter().find(|route| matches(route.template, path)).unwrap_or(unmatched);
        found.endpoint.get_or_init(|| metrics.endpoint(found.role, found.template))
    }
}

/// Whether `path` is one of a template's paths: a segment in braces stands for any one segment.
#[must_use]
pub fn matches(template: &str, path: &str) -> bool {
    if !template.contains('{') {
        return template == path;
    }
    let mut given = path.split('/');
    let fits = template.split('/').all(|wanted| match given.next() {
        Some(segment) if wanted.starts_with('{') => !segment.is_empty(),
        Some(segment) => segment == wanted,
        None => false,
    });
    fits && given.next().is_none()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_segment_in_braces_is_any_one_segment() {
        let check = |template: &str, path: &str, expect: bool| {
            assert_eq!(matches(template, path), expect, "{template} {path}");
        };
        check("/a/b", "/a/b", true);
        check("/a/b", "/a/b/", false);
        check("/a/b", "/a", false);
        check("/a/{id}", "/a/7", true);
        check("/a/{id}", "/a/{id}", true);
        check("/a/{id}", "/a/", false);
        check("/a/{id}", "/a/7/c", false);
        check("/a/{id}/c", "/a/7/c", true);
        check("/a/{id}/c", "/b/7/c", false);
        check("/a/{id}/c", "", false);
    }

    #[test]
    fn paths_are_counted_under_their_templates_and_the_rest_under_one_name() {
        let metrics = Metrics::new();
        let meter = Meter::new(&metrics, "edge", [("inner", "/a/{id}")]);
        for path in ["/a/1", "/a/2", "/b/1", "/b/2", "/", "/healthz"] {
            meter.endpoint(path).enter().answered("GET", 200, Duration::ZERO);
        }
        let text = metrics.render();
        let check = |role: &str, route: &str, count: u32| {
            let labels = format!("role=\"{role}\",route=\"{route}\",method=\"GET\",status=\"200\"");
            assert!(text.contains(&format!("ecs_http_requests_total{{{labels}}} {count}\n")), "{text}");
        };
        check("inner", "/a/{id}", 2);
        check("edge", "unmatched", 3);
        check("edge", "/healthz", 1);
        assert_eq!(text.matches("\necs_http_requests_total{").count(), 3, "{text}");
    }
}
