//! Private Kafka brokers in KRaft mode: one, or a cluster.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, bail};
use tokio::sync::OnceCell;

use crate::binaries::{self, Engine};
use crate::folder;
use crate::instance::Instance;
use crate::ports;

const USER: &str = "ecs";
/// The mark of a folder that is formatted.
const FORMATTED: &str = "meta.properties";
/// What a broker writes into its log when it takes requests.
const STARTED: &str = "Kafka Server started";

/// How private brokers are set up.
#[derive(Debug, Clone)]
pub struct Options {
    /// How many brokers, each of which is a controller, too: 1 or 3.
    pub brokers: usize,
    /// More settings of each broker, by name and value.
    pub settings: Vec<(String, String)>,
}

impl Default for Options {
    fn default() -> Self {
        Self { brokers: 1, settings: Vec::new() }
    }
}

/// Kafka: private brokers, which end when this is dropped, or those that `ECS_TEST_KAFKA_URL` names.
#[derive(Debug)]
pub struct Kafka {
    brokers: Vec<Broker>,
    password: String,
    url: String,
}

#[derive(Debug)]
struct Broker {
    instance: Instance,
    address: SocketAddr,
    /// How long its log was when it was started last.
    log_before: AtomicU64,
}

impl Kafka {
    /// The one broker of this process: that of `ECS_TEST_KAFKA_URL` if that is set, else a private one. It takes some 3 s to
    /// start, so tests share it, each with topics under a prefix of its own.
    ///
    /// # Errors
    /// Kafka is not installed or doesn't start; the end of its log says why.
    pub async fn shared() -> Result<&'static Self> {
        static SHARED: OnceCell<Kafka> = OnceCell::const_new();
        SHARED
            .get_or_try_init(|| async {
                match Engine::Kafka.given() {
                    Some(url) => Ok(Self { brokers: Vec::new(), password: String::new(), url }),
                    None => Self::start(Options::default()).await,
                }
            })
            .await
    }

    /// Brokers of one's own, without topics, on free ports.
    ///
    /// # Errors
    /// As [`Kafka::shared`].
    pub async fn start(options: Options) -> Result<Self> {
        let options = &options;
        ports::until_bound(|port| Self::start_on(port, options)).await
    }

    async fn start_on(port: u16, options: &Options) -> Result<Self> {
        let mut nodes = Vec::new();
        for id in 1..=options.brokers.max(1) {
            let port = if id == 1 { port } else { ports::free()? };
            nodes.push(Node { id, address: local(port), controller: local(ports::free()?) });
        }
        let password = ports::password();
        let mut brokers = Vec::new();
        for node in &nodes {
            brokers.push(Broker::new(node, &nodes, &password, &options.settings)?);
        }
        let addresses: Vec<SocketAddr> = nodes.iter().map(|node| node.address).collect();
        let url = url_of(&addresses, &password);
        let server = Self { brokers, password, url };
        for broker in &server.brokers {
            broker.start()?;
        }
        for broker in &server.brokers {
            broker.ready().await?;
        }
        Ok(server)
    }

    /// The address of all brokers, with user and password.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The same as seen through other addresses, those of [`crate::Proxy`]s for example.
    pub fn url_at(&self, addresses: &[SocketAddr]) -> String {
        url_of(addresses, &self.password)
    }

    /// Where a broker listens; the first one is number 0.
    ///
    /// # Errors
    /// The broker isn't ours.
    pub fn address(&self, broker: usize) -> Result<SocketAddr> {
        Ok(self.broker(broker)?.address)
    }

    /// A broker's process id, for those who watch its system calls.
    ///
    /// # Errors
    /// The broker isn't ours.
    pub fn pid(&self, broker: usize) -> Result<i32> {
        Ok(self.broker(broker)?.instance.pid()?.as_raw_nonzero().get())
    }

    /// The folder in which a broker keeps its partitions.
    ///
    /// # Errors
    /// The broker isn't ours.
    pub fn data_dir(&self, broker: usize) -> Result<PathBuf> {
        Ok(data_dir(self.broker(broker)?.instance.folder()))
    }

    /// Kills a broker with SIGKILL and waits until it is gone.
    ///
    /// # Errors
    /// The broker isn't ours.
    pub async fn kill(&self, broker: usize) -> Result<()> {
        self.broker(broker)?.instance.kill().await
    }

    /// Stops a broker where it is. It takes connections, and answers nothing.
    ///
    /// # Errors
    /// The broker isn't ours.
    pub async fn pause(&self, broker: usize) -> Result<()> {
        self.broker(broker)?.instance.pause().await
    }

    /// Lets a paused broker go on.
    ///
    /// # Errors
    /// The broker isn't ours.
    pub fn resume(&self, broker: usize) -> Result<()> {
        self.broker(broker)?.instance.resume()
    }

    /// Starts a killed broker again over the same partitions and at the same address, and waits until it takes requests.
    ///
    /// # Errors
    /// The broker isn't ours, still runs, or doesn't start; the end of its log says why.
    pub async fn restart(&self, broker: usize) -> Result<()> {
        let broker = self.broker(broker)?;
        broker.start()?;
        broker.ready().await
    }

    fn broker(&self, number: usize) -> Result<&Broker> {
        self.brokers.get(number).context("there is no such broker that is ours to do this with")
    }
}

