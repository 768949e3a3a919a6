//! `/v1/users/{user_id}/webhooks`: where a user has notifications sent to, and what became of them.
//!
//! Users set webhooks up in person, whatever another's token may do otherwise: who names an address reads what goes there.

mod change;
mod deliveries;
mod endpoints;
mod shapes;

use std::borrow::Cow;

use ecs_domain::{Violation, WebhookId};
use ecs_store::WebhookAddress;
use ecs_web::openapi::OpenApiRouter;
use ecs_web::params::PathParams;
use ecs_web::{PolicedRoutes as _, Problem, policed};

use super::Hooks;
use super::guard::Guard;
use super::target::Target;

/// How many webhooks a user may have.
const MOST: usize = 5;

/// The calls.
pub(crate) fn api() -> OpenApiRouter<Hooks> {
    OpenApiRouter::default()
        .policed(policed!(endpoints::list))
        .policed(policed!(endpoints::add))
        .policed(policed!(endpoints::show))
        .policed(policed!(change::change))
        .policed(policed!(endpoints::remove))
        .policed(policed!(change::rotate))
        .policed(policed!(deliveries::list))
        .policed(policed!(deliveries::resend))
}

fn webhook_of(path: &PathParams) -> Result<WebhookId, Problem> {
    path.id("webhook_id")
}

fn unknown() -> Problem {
    Problem::not_found("there is no such webhook of this user")
}

/// The address as it is kept; 422 with its path when nothing may be sent there.
fn address(url: Option<&str>, guard: &Guard) -> Result<WebhookAddress, Problem> {
    let target = url.ok_or(Cow::Borrowed("is required")).and_then(|url| Target::parse(url, guard));
    let target = target.map_err(|message| Problem::invalid(Violation::new("url", message)))?;
    Ok(WebhookAddress { url: target.as_str().to_owned(), host: target.authority() })
}
