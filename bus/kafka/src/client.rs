//! What all clients of Kafka in this process have in common.

use std::time::Duration;

use ecs_bus::BusError;
use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::Options;
use crate::address::{Address, Mechanism};

/// Room for headers and the protocol beside the largest payload.
pub(crate) const ROOM: usize = 64 << 10;
/// The largest record batch that Kafka takes unless told otherwise.
const USUAL_LARGEST: usize = 1_048_588;

/// Hands what the library has to say to our log.
pub(crate) struct Quiet;

impl ClientContext for Quiet {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, _: &str) {
        tracing::warn!(%error, "Kafka");
    }
}

impl ConsumerContext for Quiet {}

/// What the library says names hosts, and never what is sent.
pub(crate) fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Emerg
        | RDKafkaLogLevel::Alert
        | RDKafkaLogLevel::Critical
        | RDKafkaLogLevel::Error
        | RDKafkaLogLevel::Warning => tracing::warn!(facility, "Kafka: {message}"),
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info | RDKafkaLogLevel::Debug => {
            tracing::debug!(facility, "Kafka: {message}");
        }
    }
}

/// The largest batch of records that a topic has to take.
pub(crate) fn largest_batch(max_payload: usize) -> usize {
    USUAL_LARGEST.max(max_payload + ROOM)
}

/// The settings that every client has.
pub(crate) fn config(options: &Options) -> Result<ClientConfig, BusError> {
    let address = Address::parse(&options.url)?;
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &address.hosts)
        .set("client.id", "ecs")
        .set("socket.timeout.ms", millis(options.publish_timeout))
        .set("socket.nagle.disable", "true")
        .set("reconnect.backoff.ms", "20")
        .set("reconnect.backoff.max.ms", "500")
        .set("retry.backoff.ms", "20")
        .set("retry.backoff.max.ms", "500")
        .set("topic.metadata.refresh.fast.interval.ms", "50")
        .set("allow.auto.create.topics", "false");
    secure(&mut config, address, options)?;
    Ok(config)
}

/// Encryption, and who we are. The library checks the broker's certificate and its name before it sends anything.
fn secure(config: &mut ClientConfig, address: Address, options: &Options) -> Result<(), BusError> {
    let Address { hosts: _, login, mechanism, tls } = address;
    let lacking = match (tls, mechanism) {
        _ if cfg!(feature = "tls") => None,
        (true, _) => Some("encrypted connections in this build (feature `kafka-tls`)"),
        (false, Mechanism::Plain) => None,
        // OpenSSL does its sums.
        (false, Mechanism::ScramSha256 | Mechanism::ScramSha512) => {
            Some("SCRAM in this build (feature `kafka-tls`)")
        }
    };
    if let Some(capability) = lacking {
        return Err(BusError::Unsupported { transport: "kafka", capability });
    }
    let protocol = match (login.is_some(), tls) {
        (false, false) => "plaintext",
        (true, false) => "sasl_plaintext",
        (false, true) => "ssl",
        (true, true) => "sasl_ssl",
    };
    config.set("security.protocol", protocol);
    if let Some((user, password)) = login {
        config.set("sasl.mechanism", mechanism.name());
        config.set("sasl.username", user).set("sasl.password", password);
    }
    if let Some(certificates) = options.root_certificates.as_ref().filter(|_| tls) {
        config.set("ssl.ca.location", certificates.display().to_string());
    }
    Ok(())
}

/// The settings of a consumer that belongs to a group, or only looks at one.
pub(crate) fn consumer(config: &ClientConfig, group: &str) -> ClientConfig {
    let mut config = config.clone();
    config
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "earliest")
        .set("fetch.wait.max.ms", "100")
        .set("fetch.error.backoff.ms", "50")
        .set("fetch.queue.backoff.ms", "10")
        .set("queued.min.messages", "20000")
        .set("queued.max.messages.kbytes", "16384");
    config
}

/// In the library's unit.
pub(crate) fn millis(duration: Duration) -> String {
    duration.as_millis().max(1).to_string()
}

/// An error of the library in the contract's words. What ended all connections the library only tells those who poll for it, so
/// what it may be is said here.
pub(crate) fn unavailable(error: &KafkaError) -> BusError {
    let hint = match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::BrokerTransportFailure | RDKafkaErrorCode::AllBrokersDown) => {
            ", so no broker was reached, or its certificate or our login was refused"
        }
        _ => "",
    };
    BusError::Unavailable(format!("Kafka: {error}{hint}"))
}

/// Runs what blocks on a thread of its own: whoever ends the runtime must not wait for a broker that is away.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BusError> + Send + 'static,
) -> Result<T, BusError> {
    let (reply, done) = tokio::sync::oneshot::channel();
    let thread = std::thread::Builder::new().name("kafka-call".to_owned());
    // Who asked may have gone away.
    let spawned = thread.spawn(move || drop(reply.send(work())));
    spawned.map_err(|error| BusError::Unavailable(format!("no thread for Kafka: {error}")))?;
    match done.await {
        Ok(done) => done,
        Err(_) => Err(BusError::Unavailable("a call of the Kafka client has failed".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_openssl_is_refused_by_its_name_where_it_is_not_built_in() {
        let check = |url: &str, lacking: Option<&str>| {
            let told = config(&Options::new(url)).err().map(|error| match error {
                BusError::Unsupported { transport: "kafka", capability } => capability,
                other => panic!("{url}: {other}"),
            });
            assert_eq!(told, lacking.filter(|_| !cfg!(feature = "tls")), "{url}");
        };
        let encrypted = "encrypted connections in this build (feature `kafka-tls`)";
        let scram = "SCRAM in this build (feature `kafka-tls`)";
        check("kafka://u:p@host", None);
        check("kafka://u:p@host?mechanism=PLAIN", None);
        check("kafkas://host", Some(encrypted));
        check("kafkas://u:p@host?mechanism=SCRAM-SHA-512", Some(encrypted));
        check("kafka://u:p@host?mechanism=SCRAM-SHA-256", Some(scram));
        check("kafka://u:p@host?mechanism=SCRAM-SHA-512", Some(scram));
    }
}
