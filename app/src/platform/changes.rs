//! Follows the list of changed rights, from the store where this process has it, else from user-and-credit.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use async_trait::async_trait;
use ecs_domain::Clock;
use ecs_store::RightsOfUsers;
use ecs_user_and_credit::told;
use ecs_web::auth::changes::{ListOfChanges, Told};
use ecs_web::handles::changes::HttpChanges;
use ecs_web::handles::{Remote, RemoteOptions};
use ecs_work::{OnFailure, OnStop};

use super::compose::Process;
use super::needs::Uses;
use crate::role::Role;

/// How its breaker is in metrics. It isn't the one of other calls: what follows asks anew every second, and nothing that needs to know
/// what holds is answered meanwhile.
const NAME: &str = "list-of-changes";
const OPEN_FOR: Duration = Duration::from_secs(1);

/// Starts to follow, if a role here asks who bears a token.
pub(super) fn follow(process: &Process<'_>, options: RemoteOptions) -> anyhow::Result<()> {
    if !process.settings.roles.iter().any(Role::reads_tokens) {
        return Ok(());
    }
    let list: Arc<dyn ListOfChanges> = if Uses::of(&process.settings.roles).store {
        let store = Arc::clone(process.storage.store()?) as _;
        Arc::new(Kept { store, clock: Arc::clone(process.clock) })
    } else {
        let mut options = options;
        options.breaker.open_for = OPEN_FOR;
        let remote = Remote::new(NAME, process.settings.services.of(Role::UserAndCredit), options);
        let remote = remote.context("the list of changed rights can't be had at USER_CREDIT_SERVICE_URL")?;
        Arc::new(HttpChanges::new(remote, process.auth.keys.shown().clone()))
    };
    let following = Arc::clone(&process.auth.changes).follow(list, process.supervisor.token());
    let following = async {
        following.await;
        Ok::<(), std::convert::Infallible>(())
    };
    process.supervisor.spawn("changes", OnFailure::StopProcess, OnStop::Wait, following);
    Ok(())
}

/// The list in the store.
struct Kept {
    store: Arc<dyn RightsOfUsers>,
    clock: Arc<dyn Clock>,
}

#[async_trait]
impl ListOfChanges for Kept {
    async fn after(&self, number: Option<u64>) -> Result<Told, String> {
        told(self.store.as_ref(), number, self.clock.now()).await.map_err(|error| error.to_string())
    }
}
