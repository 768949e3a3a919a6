//! A tap on the shoulder within a process.

use std::sync::Arc;

use tokio::sync::Notify;

/// Tells a task that something waits for it. Cheap to clone; every clone wakes the same task. A wake that comes while
/// nobody waits is kept, and several of them are one.
#[derive(Debug, Clone, Default)]
pub struct Wake(Arc<Notify>);

impl Wake {
    /// A wake that nobody waits for yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Wakes the task that waits, or the next one that will.
    pub fn wake(&self) {
        self.0.notify_one();
    }

    /// Waits until somebody wakes. Cancel safe.
    pub async fn woken(&self) {
        self.0.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_wake_that_comes_early_is_kept() {
        let wake = Wake::new();
        wake.clone().wake();
        wake.woken().await;
    }
}
