//! Every row of the gateway's table leads to a route of the role that it names.

use ecs_api_gateway::{Access, ROUTES, Target};
use ecs_domain::permission::Permission;

use crate::support::{INTERNAL_KEY, TestApp};

/// The stream refuses this; without it, its answer would have no end.
const NO_STREAM: (&str, &str) = ("last-event-id", "none");

/// A path of the row, with ids that nobody has.
fn filled(path: &str) -> String {
    let fill = |segment: &str| match segment {
        "{purpose}" => "emotion-analysis".to_owned(),
        id if id.starts_with('{') => uuid::Uuid::from_u128(7).to_string(),
        other => other.to_owned(),
    };
    path.split('/').map(fill).collect::<Vec<_>>().join("/")
}

#[tokio::test]
async fn every_row_of_the_gateway_reaches_its_role() {
    let app = TestApp::start().await;
    let somebody = ecs_domain::UserId::new(uuid::Uuid::from_u128(7));
    let bearer = format!("Bearer {}", app.token(somebody, Permission::ALL));
    for route in ROUTES {
        let credentials: &[(&str, &str)] = match route.access {
            Access::Public => &[],
            Access::Token | Access::TokenAsLastKnown => &[("authorization", &bearer)],
            Access::Key(_) => &[("x-internal-key", INTERNAL_KEY)],
        };
        let headers = &[credentials, &[NO_STREAM]].concat();
        for method in route.methods {
            let path = filled(route.path);
            let answer = app.http.send(method.as_str(), &path, headers, "").await;
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            let status = answer.status.as_u16();
            // Nobody has this id and the body is empty, so most answers are refusals: of the role, not of a router.
            assert!(status < 500 && ![401, 403, 405].contains(&status), "{method} {path}: {status} {text}");
            assert!(!text.contains("no such path"), "{method} {path}: {text}");
        }
    }
    app.stop().await;
}

#[tokio::test]
async fn no_row_is_open_to_strangers_but_those_that_make_them_known_and_the_documentation() {
    let app = TestApp::start().await;
    let public = ["/v1/auth/register", "/v1/auth/login", "/v1/auth/refresh", "/v1/auth/logout"];
    let others = ROUTES.iter().filter(|route| route.target != Target::Documentation);
    for route in others {
        for method in route.methods {
            let answer = app.http.send(method.as_str(), &filled(route.path), &[], "").await;
            let expect = match route.path {
                path if public.contains(&path) => 415,
                // A receipt takes the place of a token, and nobody has this one.
                "/v1/erasures/{receipt}" => 404,
                _ => 401,
            };
            answer.expect_problem(expect, &[]);
        }
    }
    app.stop().await;
}

#[tokio::test]
async fn no_body_on_any_route_gets_more_than_a_documented_problem() {
    let app = TestApp::start().await;
    let ana = app.person("ana").await;
    let bearer = format!("Bearer {}", app.token(ana.id, Permission::ALL));
    let endless = format!("{{\"userId\": {}}}", "9".repeat(400));
    let deep = format!("{}{}", "[".repeat(500), "]".repeat(500));
    let deep_field = format!("{{\"email\": {deep}, \"userId\": {deep}, \"keys\": {deep}}}");
    let bodies: [&[u8]; 16] = [
        b"",
        b"{",
        b"[]",
        b"{}",
        b"null",
        b"true",
        b"-0",
        b"\"\\ud800\"",
        b"{\"email\": \"\\u0000\", \"password\": \"\\ud834\\udd1e\"}",
        b"{\"userId\": null, \"keys\": null, \"ledger\": null}",
        b"\xff\xfe{\0}\0",
        b"\xef\xbb\xbf{}",
        b"{\"\": {\"\": [{}]}}",
        endless.as_bytes(),
        deep.as_bytes(),
        deep_field.as_bytes(),
    ];
    for route in ROUTES {
        for content_type in
            ["application/json", "application/x-ndjson", "multipart/form-data; boundary=x", ";"]
        {
            for body in bodies {
                let headers = [
                    ("authorization", bearer.as_str()),
                    ("x-internal-key", INTERNAL_KEY),
                    ("content-type", content_type),
                    NO_STREAM,
                ];
                let (method, path) = (route.methods[0].as_str(), filled(route.path));
                let answer = app.http.send(method, &path, &headers, body.to_vec()).await;
                let status = answer.status.as_u16();
                let shown = String::from_utf8_lossy(body);
                assert!(status < 500, "{method} {path} {content_type} {shown:.80}: {answer:?}");
                if status >= 400 {
                    assert_eq!(answer.headers["content-type"], "application/problem+json", "{answer:?}");
                    assert_eq!(answer.json()["status"], status, "{answer:?}");
                    assert_eq!(answer.json()["requestId"], answer.headers["x-request-id"].to_str().unwrap());
                }
            }
        }
    }
    app.stop().await;
}

#[test]
fn every_row_is_documented() {
    let contract = include_str!("../../../docs/http.md");
    for route in ROUTES {
        let path = route.path.replace("{purpose}", "emotion-analysis");
        // `counted` has a question mark behind it, `offers` in a table a page.
        let stands = |end: char| contract.contains(&format!(" {path}{end}"));
        let stands = ['`', '?'].into_iter().any(stands);
        assert!(stands, "docs/http.md does not speak of {path}");
        for method in route.methods {
            assert!(
                contract.contains(&format!("`{method}")),
                "docs/http.md does not speak of {method} {path}"
            );
        }
    }
}

#[test]
fn every_kind_of_problem_is_documented_with_its_status() {
    let contract = include_str!("../../../docs/http.md");
    for code in ecs_web::problem::Code::ALL {
        let (kind, _) = code.name();
        let (name, status) = (kind.rsplit(':').next().unwrap(), code.status().as_u16());
        let row = contract.lines().find(|line| line.starts_with("| ") && line.contains(&format!("`{name}`")));
        assert!(row.is_some_and(|row| row.starts_with(&format!("| {status} |"))), "{status} {name}: {row:?}");
    }
}
