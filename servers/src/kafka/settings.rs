//! What a private broker is told before it starts.

use std::net::SocketAddr;
use std::path::Path;

use super::{USER, data_dir};

/// Where a broker is found.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) id: usize,
    pub(super) address: SocketAddr,
    pub(super) controller: SocketAddr,
    /// More addresses, for those who come through proxies.
    pub(super) listeners: Vec<Listener>,
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
    for name in names(node) {
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

/// The names of what clients and other brokers come to: the broker's own address, then those for the proxies.
fn names(node: &Node) -> impl Iterator<Item = String> {
    let proxied = (0..node.listeners.len()).map(|number| format!("PROXIED{number}"));
    std::iter::once("BROKER".to_owned()).chain(proxied)
}

/// Where a broker listens, what it tells those who come there, and what they must speak.
fn listeners(node: &Node) -> (String, String, String) {
    let own = Listener { address: node.address, advertised: node.address };
    let mut listening = vec![format!("CONTROLLER://{}", node.controller)];
    let mut advertised = Vec::new();
    let mut protocols = vec!["CONTROLLER:PLAINTEXT".to_owned()];
    for (name, listener) in names(node).zip(std::iter::once(&own).chain(&node.listeners)) {
        listening.push(format!("{name}://{}", listener.address));
        advertised.push(format!("{name}://{}", listener.advertised));
        protocols.push(format!("{name}:SASL_PLAINTEXT"));
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
        let node = Node { id: 1, address: at(1), controller: at(2), listeners: vec![proxied] };
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
    }
}
