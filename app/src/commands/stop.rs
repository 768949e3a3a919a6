//! When to stop: the first signal drains, the second exits at once.

use tokio::signal::unix::{SignalKind, signal};

/// What the shell reports for a process that SIGINT ended.
const INTERRUPTED: i32 = 130;

/// Signals of this process.
pub(super) struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    /// Listens from now on, so that no signal is missed once this has returned.
    pub(super) fn listen() -> anyhow::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Waits for Ctrl-C or SIGTERM. Cancel safe.
    pub(super) async fn stop(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    /// From here on another signal ends the process at once.
    pub(super) fn exit_on_next(mut self) {
        tokio::spawn(async move {
            self.stop().await;
            tracing::warn!("told to stop twice: exiting at once");
            std::process::exit(INTERRUPTED);
        });
    }
}
