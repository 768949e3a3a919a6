//! The groups that have members in this process.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use ecs_bus::{BusError, Group, Subject, SubscribeOptions, Subscription};
use tokio::sync::Mutex;

use crate::engine::{Engine, Names};
use crate::producer::Producer;
use crate::subscription::KafkaSubscription;
use crate::topics::{self, Topics};
use crate::{Options, client};

/// How long a leaving group may take. It may wait for a broker that is away.
const FAREWELL: Duration = Duration::from_secs(10);

pub(crate) struct Groups {
    options: Arc<Options>,
    topics: Topics,
    producer: Arc<Producer>,
    engines: Mutex<HashMap<(Subject, Group), Arc<Engine>>>,
}

/// The name by which Kafka knows a group.
pub(crate) fn name(prefix: &str, subject: Subject, group: Group) -> String {
    format!("{prefix}ecs.{group}.{subject}")
}

/// The names of a group's topics.
pub(crate) fn names(prefix: &str, subject: Subject, group: Group) -> Names {
    Names {
        subject: topics::of_subject(prefix, subject).into(),
        retries: topics::of_retries(prefix, subject, group).into(),
    }
}

impl Groups {
    pub(crate) fn new(options: &Arc<Options>, topics: &Topics, producer: &Arc<Producer>) -> Self {
        let (options, topics, producer) = (Arc::clone(options), topics.clone(), Arc::clone(producer));
        Self { options, topics, producer, engines: Mutex::default() }
    }

    /// A new member.
    pub(crate) async fn join(
        &self,
        subject: Subject,
        group: Group,
        options: SubscribeOptions,
    ) -> Result<Box<dyn Subscription>, BusError> {
        let mut engines = self.engines.lock().await;
        if let Some(engine) = engines.get(&(subject, group)) {
            if let Some(member) = engine.join(options) {
                return Ok(Box::new(KafkaSubscription { engine: Arc::clone(engine), member, options }));
            }
            // Its last member has left. It leaves the group before we join it again.
            let _ = tokio::time::timeout(FAREWELL, engine.ended()).await;
        }
        let engine = self.start(subject, group).await?;
        let member = engine.join(options).ok_or(BusError::Closed)?;
        engines.insert((subject, group), Arc::clone(&engine));
        Ok(Box::new(KafkaSubscription { engine, member, options }))
    }

    async fn start(&self, subject: Subject, group: Group) -> Result<Arc<Engine>, BusError> {
        let prefix = &self.options.prefix;
        let names = names(prefix, subject, group);
        let there = self.topics.ensure(&[names.retries.to_string()]).await?;
        let partitions = there.get(&*names.retries).copied().unwrap_or(1);
        let config = client::config(&self.options)?;
        let mut config = client::consumer(&config, &name(prefix, subject, group));
        let session = self.options.session_timeout;
        config
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", client::millis(session))
            .set("heartbeat.interval.ms", client::millis((session / 20).min(Duration::from_millis(500))));
        Engine::start((subject, group), names, partitions, Arc::clone(&self.producer), &config)
    }

    /// Ends all groups here, and waits until they have left.
    pub(crate) async fn close(&self) {
        let engines: Vec<Arc<Engine>> = self.engines.lock().await.drain().map(|(_, engine)| engine).collect();
        engines.iter().for_each(|engine| engine.end());
        let left = async {
            for engine in &engines {
                engine.ended().await;
            }
        };
        if tokio::time::timeout(FAREWELL, left).await.is_err() {
            tracing::warn!(
                "groups don't leave Kafka in time; what they have comes again after their session"
            );
        }
    }

    /// Ends all groups here, and waits for nothing.
    pub(crate) fn end(&mut self) {
        self.engines.get_mut().values().for_each(|engine| engine.end());
    }
}
