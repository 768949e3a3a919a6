//! What a private broker is told before it starts.

use std::net::SocketAddr;
use std::path::Path;

use super::{CERTIFICATE, USER, data_dir};

/// The SASL mechanisms that send no password.
pub(super) const SCRAM: [&str; 2] = ["SCRAM-SHA-256", "SCRAM-SHA-512"];
/// What the listener is called that encrypts.
const ENCRYPTED: &str = "ENCRYPTED";

/// The passwords of the one user.
#[derive(Debug, Default)]
pub(super) struct Logins {
    pub(super) plain: String,
    pub(super) scram: String,
}

/// Where a broker is found.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) id: usize,
    pub(super) address: SocketAddr,
    pub(super) controller: SocketAddr,
    /// More addresses, for those who come through proxies.
    pub(super) listeners: Vec<Listener>,
    /// One more for those who encrypt.
    pub(super) encrypted: Option<SocketAddr>,
}

/// An address at which a broker listens, and the one that it tells those who come there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Listener {
    pub(super) address: SocketAddr,
    pub(super) advertised: SocketAddr,
}

/// Errors and the one line that says that the broker is there, to the standard output.
pub(super) const LOGGING: &str = "status = error
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d %p %m (%c)%n%ex{3}
rootLogger.level = warn
rootLogger.appenderRef.out.ref = out
logger.server.name = kafka.server.KafkaRaftServer
logger.server.level = info
";

/// The broker's settings file.
pub(super) fn file(
    folder: &Path,
    node: &Node,
    nodes: &[Node],
    password: &str,
    more: &[(String, String)],
) -> String {
    let voters: Vec<String> =
        nodes.iter().map(|voter| format!("{}@{}", voter.id, voter.controller)).collect();
    let copies = nodes.len().min(3);
    let in_sync = copies / 2 + 1;
    let (listening, advertised, protocols) = listeners(node);
    let mut text = format!(
        "process.roles=broker,controller\nnode.id={id}\ncontroller.quorum.voters={voters}\n\
         listeners={listening}\nadvertised.listeners={advertised}\n\
         listener.security.protocol.map={protocols}\n\
         inter.broker.listener.name=BROKER\ncontroller.listener.names=CONTROLLER\n\
         sasl.enabled.mechanisms=PLAIN\nsasl.mechanism.inter.broker.protocol=PLAIN\n\
         log.dirs={data}\nauto.create.topics.enable=false\ngroup.initial.rebalance.delay.ms=0\n\
         offsets.topic.num.partitions=4\noffsets.topic.replication.factor={copies}\n\
         min.insync.replicas={in_sync}\nnum.network.threads=2\nnum.io.threads=4\n",
        id = node.id,
        voters = voters.join(","),
        data = data_dir(folder).display(),
    );
    if node.encrypted.is_some() {
        text.push_str(&encryption(folder));
    }
    for (name, _) in places(node) {
        text.push_str(&format!(
            "listener.name.{}.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \
             username=\"{USER}\" password=\"{password}\" user_{USER}=\"{password}\";\n",
            name.to_lowercase()
        ));
    }
    for (name, value) in more {
        text.push_str(&format!("{name}={value}\n"));
    }
    text
}

/// What the listener has that encrypts: a certificate, and mechanisms besides PLAIN.
fn encryption(folder: &Path) -> String {
    let listener = format!("listener.name.{}", ENCRYPTED.to_lowercase());
    let mut text = format!(
        "{listener}.ssl.keystore.type=PEM\n{listener}.ssl.keystore.location={}\n\
         {listener}.sasl.enabled.mechanisms=PLAIN,{}\n",
        folder.join(CERTIFICATE).display(),
        SCRAM.join(","),
    );
    for mechanism in SCRAM {
        text.push_str(&format!(
            "{listener}.{}.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;\n",
            mechanism.to_lowercase()
        ));
    }
    text
}

/// What clients and other brokers come to, by name: the broker's own address, then those for the proxies, then the encrypted one.
fn places(node: &Node) -> impl Iterator<Item = (String, Listener)> {
    let told = |address: SocketAddr| Listener { address, advertised: address };
    let proxied = node.listeners.iter().enumerate().map(|(number, it)| (format!("PROXIED{number}"), *it));
    let encrypted = node.encrypted.map(|address| (ENCRYPTED.to_owned(), told(address)));
    std::iter::once(("BROKER".to_owned(), told(node.address))).chain(proxied).chain(encrypted)
}

/// Where a broker listens, what it tells those who come there, and what they must speak.
fn listeners(node: &Node) -> (String, String, String) {
    let mut listening = vec![format!("CONTROLLER://{}", node.controller)];
    let mut advertised = Vec::new();
    let mut protocols = vec!["CONTROLLER:PLAINTEXT".to_owned()];
    for (name, listener) in places(node) {
        let protocol = if name == ENCRYPTED { "SASL_SSL" } else { "SASL_PLAINTEXT" };
        listening.push(format!("{name}://{}", listener.address));
        advertised.push(format!("{name}://{}", listener.advertised));
        protocols.push(format!("{name}:{protocol}"));
    }
    (listening.join(","), advertised.join(","), protocols.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_through_a_proxy_is_told_its_address() {
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let proxied = Listener { address: at(3), advertised: at(4) };
        let node =
            Node { id: 1, address: at(1), controller: at(2), listeners: vec![proxied], encrypted: None };
        let text = file(Path::new("/folder"), &node, &[], "word", &[]);
        let lines = [
            "listeners=CONTROLLER://127.0.0.1:2,BROKER://127.0.0.1:1,PROXIED0://127.0.0.1:3",
            "advertised.listeners=BROKER://127.0.0.1:1,PROXIED0://127.0.0.1:4",
            "listener.security.protocol.map=CONTROLLER:PLAINTEXT,BROKER:SASL_PLAINTEXT,PROXIED0:SASL_PLAINTEXT",
        ];
        for line in lines {
            assert!(text.lines().any(|written| written == line), "no {line} in\n{text}");
        }
        let with_password = |name: &str| {
            let start = format!("listener.name.{name}.plain.sasl.jaas.config=");
            text.lines().any(|line| line.starts_with(&start) && line.contains("user_ecs=\"word\""))
        };
        assert!(with_password("broker") && with_password("proxied0"), "{text}");
        assert!(!text.contains("ssl"), "nobody asked for encryption: {text}");
    }

    #[test]
    fn who_encrypts_has_a_listener_with_a_certificate_and_scram() {
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let node =
            Node { id: 1, address: at(1), controller: at(2), listeners: vec![], encrypted: Some(at(5)) };
        let text = file(Path::new("/folder"), &node, &[], "word", &[]);
        for part in [
            "BROKER://127.0.0.1:1,ENCRYPTED://127.0.0.1:5\n",
            ",BROKER:SASL_PLAINTEXT,ENCRYPTED:SASL_SSL\n",
            "listener.name.encrypted.ssl.keystore.location=/folder/certificate.pem\n",
            "listener.name.encrypted.plain.sasl.jaas.config=",
            "listener.name.encrypted.scram-sha-512.sasl.jaas.config=",
        ] {
            assert!(text.contains(part), "no {part} in\n{text}");
        }
    }
}
