//! Whether what was acknowledged was flushed, and topics that somebody else made.

use std::path::Path;
use std::process::Stdio;

use ecs_bus::BusError;
use ecs_bus_conformance::kit::event;
use ecs_bus_kafka::{KafkaBus, Options};
use ecs_servers::did_not_run;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use tokio::process::{Child, Command};

use crate::support::{open, options, own, publish, shared, within};

/// How many events are published, one after the other.
const EVENTS: u128 = 20;

/// The broker's flushes as the kernel sees them: each acknowledged event has one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_event_is_flushed_before_it_is_acknowledged() {
    let Some(server) = own("counting flushes", 1).await else { return };
    let bus = open(&options(&server)).await;
    let trace = server.data_dir(0).unwrap().join("trace");
    let watched = match watch(server.pid(0).unwrap(), &trace).await {
        Ok(watched) => watched,
        Err(reason) => return did_not_run("counting the broker's flushes", &reason),
    };
    for number in 0..EVENTS {
        publish(&bus, vec![event(number)]).await;
        // The flush has returned by the time that the answer is here, so it is in the trace as soon as strace has written.
        let goal = usize::try_from(number).unwrap() + 1;
        within(async {
            while flushes(&trace) < goal {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
    stop(watched).await;
}

/// Starts to watch the flushes of a process. The reason when that is not possible here.
async fn watch(pid: i32, trace: &Path) -> Result<Child, String> {
    let child = Command::new("strace")
        .args(["-f", "-y", "-e", "trace=fsync,fdatasync", "-o"])
        .arg(trace)
        .args(["-p", &pid.to_string()])
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn();
    let mut child = child.map_err(|error| format!("there is no strace: {error}"))?;
    let said = child.stderr.take().ok_or("strace says nothing")?;
    let mut lines = tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(said));
    let line = within(lines.next_line()).await.ok().flatten().unwrap_or_default();
    // It speaks of each new thread, and would die of a pipe that nobody reads.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    if line.contains("attached") { Ok(child) } else { Err(format!("strace says: {line}")) }
}

async fn stop(mut watched: Child) {
    let _ = watched.start_kill();
    let _ = within(watched.wait()).await;
}

/// How many flushes of the subject's own log files have begun; each has ended before the answer to its event.
fn flushes(trace: &Path) -> usize {
    let text = std::fs::read_to_string(trace).unwrap_or_default();
    let ours = |line: &&str| line.contains("user.emotions.topic-") && line.contains(".log>");
    text.lines().filter(ours).count()
}

/// A topic as an operator makes it who has read nothing.
async fn make(options: &Options, topic: &str, settings: &[(&str, &str)]) {
    let (_, rest) = options.url.split_once("kafka://ecs:").unwrap();
    let (password, hosts) = rest.split_once('@').unwrap();
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", hosts).set("security.protocol", "sasl_plaintext");
    config.set("sasl.mechanism", "PLAIN").set("sasl.username", "ecs").set("sasl.password", password);
    let admin: AdminClient<DefaultClientContext> = config.create().unwrap();
    let mut made = NewTopic::new(topic, 2, TopicReplication::Fixed(1));
    for (name, value) in settings {
        made = made.set(name, value);
    }
    let results = within(admin.create_topics(&[made], &AdminOptions::new())).await.unwrap();
    assert!(results[0].is_ok(), "{results:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_is_not_flushed_or_forgets_is_refused_by_its_settings() {
    let Some(server) = shared("a topic that forgets").await else { return };
    let options = options(server);
    make(&options, &format!("{}user.emotions.topic", options.prefix), &[]).await;
    let Err(BusError::Corrupt(reason)) = within(KafkaBus::open(options)).await else {
        panic!("it was taken")
    };
    for named in [
        "flush.messages is 9223372036854775807 and must be 1",
        "retention.ms is 604800000 and must be -1",
        "message.timestamp.type is CreateTime and must be LogAppendTime",
    ] {
        assert!(reason.contains(named), "{reason}");
    }
}

/// Durable means three copies here, and there is one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_with_too_few_copies_is_refused() {
    let Some(server) = shared("too few copies").await else { return };
    let options = Options { replicas: 3, ..options(server) };
    let settings =
        [("retention.ms", "-1"), ("message.timestamp.type", "LogAppendTime"), ("min.insync.replicas", "2")];
    for subject in ecs_bus::Subject::ALL {
        make(&options, &format!("{}{subject}", options.prefix), &settings).await;
    }
    let refused = within(KafkaBus::open(options)).await.err().unwrap().to_string();
    assert!(refused.contains("it is kept by 1 and must be kept by 3 brokers"), "{refused}");
}

#[tokio::test]
async fn an_address_without_a_broker_is_told_without_its_password() {
    let port = ecs_servers::free_port().unwrap();
    let refused = KafkaBus::open(Options::new(format!("kafka://ecs:sesame@127.0.0.1:{port}"))).await.err();
    let reason = refused.unwrap().to_string();
    assert!(reason.starts_with("the bus is unavailable: Kafka"), "{reason}");
    assert!(!reason.contains("sesame"));
}
