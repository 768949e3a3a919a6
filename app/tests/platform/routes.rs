//! Every row of the gateway's table leads to a route of the role that it names.

use ecs_api_gateway::{Access, ROUTES};
use ecs_domain::permission::Permission;

use crate::support::{INTERNAL_KEY, TestApp};

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
    let bearer = format!("Bearer {}", app.token(somebody, &Permission::ALL));
    for route in ROUTES {
        let credentials: &[(&str, &str)] = match route.access {
            Access::Public => &[],
            Access::Token => &[("authorization", &bearer)],
            Access::InternalKey => &[("x-internal-key", INTERNAL_KEY)],
        };
        for method in route.methods {
            let path = filled(route.path);
            let answer = app.http.send(method.as_str(), &path, credentials, "").await;
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
async fn no_row_is_open_to_strangers_but_the_two_that_make_them_known() {
    let app = TestApp::start().await;
    let public = ["/v1/auth/register", "/v1/auth/login"];
    for route in ROUTES {
        for method in route.methods {
            let answer = app.http.send(method.as_str(), &filled(route.path), &[], "").await;
            let expect = if public.contains(&route.path) { 415 } else { 401 };
            answer.expect_problem(expect, &[]);
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
