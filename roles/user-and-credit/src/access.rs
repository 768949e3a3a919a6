//! `/v1/users/{user_id}/access` and `/v1/roles`: what users may do beyond their own affairs, and who says so.

use axum::Json;
use axum::extract::State as Extract;
use ecs_domain::permission::held::{AccessRead, AccessWrite};
use ecs_domain::permission::{Access, Permission, Refusal, Role};
use ecs_domain::{UserId, Violations};
use ecs_store::{Rights, RightsChange, RightsChanged};
use ecs_web::auth::policy::{Bearer, Holding, Own};
use ecs_web::openapi::{Id, UserPath, tag};
use ecs_web::params::PathParams;
use ecs_web::{JsonBody, Problem};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::problems;
use crate::state::State;

/// What a user may do beyond their own affairs.
#[derive(Serialize, ToSchema)]
#[schema(as = Access, examples(json!({
    "user_id": "0198c1f2-7c3a-7d51-9e0b-5f6a7b8c9d0e", "roles": ["credit-officer"], "permissions": ["operations:read"],
    "held": ["users:read-any", "credit:write-any", "operations:read"]
})))]
pub(crate) struct AccessView {
    /// Whose access it is.
    #[schema(value_type = Id)]
    user_id: UserId,
    /// Named sets that were granted; that of customers everybody has, and it is not listed.
    roles: Vec<&'static str>,
    /// Single permissions that were granted.
    permissions: Vec<&'static str>,
    /// What all of it permits.
    held: Vec<&'static str>,
}

/// What a user shall be allowed to do. Each list replaces the one that was.
#[derive(Deserialize, ToSchema)]
#[schema(as = AccessChange, examples(json!({"roles": ["credit-officer"], "permissions": []})))]
pub(crate) struct Wanted {
    /// Names of roles.
    #[schema(value_type = Vec<String>)]
    roles: Option<Vec<String>>,
    /// Names of permissions.
    #[schema(value_type = Vec<String>)]
    permissions: Option<Vec<String>>,
}

/// The roles there are.
#[derive(Serialize, ToSchema)]
#[schema(examples(json!({"roles": [{"name": "operator", "permissions": ["operations:read"]}]})))]
pub(crate) struct Roles {
    /// In the order of their names' ranks.
    roles: Vec<RoleView>,
}

/// A named set of permissions.
#[derive(Serialize, ToSchema)]
#[schema(as = Role)]
struct RoleView {
    /// Its name.
    name: &'static str,
    /// What it permits.
    permissions: Vec<&'static str>,
}

impl AccessView {
    fn new(user_id: UserId, access: &Access) -> Self {
        let names = |permissions: &mut dyn Iterator<Item = &Permission>| {
            permissions.map(|permission| permission.as_str()).collect()
        };
        Self {
            user_id,
            roles: access.roles.iter().map(|role| role.as_str()).collect(),
            permissions: names(&mut access.permissions.iter()),
            held: names(&mut access.held().iter()),
        }
    }
}

impl Wanted {
    fn read(self) -> Result<Access, Violations> {
        let mut violations = Violations::none();
        let roles = violations.require("roles", self.roles).unwrap_or_default();
        let permissions = violations.require("permissions", self.permissions).unwrap_or_default();
        let roles = known::<Role>(&mut violations, "roles", &roles, "must be a role");
        let permissions =
            known::<Permission>(&mut violations, "permissions", &permissions, "must be a permission");
        if violations.is_empty() { Ok(Access::of(roles, permissions)) } else { Err(violations) }
    }
}

fn known<T: std::str::FromStr>(
    violations: &mut Violations,
    list: &str,
    names: &[String],
    message: &'static str,
) -> Vec<T> {
    let mut read = Vec::new();
    for (at, name) in names.iter().enumerate() {
        match name.parse() {
            Ok(name) => read.push(name),
            Err(_) => violations.push(format!("{list}[{at}]"), message),
        }
    }
    read
}

/// Read what a user may do
///
/// Users read their own; those with `access:read` read everybody's.
#[utoipa::path(
    get, path = "/v1/users/{user_id}/access", operation_id = "readAccess", tag = tag::ACCESS, params(UserPath),
    responses(
        (status = OK, description = "What the user may do.", body = AccessView),
        (status = NOT_FOUND, description = "there is no such user"),
    ),
)]
pub(crate) async fn show(
    Own { user, .. }: Own<AccessRead>,
    Extract(state): Extract<State>,
) -> Result<Json<AccessView>, Problem> {
    let rights = state.store.rights(user).await.map_err(problems::of_store)?;
    let Rights { access, .. } = rights.ok_or_else(problems::unknown_user)?;
    Ok(Json(AccessView::new(user, &access)))
}

/// Change what a user may do
///
/// Nobody grants or takes what they don't hold themselves, and the last admin stays. It takes effect everywhere within five seconds:
/// tokens that were given out before hold no more, and a refreshed session has the new permissions.
#[utoipa::path(
    put, path = "/v1/users/{user_id}/access", operation_id = "changeAccess", tag = tag::ACCESS, params(UserPath),
    request_body = Wanted,
    responses(
        (status = OK, description = "What the user may do from now on.", body = AccessView),
        (status = FORBIDDEN, description = "nobody grants or takes what they don't hold: operations:write"),
        (status = NOT_FOUND, description = "there is no such user"),
        (status = CONFLICT, description = "the last admin stays"),
    ),
)]
pub(crate) async fn change(
    Holding { identity, .. }: Holding<AccessWrite>,
    path: PathParams,
    Extract(state): Extract<State>,
    JsonBody(body): JsonBody<Wanted>,
) -> Result<Json<AccessView>, Problem> {
    let user: UserId = path.id("user_id")?;
    let (access, now) = (body.read()?, state.now());
    let change = RightsChange { user, access, granter: identity.user, held: identity.permissions, now };
    let changed = state.store.change_rights(change).await.map_err(problems::of_store)?;
    state.auth.changes.hurry();
    match changed {
        RightsChanged::Done { rights, before } => {
            let names = |access: &Access| access.held().iter().map(ToString::to_string).collect::<Vec<_>>();
            let (before, after) = (names(&before).join(","), names(&rights.access).join(","));
            tracing::info!(user_id = %user, granter_id = %identity.user, before, after, "access changed");
            Ok(Json(AccessView::new(user, &rights.access)))
        }
        RightsChanged::Refused(refusal @ Refusal::NotHeld(_)) => Err(Problem::forbidden(refusal.to_string())),
        RightsChanged::Refused(refusal @ Refusal::LastAdmin) => Err(Problem::conflict(refusal.to_string())),
        RightsChanged::Unknown => Err(problems::unknown_user()),
    }
}

/// List the roles
///
/// Each with what it permits.
#[utoipa::path(
    get, path = "/v1/roles", operation_id = "listRoles", tag = tag::ACCESS,
    responses((status = OK, description = "The roles.", body = Roles)),
)]
pub(crate) async fn roles(_: Bearer) -> Json<Roles> {
    let view = |role: Role| RoleView {
        name: role.as_str(),
        permissions: role.permissions().iter().map(|permission| permission.as_str()).collect(),
    };
    Json(Roles { roles: Role::ALL.into_iter().map(view).collect() })
}
