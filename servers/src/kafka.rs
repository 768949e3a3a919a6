//! Private Kafka brokers in KRaft mode: one, or a cluster.

mod settings;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, bail};
use tokio::sync::OnceCell;

use crate::binaries::{self, Engine};
use crate::folder;
use crate::instance::Instance;
use crate::ports;

use self::settings::{Listener, Logins, Node};

const USER: &str = "ecs";
/// What is written into a broker's folder before it starts.
const SETTINGS: &str = "server.properties";
const LOGGING: &str = "log4j2.properties";
const CERTIFICATE: &str = "certificate.pem";
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
    /// Addresses of [`crate::Proxy`]s to the first broker. A client that comes is told where to go on, so it would pass a proxy by
    /// that the broker doesn't know: for each of these the broker has a listener that tells this address ([`Kafka::target_of`]).
    pub advertised: Vec<SocketAddr>,
    /// A private key and its certificate (PEM), for 127.0.0.1. With them each broker has an encrypted listener, too, where SCRAM
    /// works besides PLAIN ([`Kafka::encrypted_url`]).
    pub certificate: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self { brokers: 1, settings: Vec::new(), advertised: Vec::new(), certificate: None }
    }
}

/// Kafka: private brokers, which end when this is dropped, or those that `ECS_TEST_KAFKA_URL` names.
#[derive(Debug)]
pub struct Kafka {
    brokers: Vec<Broker>,
    /// Where the first broker listens for whoever comes through a proxy, and the proxy's address.
    listeners: Vec<Listener>,
    logins: Logins,
    url: String,
}

#[derive(Debug)]
struct Broker {
    instance: Instance,
    address: SocketAddr,
    encrypted: Option<SocketAddr>,
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
                    Some(url) => {
                        let (brokers, listeners) = (Vec::new(), Vec::new());
                        Ok(Self { brokers, listeners, logins: Logins::default(), url })
                    }
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
            nodes.push(Node {
                id,
                address: local(port),
                controller: local(ports::free()?),
                listeners: Vec::new(),
                encrypted: options.certificate.as_ref().map(|_| ports::free().map(local)).transpose()?,
            });
        }
        let listener = |advertised: &SocketAddr| {
            Ok(Listener { address: local(ports::free()?), advertised: *advertised })
        };
        let listeners: Vec<Listener> = options.advertised.iter().map(listener).collect::<Result<_>>()?;
        if let Some(first) = nodes.first_mut() {
            first.listeners.clone_from(&listeners);
        }
        let logins = Logins { plain: ports::password(), scram: ports::password() };
        let mut brokers = Vec::new();
        for node in &nodes {
            brokers.push(Broker::new(node, &nodes, &logins, options)?);
        }
        let addresses: Vec<SocketAddr> = nodes.iter().map(|node| node.address).collect();
        let url = url_of(&addresses, &logins.plain);
        let server = Self { brokers, listeners, logins, url };
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
        url_of(addresses, &self.logins.plain)
    }

    /// The address of all brokers over TLS, for a login by this SASL mechanism: `PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`. SCRAM has
    /// a password of its own, so that nobody comes in by another mechanism than he names.
    ///
    /// # Errors
    /// The brokers aren't ours, or were started without a certificate.
    pub fn encrypted_url(&self, mechanism: &str) -> Result<String> {
        let addresses: Option<Vec<SocketAddr>> = self.brokers.iter().map(|broker| broker.encrypted).collect();
        let addresses = addresses.filter(|addresses| !addresses.is_empty());
        let addresses = addresses.context("there is no broker that is ours and has a certificate")?;
        let password = if mechanism == "PLAIN" { &self.logins.plain } else { &self.logins.scram };
        let url = url_of(&addresses, password).replacen("kafka://", "kafkas://", 1);
        Ok(format!("{url}?mechanism={mechanism}"))
    }

    /// Where a broker listens; the first one is number 0.
    ///
    /// # Errors
    /// The broker isn't ours.
    pub fn address(&self, broker: usize) -> Result<SocketAddr> {
        Ok(self.broker(broker)?.address)
    }

    /// What a proxy must lead to whose address is one of [`Options::advertised`].
    pub fn target_of(&self, proxy: SocketAddr) -> Option<SocketAddr> {
        self.listeners.iter().find(|listener| listener.advertised == proxy).map(|listener| listener.address)
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

impl Broker {
    fn new(node: &Node, nodes: &[Node], logins: &Logins, options: &Options) -> Result<Self> {
        let folder = folder::make("kafka", None)?;
        let settings = settings::file(&folder, node, nodes, &logins.plain, &options.settings);
        let certificate = options.certificate.as_deref().map(|text| (CERTIFICATE, text));
        let files = [(SETTINGS, settings.as_str()), (LOGGING, settings::LOGGING)];
        for (name, text) in files.into_iter().chain(certificate) {
            std::fs::write(folder.join(name), text).context("can't write to the temporary folder")?;
        }
        let scram = node.encrypted.map(|_| logins.scram.as_str());
        let command = ["sh", "-c", &script(&folder, scram)?].map(str::to_owned);
        let instance = Instance::guarded("Kafka", folder, "KILL", &command, &[])?;
        let (address, encrypted) = (node.address, node.encrypted);
        Ok(Self { instance, address, encrypted, log_before: AtomicU64::new(0) })
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

/// What the shell runs: the folder is formatted if it isn't, with the password for SCRAM if there is one, and the broker started.
fn script(folder: &Path, scram: Option<&str>) -> Result<String> {
    let (java, jars) = binaries::kafka()?;
    let java = format!(
        "'{}' -Xms64m -Xmx384m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:+PerfDisableSharedMem \
         -Djava.io.tmpdir='{folder}' -Dlog4j2.configurationFile='{folder}/{LOGGING}' -cp '{}/*'",
        java.display(),
        jars.display(),
        folder = folder.display(),
    );
    let added = |password| {
        settings::SCRAM.map(|name| format!("--add-scram '{name}=[name={USER},password={password}]'"))
    };
    // Brokers of one cluster know each other by its id, which may be any: a private network has one cluster.
    Ok(format!(
        "[ -f '{data}/{FORMATTED}' ] || {java} kafka.tools.StorageTool format {scram} \
         --cluster-id ZWNzLXByaXZhdGUta2Fma2E --config '{folder}/{SETTINGS}' || exit 1; \
         exec {java} kafka.Kafka '{folder}/{SETTINGS}'",
        data = data_dir(folder).display(),
        folder = folder.display(),
        scram = scram.map(|password| added(password).join(" ")).unwrap_or_default(),
    ))
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
