//! The topics: one per subject, and one per group and subject for what waits for a retry. Made where they are missing, checked
//! where they are there.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use ecs_bus::{BusError, Group, Subject};
use rdkafka::TopicPartitionList;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::metadata::MetadataTopic;
use rdkafka::topic_partition_list::TopicPartitionListElem;
use tokio::time::Instant;

use crate::Options;
use crate::client::{self, Quiet, blocking, unavailable};
use crate::drift::{self, Found};

/// How long Kafka may take to tell of topics, or to make them.
const LIMIT: Duration = Duration::from_secs(10);
/// How long to wait before looking again whether all brokers know of a topic that was made.
const GLANCE: Duration = Duration::from_millis(10);

/// The topics of a deployment.
#[derive(Clone)]
pub(crate) struct Topics {
    admin: Arc<AdminClient<Quiet>>,
    options: Arc<Options>,
}

/// The name of a subject's topic.
pub(crate) fn of_subject(prefix: &str, subject: Subject) -> String {
    format!("{prefix}{subject}")
}

/// The name of the topic in which events of a subject wait for their retry in a group.
pub(crate) fn of_retries(prefix: &str, subject: Subject, group: Group) -> String {
    format!("{prefix}ecs.retry.{group}.{subject}")
}

impl Topics {
    pub(crate) fn open(options: &Arc<Options>) -> Result<Self, BusError> {
        let admin = client::config(options)?.create_with_context(Quiet);
        let admin = Arc::new(admin.map_err(|error| unavailable(&error))?);
        Ok(Self { admin, options: Arc::clone(options) })
    }

    fn settings() -> AdminOptions {
        AdminOptions::new().request_timeout(Some(LIMIT)).operation_timeout(Some(LIMIT))
    }

    /// Makes what is missing, and checks all. Returns how many partitions each topic has.
    pub(crate) async fn ensure(&self, names: &[String]) -> Result<HashMap<String, i32>, BusError> {
        let there = self.shapes(names).await?;
        let missing: Vec<&String> = names.iter().filter(|name| !there.contains_key(*name)).collect();
        let there = if missing.is_empty() {
            there
        } else {
            self.make(&missing).await?;
            self.appear(names).await?
        };
        for (name, settings) in names.iter().zip(self.settings_of(names).await?) {
            let (partitions, replicas) = there.get(name).copied().unwrap_or_default();
            drift::check(name, &Found { settings, partitions, replicas }, &self.options)?;
        }
        let counts = there.into_iter().map(|(name, (count, _))| Some((name, i32::try_from(count).ok()?)));
        Ok(counts.flatten().collect())
    }

    async fn make(&self, names: &[&String]) -> Result<(), BusError> {
        let wanted = drift::wanted(&self.options);
        let mut topics = Vec::with_capacity(names.len());
        for name in names {
            let copies = TopicReplication::Fixed(self.options.replicas.max(1));
            let topic = NewTopic::new(name, self.options.partitions(), copies);
            topics.push(wanted.iter().fold(topic, |topic, (key, value)| topic.set(key, value)));
        }
        let made = self.admin.create_topics(&topics, &Self::settings()).await;
        for result in made.map_err(|error| unavailable(&error))? {
            match result {
                Ok(topic) => tracing::info!(topic, "made the topic"),
                // Another process was faster.
                Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((name, code)) => return Err(refused("doesn't make", &name, code)),
            }
        }
        Ok(())
    }

    /// Waits until Kafka tells of topics that were made.
    async fn appear(&self, names: &[String]) -> Result<HashMap<String, (usize, usize)>, BusError> {
        let deadline = Instant::now() + LIMIT;
        loop {
            let there = self.shapes(names).await?;
            if there.len() == names.len() {
                return Ok(there);
            }
            if Instant::now() > deadline {
                return Err(BusError::Unavailable("Kafka tells nothing of the topics it made".to_owned()));
            }
            tokio::time::sleep(GLANCE).await;
        }
    }

