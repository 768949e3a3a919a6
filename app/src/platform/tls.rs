//! The listener's certificate: read before anything starts, and looked after while the platform serves.

use std::convert::Infallible;
use std::time::Duration;

use anyhow::Context as _;
use ecs_tls::{Certificate, Follower};
use ecs_web::server::{Acceptor, Listener};
use ecs_work::{OnFailure, OnStop, Supervisor};
use tokio::net::TcpListener;

use crate::settings::Tls;

/// How often the files of the certificate are looked at. A new one is in use after two looks.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// What a listener needs to speak TLS, if it shall.
pub(super) struct Ready(Option<(Acceptor, Follower)>);

/// Reads the files that the settings name, so that a wrong one ends the start with its name.
pub(super) fn ready(tls: &Tls) -> anyhow::Result<Ready> {
    if tls.roots.is_some() {
        tls.roots().context("ECS_TLS_ROOTS")?;
    }
    let Some(files) = tls.listener.clone() else { return Ok(Ready(None)) };
    let (certificate, follower) = Certificate::read(files).context("ECS_TLS_CERTIFICATE and ECS_TLS_KEY")?;
    Ok(Ready(Some((Acceptor::new(&certificate)?, follower))))
}

impl Ready {
    /// The listener, whose certificate is looked after from now on.
    pub(super) fn listener(self, tcp: TcpListener, supervisor: &Supervisor) -> Listener {
        let Some((acceptor, follower)) = self.0 else { return Listener::from(tcp) };
        let following = async move {
            follower.follow(LOOK_EVERY).await;
            Ok::<(), Infallible>(())
        };
        supervisor.spawn("certificate", OnFailure::Log, OnStop::Abort, following);
        Listener::new(tcp, Some(acceptor))
    }
}
