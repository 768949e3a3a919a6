//! `ecs admin` and `ecs keys`

use std::path::PathBuf;

use clap::{Args, Subcommand};
use ecs_domain::permission::Permission;
use ecs_domain::{Timestamp, UserId};

/// What to do about admins.
#[derive(Debug, Subcommand)]
pub enum AdminCommand {
    /// Register an account, or take one, and let it do everything
    Create(AdminArgs),
}

/// `ecs admin create`
#[derive(Debug, Args)]
pub struct AdminArgs {
    /// Who.
    #[command(flatten)]
    pub who: WhoArgs,
    /// Where the new account's password is read from, - for the standard input [default: one is made, and shown once]
    #[arg(long, value_name = "FILE", requires = "email")]
    pub password_file: Option<PathBuf>,
}

/// Exactly one of the two.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct WhoArgs {
    /// The address of a new account
    #[arg(long, value_name = "ADDRESS")]
    pub email: Option<String>,
    /// The id of an account that is there
    #[arg(long, value_name = "ID")]
    pub user: Option<UserId>,
}

/// What to do about keys.
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Make one, show it once, and print the entry for ECS_SERVICE_KEYS_FILE
    New(NewKeyArgs),
}

/// `ecs keys new`
#[derive(Debug, Args)]
pub struct NewKeyArgs {
    /// Whose key it is
    pub name: String,
    /// What it may be used for: emotions:write-any, model:score or access:follow; repeat it for several
    #[arg(long = "may", value_name = "PERMISSION", required = true, value_parser = permission)]
    pub permissions: Vec<Permission>,
    /// Until when it holds, such as 2027-11-20T00:00:00Z [default: until its entry goes]
    #[arg(long, value_name = "TIME")]
    pub until: Option<Timestamp>,
}

fn permission(name: &str) -> Result<Permission, String> {
    let known = ecs_web::auth::service_keys::PERMISSIONS;
    let found = known.into_iter().find(|permission| permission.as_str() == name);
    found.ok_or_else(|| format!("keys are asked for {}", known.map(Permission::as_str).join(", ")))
}