/// Where a broker is found.
struct Node {
    id: usize,
    address: SocketAddr,
    controller: SocketAddr,
}

impl Broker {
    fn new(node: &Node, nodes: &[Node], password: &str, more: &[(String, String)]) -> Result<Self> {
        let (java, jars) = binaries::kafka()?;
        let folder = folder::make("kafka", None)?;
        let settings = folder.join("server.properties");
        let text = settings_file(&folder, node, nodes, password, more);
        std::fs::write(&settings, text).context("can't write to the temporary folder")?;
        let logging = folder.join("log4j2.properties");
        std::fs::write(&logging, LOGGING).context("can't write to the temporary folder")?;
        let java = format!(
            "'{}' -Xms64m -Xmx384m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:+PerfDisableSharedMem \
             -Djava.io.tmpdir='{folder}' -Dlog4j2.configurationFile='{}' -cp '{}/*'",
            java.display(),
            logging.display(),
            jars.display(),
            folder = folder.display(),
        );
        // Brokers of one cluster know each other by its id, which may be any: a private network has one cluster.
        let script = format!(
            "[ -f '{data}/{FORMATTED}' ] || {java} kafka.tools.StorageTool format \
             --cluster-id ZWNzLXByaXZhdGUta2Fma2E --config '{settings}' || exit 1; exec {java} kafka.Kafka '{settings}'",
            data = data_dir(&folder).display(),
            settings = settings.display(),
        );
        let command = ["sh", "-c", &script].map(str::to_owned);
        let instance = Instance::guarded("Kafka", folder, "KILL", &command, &[])?;
        Ok(Self { instance, address: node.address, log_before: AtomicU64::new(0) })
    }

    fn start(&self) -> Result<()> {
        let log = self.instance.folder().join("log");
        let length = std::fs::metadata(log).map_or(0, |log| log.len());
        self.log_before.store(length, Ordering::Relaxed);
        self.instance.start()
    }

    async fn ready(&self) -> Result<()> {
        let has_started = || async {
            let log = std::fs::read(self.instance.folder().join("log")).unwrap_or_default();
            let before = usize::try_from(self.log_before.load(Ordering::Relaxed))?;
            let news = String::from_utf8_lossy(log.get(before..).unwrap_or_default()).into_owned();
            if !news.contains(STARTED) {
                bail!("it has not said that it takes requests");
            }
            Ok(())
        };
        self.instance.wait_until(has_started).await
    }
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn url_of(addresses: &[SocketAddr], password: &str) -> String {
    let hosts: Vec<String> = addresses.iter().map(SocketAddr::to_string).collect();
    format!("kafka://{USER}:{password}@{}", hosts.join(","))
}

fn data_dir(folder: &Path) -> PathBuf {
    folder.join("data")
}

/// Errors and the one line that says that the broker is there, to the standard output.
const LOGGING: &str = "status = error
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d %p %m (%c)%n%ex{3}
rootLogger.level = warn
rootLogger.appenderRef.out.ref = out
logger.server.name = kafka.server.KafkaRaftServer
logger.server.level = info
";

fn settings_file(
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
    let mut text = format!(
        "process.roles=broker,controller\nnode.id={id}\ncontroller.quorum.voters={voters}\n\
         listeners=BROKER://{address},CONTROLLER://{controller}\nadvertised.listeners=BROKER://{address}\n\
         listener.security.protocol.map=BROKER:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT\n\
         inter.broker.listener.name=BROKER\ncontroller.listener.names=CONTROLLER\n\
         sasl.enabled.mechanisms=PLAIN\nsasl.mechanism.inter.broker.protocol=PLAIN\n\
         listener.name.broker.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \
         username=\"{USER}\" password=\"{password}\" user_{USER}=\"{password}\";\n\
         log.dirs={data}\nauto.create.topics.enable=false\ngroup.initial.rebalance.delay.ms=0\n\
         offsets.topic.num.partitions=4\noffsets.topic.replication.factor={copies}\n\
         min.insync.replicas={in_sync}\nnum.network.threads=2\nnum.io.threads=4\n",
        id = node.id,
        voters = voters.join(","),
        address = node.address,
        controller = node.controller,
        data = data_dir(folder).display(),
    );
    for (name, value) in more {
        text.push_str(&format!("{name}={value}\n"));
    }
    text
}
