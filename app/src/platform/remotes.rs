//! The roles of other processes, each as one: whoever calls a role shares its breakers, connections and budget with all others
//! who call it from here.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context as _;
use ecs_tls::ClientConfig;
use ecs_web::handles::{Remote, RemoteOptions};

use crate::role::Role;
use crate::settings::{Services, Settings};

/// Those that somebody here calls.
pub(super) struct Remotes<'a> {
    services: &'a Services,
    options: RemoteOptions,
    made: RefCell<BTreeMap<Role, Remote>>,
}

/// How roles are called over TLS, if one of them is. Looking for the system's roots takes a moment, so who needs none has none.
pub(super) fn tls(settings: &Settings) -> anyhow::Result<Option<Arc<ClientConfig>>> {
    if !settings.services.is_any_encrypted() {
        return Ok(None);
    }
    let config = settings.tls.roots().and_then(|roots| roots.client_config());
    Ok(Some(Arc::new(config.context("roles at https:// addresses can't be called")?)))
}

impl<'a> Remotes<'a> {
    /// None yet. They will be called where `services` says, as `options` say.
    pub(super) fn new(services: &'a Services, options: RemoteOptions) -> Self {
        Self { services, options, made: RefCell::default() }
    }

    /// The role as its callers hold it. The settings have refused a split that doesn't say where the role is.
    pub(super) fn of(&self, role: Role) -> anyhow::Result<Remote> {
        let mut made = self.made.borrow_mut();
        if let Some(remote) = made.get(&role) {
            return Ok(remote.clone());
        }
        let remote = Remote::new(role.as_str(), self.services.of(role), self.options.clone());
        let remote = remote.with_context(|| {
            format!("{role} can't be called at {}", role.service_setting().unwrap_or_default())
        })?;
        made.insert(role, remote.clone());
        Ok(remote)
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::extract::Request;
    use ecs_metrics::Metrics;
    use ecs_web::handles::Upstream;
    use tokio_util::sync::CancellationToken;

    use super::*;

    #[tokio::test]
    async fn what_one_caller_finds_out_every_caller_knows() {
        let nobody = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap();
        let services = Services::naming(Role::CreditAnalysis, &format!("http://{nobody}"));
        let remotes = Remotes::new(&services, RemoteOptions::new(Metrics::new(), CancellationToken::new()));
        let [one, other] = [(); 2].map(|()| remotes.of(Role::CreditAnalysis).unwrap());
        assert!(format!("{other:?}").contains("state: Closed"), "{other:?}");
        let one = Upstream::over_http(one);
        for _ in 0..5 {
            let answer = one.forward(Request::get("/").body(Body::empty()).unwrap()).await;
            assert_eq!(answer.status(), 503);
        }
        assert!(format!("{other:?}").contains("state: Open"), "{other:?}");
        assert!(remotes.of(Role::Notification).is_err(), "nobody has named it");
    }
}
