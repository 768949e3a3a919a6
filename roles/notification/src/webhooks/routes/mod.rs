//! `/v1/users/{user_id}/webhooks`: where a user has notifications sent to, and what became of them.
//!
//! Users set webhooks up in person, whatever another's token may do otherwise: who names an address reads what goes there.

mod change;
mod deliveries;
mod endpoints;
mod shapes;

use std::borrow::Cow;

use ecs_domain::permission::Permission;
use ecs_domain::{UserId, Violation, WebhookId};
use ecs_store::WebhookAddress;
use ecs_web::openapi::{OpenApiRouter, routes};
use ecs_web::params::PathParams;
use ecs_web::{Identity, Problem};

use super::Hooks;
use super::guard::Reach;
use super::target::Target;

/// How many webhooks a user may have.
const MOST: usize = 5;

/// The calls.
pub(crate) fn api() -> OpenApiRouter<Hooks> {
    OpenApiRouter::default()
        .routes(routes!(endpoints::list, endpoints::add))
        .routes(routes!(endpoints::show, change::change, endpoints::remove))
        .routes(routes!(change::rotate))
        .routes(routes!(deliveries::list))
        .routes(routes!(deliveries::resend))
}

/// The user in the path, whose webhooks the bearer may look at.
fn read_of(identity: &Identity, path: &PathParams) -> Result<UserId, Problem> {
    let user = path.id("user_id")?;
    identity.require_user(user, Permission::UsersReadAny)?;
    Ok(user)
}

/// The user in the path, who is the bearer.
fn own_of(identity: &Identity, path: &PathParams) -> Result<UserId, Problem> {
    let user = path.id("user_id")?;
    if identity.user != user {
        return Err(Problem::forbidden("webhooks are set up in person"));
    }
    Ok(user)
}

fn webhook_of(path: &PathParams) -> Result<WebhookId, Problem> {
    path.id("webhook_id")
}

fn unknown() -> Problem {
    Problem::not_found("there is no such webhook of this user")
}

/// The address as it is kept; 422 with its path when nothing may be sent there.
fn address(url: Option<&str>, reach: Reach) -> Result<WebhookAddress, Problem> {
    let target = url.ok_or(Cow::Borrowed("is required")).and_then(|url| Target::parse(url, reach));
    let target = target.map_err(|message| Problem::invalid(Violation::new("url", message)))?;
    Ok(WebhookAddress { url: target.as_str().to_owned(), host: target.authority() })
}
