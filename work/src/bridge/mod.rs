//! Copying subjects from one bus to another, with the ids, keys and headers of their events.
//!
//! The bridge is a group of its own on the bus that it copies from, which therefore keeps how far it came: it goes on where it
//! was stopped or killed, and several share the work. It settles there only what the other bus has made durable. So nothing is
//! lost, and what is copied twice has one effect, for whoever consumes goes by the events' ids. It holds no more than one window of
//! events of each subject at a time. Events of people who were erased are not copied.

mod check;
mod lane;
mod payloads;
mod progress;

use std::sync::Arc;
use std::time::Duration;

use ecs_bus::{Bus, BusError, Group, Subject};
use ecs_domain::Clock;
use ecs_vault::Keyring;
use futures::future::try_join_all;
use tokio_util::sync::CancellationToken;

use self::lane::Lane;
use crate::retention;
pub use progress::{Progress, Refusal, SubjectProgress};

/// The group of a bridge that copies everything, unless it has another name.
pub const GROUP: Group = Group("bridge");
/// The group of a bridge that fills an archive, unless it has another name.
pub const ARCHIVE_GROUP: Group = Group("archive");

/// What is copied, and until when.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The subjects to copy.
    pub subjects: Vec<Subject>,
    /// Which of their events.
    pub copies: Copies,
    /// Whether to go on with what comes, until told to stop. If not, the bridge ends when it has copied what was there at its
    /// start.
    pub follow: bool,
    /// For how long the other bus keeps what is copied, if nobody else sees to that: it is an archive.
    pub archive: Option<Duration>,
}

/// Which events of a subject are copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Copies {
    /// All that the bus keeps and this group has not settled. Two bridges from one bus to different ones are two groups.
    Everything(Group),
    /// What the platform's own group has not settled: they are taken over from it. For a transport that keeps nothing else.
    Unsettled,
}

impl Copies {
    /// The group whose progress on `subject` counts.
    #[must_use]
    pub fn group(self, subject: Subject) -> Group {
        match self {
            Self::Everything(group) => group,
            Self::Unsettled => subject.group(),
        }
    }
}

/// Why nothing, or nothing more, is copied. What was copied before stays copied, and settled.
#[derive(Debug, thiserror::Error)]
pub enum BridgeError {
    /// The bus to copy from lacks something.
    #[error("it can't be copied from this bus: {0}{hint}", hint = unsettled_hint(.0))]
    From(#[source] BusError),
    /// The bus to copy to lacks something.
    #[error("it can't be copied to this bus: {0}")]
    To(#[source] BusError),
    /// Both are the same.
    #[error("both addresses lead to the same bus: what is copied would come round and round")]
    SameBus,
    /// What goes into an archive goes there sealed.
    #[error("an archive is filled with the keys of the vault, and none is found here (ECS_VAULT_URL)")]
    NoKeys,
    /// What somebody feels is not kept for long.
    #[error("{} does not go into an archive: what people feel is kept for some days only", Subject::Emotions)]
    EmotionsInArchive,
}

fn unsettled_hint(error: &BusError) -> &'static str {
    match error {
        BusError::Unsupported { .. } => {
            "; a new group gets from it only what comes from now on. What the platform's own groups have not settled can be \
             taken over (--unsettled)"
        }
        BusError::Unavailable(_) | BusError::Closed | BusError::Corrupt(_) => "",
    }
}

/// A bridge between two buses. Both stay open when it ends.
pub struct Bridge {
    /// Where events come from.
    pub from: Arc<dyn Bus>,
    /// Where they go.
    pub to: Arc<dyn Bus>,
    /// What is to be done.
    pub plan: Plan,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Tells whose events are left out, because they were erased, and seals what goes into an archive.
    pub keyring: Option<Keyring>,
}

impl Bridge {
    /// Copies until the plan's end or until `stop` is cancelled: then what is in hand is finished, and nothing is lost. Outages of
    /// either side are waited for. `progress` must be about the plan's subjects.
    ///
    /// # Errors
    /// Something is missing for good.
    pub async fn run(&self, progress: &Progress, stop: &CancellationToken) -> Result<(), BridgeError> {
        check::run(self).await?;
        let lanes = progress.subjects().map(|of| Lane::new(self, of, stop).run());
        let copying = async {
            try_join_all(lanes).await.map_err(BridgeError::From)?;
            self.forget().await
        };
        match self.plan.archive {
            Some(_) => {
                tokio::select! {
                    done = copying => done,
                    failed = self.keep_forgetting() => failed,
                }
            }
            None => copying.await,
        }
    }

    /// An archive has no platform that would see to its retention.
    async fn keep_forgetting(&self) -> Result<(), BridgeError> {
        loop {
            self.forget().await?;
            tokio::time::sleep(retention::SWEEP).await;
        }
    }

    async fn forget(&self) -> Result<(), BridgeError> {
        let Some(keep) = self.plan.archive else { return Ok(()) };
        let before = retention::before(self.clock.now(), keep);
        for subject in &self.plan.subjects {
            match retention::sweep_bus(self.to.as_ref(), *subject, before).await {
                Ok(()) => {}
                // It is tried again with the next sweep, or by the next bridge.
                Err(BusError::Unavailable(reason)) => {
                    tracing::warn!(%subject, reason, "the archive could not be swept");
                }
                Err(error) => return Err(BridgeError::To(error)),
            }
        }
        Ok(())
    }
}
