//! What the tests share.

use std::collections::HashSet;
use std::sync::Arc;

use ecs_bus::{Bus, Event, Frontier, Headers, Subject};
use ecs_bus_embedded::{EmbeddedBus, Options};
use ecs_domain::{Clock, EventId};
use ecs_vault::Keyring;
use ecs_work::bridge::{Bridge, BridgeError, Copies, GROUP, Plan, Progress};
use ecs_work_testkit::platform::{Platform, emotion, malformed, transaction};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// A platform and the bus that it moves to, which share a clock.
pub(crate) struct Move {
    pub(crate) keyring: Keyring,
    pub(crate) platform: Arc<Platform>,
    pub(crate) to: Arc<dyn Bus>,
    pub(crate) folder: TempDir,
}

impl Move {
    pub(crate) fn open() -> Self {
        let (platform, folder) = (Arc::new(Platform::open()), tempfile::tempdir().unwrap());
        let to = Self::bus(&folder, Options::new(Arc::clone(&platform.clock) as Arc<dyn Clock>));
        Self { platform, to, folder, keyring: Keyring::in_memory() }
    }

    pub(crate) fn bus(folder: &TempDir, options: Options) -> Arc<dyn Bus> {
        Arc::new(EmbeddedBus::open(folder.path().join("bus.db"), options).unwrap())
    }

    /// Events of every subject, some with the headers of a request, one that nobody understands.
    pub(crate) async fn fill(&self, count: u32) {
        let user = self.platform.user().await;
        let now = self.platform.clock.now();
        let mut events = vec![malformed(emotion(user, "bad", now))];
        for number in 0..count {
            let mut felt = emotion(user, &format!("e{number}"), now);
            felt.headers = Headers::of_request(&format!("r{number}"), "00-1-2-01");
            let bought = transaction(user, &format!("t{number}"), now);
            let told = Event { subject: Subject::Notifications, ..bought.clone() };
            let approved = Event { subject: Subject::OffersApproved, ..bought.clone() };
            let asked = Event { subject: Subject::Evaluations, ..bought.clone() };
            let alarmed = Event { subject: Subject::Alerts, ..bought.clone() };
            events.extend([felt, bought, told, approved, asked, alarmed]);
        }
        for chunk in events.chunks(5_000) {
            self.platform.publish(chunk.to_vec()).await;
        }
    }

    pub(crate) fn bridge(&self, plan: Plan) -> Bridge {
        let (from, to) = (Arc::clone(&self.platform.bus) as Arc<dyn Bus>, Arc::clone(&self.to));
        Bridge {
            from,
            to,
            plan,
            clock: Arc::clone(&self.platform.clock) as Arc<dyn Clock>,
            keyring: Some(self.keyring.clone()),
        }
    }

    pub(crate) async fn run(&self, plan: Plan) -> Result<Progress, BridgeError> {
        over(&self.bridge(plan)).await
    }
}

pub(crate) async fn over(bridge: &Bridge) -> Result<Progress, BridgeError> {
    let progress = Progress::new(&bridge.plan.subjects);
    bridge.run(&progress, &CancellationToken::new()).await?;
    Ok(progress)
}

pub(crate) fn everything() -> Plan {
    Plan { subjects: Subject::ALL.to_vec(), copies: Copies::Everything(GROUP), follow: false, archive: None }
}

pub(crate) fn only(subject: Subject) -> Plan {
    Plan { subjects: vec![subject], ..everything() }
}

/// All that a bus has of a subject.
pub(crate) async fn events(bus: &dyn Bus, subject: Subject) -> Vec<Event> {
    let page = bus.log(subject, &Frontier::default(), 1_000_000).await.unwrap();
    page.records.into_iter().map(|record| record.event).collect()
}

pub(crate) async fn ids(bus: &dyn Bus, subject: Subject) -> HashSet<EventId> {
    events(bus, subject).await.into_iter().map(|event| event.id).collect()
}