    /// The settings of each topic, in the order of the names. The broker that is asked may be one that hasn't heard yet of a topic that
    /// another one has just made; it tells nothing of it then, which is not to be taken for a topic that has no settings.
    async fn settings_of(&self, names: &[String]) -> Result<Vec<HashMap<String, String>>, BusError> {
        let deadline = Instant::now() + LIMIT;
        loop {
            let specifiers: Vec<_> = names.iter().map(|name| ResourceSpecifier::Topic(name)).collect();
            let told = self.admin.describe_configs(&specifiers, &Self::settings()).await;
            let mut all = Vec::with_capacity(names.len());
            for (name, told) in names.iter().zip(told.map_err(|error| unavailable(&error))?) {
                let entries = match told {
                    Ok(told) => told.entries,
                    Err(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => {
                        Vec::new()
                    }
                    Err(code) => return Err(refused("tells nothing of", name, code)),
                };
                let settings = entries.into_iter().filter_map(|entry| Some((entry.name, entry.value?)));
                all.push(settings.collect::<HashMap<_, _>>());
            }
            if all.len() == names.len() && !all.iter().any(HashMap::is_empty) {
                return Ok(all);
            }
            if Instant::now() > deadline {
                return Err(BusError::Unavailable(
                    "Kafka tells nothing of the settings of topics".to_owned(),
                ));
            }
            tokio::time::sleep(GLANCE).await;
        }
    }

    /// How many partitions and copies each of these topics has that are there.
    async fn shapes(&self, names: &[String]) -> Result<HashMap<String, (usize, usize)>, BusError> {
        let mut shapes = self.all().await?;
        shapes.retain(|name, _| names.contains(name));
        Ok(shapes)
    }

    /// How many partitions and copies each topic has.
    async fn all(&self) -> Result<HashMap<String, (usize, usize)>, BusError> {
        let admin = Arc::clone(&self.admin);
        blocking(move || {
            let told = admin.inner().fetch_metadata(None, LIMIT).map_err(|error| unavailable(&error))?;
            Ok(told.topics().iter().filter_map(shape).collect())
        })
        .await
    }

    /// The topics in which events of a subject wait for a retry, whoever's group it is, with their partitions.
    pub(crate) async fn retries_of(&self, subject: Subject) -> Result<Vec<(String, i32)>, BusError> {
        let (begin, end) = (format!("{}ecs.retry.", self.options.prefix), format!(".{subject}"));
        let all = self.all().await?.into_iter();
        let ours = all.filter(|(name, _)| name.starts_with(&begin) && name.ends_with(&end));
        Ok(ours.filter_map(|(name, (partitions, _))| Some((name, i32::try_from(partitions).ok()?))).collect())
    }

    /// Whether Kafka answers for a topic, within `limit`.
    pub(crate) async fn ping(&self, topic: String, limit: Duration) -> Result<(), BusError> {
        let admin = Arc::clone(&self.admin);
        blocking(move || {
            let told =
                admin.inner().fetch_metadata(Some(&topic), limit).map_err(|error| unavailable(&error))?;
            match told.topics().first().and_then(|topic| topic.partitions().first()) {
                Some(partition) if partition.leader() >= 0 => Ok(()),
                _ => Err(BusError::Unavailable("Kafka has no leader for a topic".to_owned())),
            }
        })
        .await
    }

    /// Forgets what stands before the offsets.
    pub(crate) async fn forget(&self, before: &TopicPartitionList) -> Result<(), BusError> {
        let forgotten = self.admin.delete_records(before, &Self::settings()).await;
        let forgotten =
            forgotten.and_then(|list| list.elements().iter().try_for_each(TopicPartitionListElem::error));
        forgotten.map_err(|error| unavailable(&error))
    }
}

fn shape(topic: &MetadataTopic) -> Option<(String, (usize, usize))> {
    let partitions = topic.partitions();
    let has_leaders = partitions.iter().all(|partition| partition.leader() >= 0);
    let replicas = partitions.iter().map(|partition| partition.replicas().len()).min()?;
    (topic.error().is_none() && has_leaders).then(|| (topic.name().to_owned(), (partitions.len(), replicas)))
}

fn refused(what: &str, topic: &str, code: RDKafkaErrorCode) -> BusError {
    BusError::Unavailable(format!("Kafka {what} the topic {topic}: {code}"))
}
