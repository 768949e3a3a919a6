//! A platform of real processes: all roles in one or each in its own, over embedded storage or over real servers.

use std::net::SocketAddr;
use std::process::Output;

use ecs::role::Role;
use ecs_client::Credentials;
use ecs_servers::{
    Database, Engine, Kafka, Nats, NatsOptions, Postgres, Program, RabbitMq, RabbitMqOptions, Redis,
    RedisOptions, Template, did_not_run, free_port, unavailable, unavailable_privately,
};

use super::edge::Edge;
use super::encryption::Encryption;
use super::process::{command, run};
use super::{KEYS, MovableClock, eventually};

/// How a platform is cut into processes, and what it stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Topology {
    /// One process over SQLite and the embedded bus.
    Embedded,
    /// One process over PostgreSQL, NATS and Redis.
    AllInOne,
    /// Over the same: what customers and partners reach, and what does the work.
    SplitInTwo,
    /// Over the same: one process per role, each of them twice.
    RolePerProcess,
    /// One process per role over PostgreSQL, Kafka and Redis.
    RolePerProcessOverKafka,
    /// The same over RabbitMQ.
    RolePerProcessOverRabbitMq,
    /// One process per role over PostgreSQL, NATS and Redis, and nothing that isn't encrypted.
    Encrypted,
    /// The same over RabbitMQ.
    EncryptedOverRabbitMq,
    /// The same over Kafka.
    #[cfg(feature = "kafka-tls")]
    EncryptedOverKafka,
}

impl Topology {
    /// Which roles run together, and how often.
    fn parts(self) -> (Vec<Vec<Role>>, usize) {
        match self {
            Self::Embedded | Self::AllInOne => (vec![Role::ALL.to_vec()], 1),
            Self::SplitInTwo => {
                let edge = [
                    Role::ApiGateway,
                    Role::EmotionIngestion,
                    Role::TransactionIngestion,
                    Role::Notification,
                ];
                let work = Role::ALL.into_iter().filter(|role| !edge.contains(role)).collect();
                (vec![edge.to_vec(), work], 1)
            }
            Self::RolePerProcess => (Role::ALL.into_iter().map(|role| vec![role]).collect(), 2),
            _ => (Role::ALL.into_iter().map(|role| vec![role]).collect(), 1),
        }
    }

    fn is_encrypted(self) -> bool {
        match self {
            Self::Encrypted | Self::EncryptedOverRabbitMq => true,
            #[cfg(feature = "kafka-tls")]
            Self::EncryptedOverKafka => true,
            _ => false,
        }
    }
}

/// The real servers of one deployment, with nothing in them that counts.
pub(crate) struct Servers {
    database: Database,
    /// Where keys and tombstones are.
    vault: Database,
    pub(crate) nats: Nats,
    pub(crate) redis: Redis,
}

impl Servers {
    /// Those that the environment names, or private ones. `None`, loudly, where one of them can't be had.
    pub(crate) async fn reserve(what: &str) -> Option<Self> {
        let engines = [Engine::Postgres, Engine::Nats, Engine::Redis];
        if let Some(reason) = engines.into_iter().find_map(unavailable) {
            did_not_run(what, &reason);
            return None;
        }
        // In this order everywhere: whoever has one of two that are reserved must get the other.
        let (nats, redis) = (Nats::reserve().await.unwrap(), Redis::reserve().await.unwrap());
        Some(Self { database: database().await, vault: database().await, nats, redis })
    }

    /// Such that NATS and Redis may be killed. `None`, loudly, where they can't be started here.
    pub(crate) async fn start(what: &str) -> Option<Self> {
        let killed = [Engine::Nats, Engine::Redis].into_iter().find_map(unavailable_privately);
        if let Some(reason) = killed.or(unavailable(Engine::Postgres)) {
            did_not_run(what, &reason);
            return None;
        }
        let nats = Nats::start(NatsOptions::default()).await.unwrap();
        let redis = Redis::start(RedisOptions::default()).await.unwrap();
        Some(Self { database: database().await, vault: database().await, nats, redis })
    }

    /// The settings that are enough to start a platform over these servers.
    pub(crate) fn settings(&self) -> Vec<(String, String)> {
        [self.addresses(), owned(&KEYS)].concat()
    }

    /// The settings that lead to these servers.
    pub(crate) fn addresses(&self) -> Vec<(String, String)> {
        owned(&[
            ("DATABASE_URL", self.database.url()),
            ("ECS_VAULT_URL", self.vault.url()),
            ("NATS_URL", self.nats.url()),
            ("REDIS_URL", self.redis.url()),
        ])
    }
}

/// An empty one, for one platform.
async fn database() -> Database {
    let empty = Template::new("ecs_empty", async |_| Ok(()));
    Postgres::shared().await.unwrap().database(empty).await.unwrap()
}

/// A platform that runs. It can be used like its first gateway.
pub(crate) struct Deployment {
    processes: Vec<Process>,
    gateways: Vec<Edge>,
    settings: Vec<(String, String)>,
    /// Outlive the processes.
    servers: Option<Servers>,
    pub(crate) encryption: Option<Encryption>,
}

/// One process of the platform.
pub(crate) struct Process {
    pub(crate) roles: Vec<Role>,
    pub(crate) address: SocketAddr,
    pub(crate) edge: Edge,
    program: Program,
}

impl Deployment {
    /// Starts every process and waits until all of them are ready. `None` where an engine can't be had.
    pub(crate) async fn start(topology: Topology) -> Option<Self> {
        Self::start_with(topology, &[]).await
    }

    /// The same with settings beside those that every test has.
    pub(crate) async fn start_with(topology: Topology, more: &[(&str, &str)]) -> Option<Self> {
        let mut settings = owned(&[
            ("ECS_MODE", "testing"),
            ("ECS_BCRYPT_COST", "4"),
            ("ECS_DATABASE_CONNECTIONS", "4"),
            ("ECS_RATE_LIMITS", "off"),
        ]);
        settings.extend(owned(more));
        let mut encryption = None;
        let servers = match topology {
            Topology::Embedded => {
                settings.extend(owned(&KEYS));
                None
            }
            topology if topology.is_encrypted() => {
                settings.extend(owned(&KEYS));
                encryption = Some(Encryption::start(topology).await?);
                None
            }
            _ => Some(Servers::reserve(&format!("{topology:?}")).await?),
        };
        settings.extend(servers.iter().flat_map(Servers::settings));
        settings.extend(encryption.iter().flat_map(Encryption::settings));
        if topology == Topology::RolePerProcessOverKafka {
            settings.retain(|(name, _)| name != "NATS_URL");
            settings.extend(over_kafka(&format!("{topology:?}")).await?);
        }
        if topology == Topology::RolePerProcessOverRabbitMq {
            settings.retain(|(name, _)| name != "NATS_URL");
            settings.extend(over_rabbitmq(&format!("{topology:?}")).await?);
        }
        let places = places(topology);
        let scheme = if encryption.is_some() { "https" } else { "http" };
        let settings = [settings, services(&places, scheme)].concat();
        let processes: Vec<Process> =
            places.into_iter().map(|(roles, address)| Process::start(roles, address, &settings)).collect();
        for process in &processes {
            process.is_ready().await;
        }
        let is_gateway = |process: &&Process| process.roles.contains(&Role::ApiGateway);
        let gateways = processes.iter().filter(is_gateway);
        let gateways: Vec<Edge> = gateways.map(|gateway| edge(gateway.address, &settings)).collect();
        for gateway in &gateways {
            gateway.knows_what_holds().await;
        }
        Some(Self { processes, gateways, settings, servers, encryption })
    }

    /// Every gateway there is.
    pub(crate) fn gateways(&self) -> &[Edge] {
        &self.gateways
    }

    /// The last gateway, which is another one than the first where there are two.
    pub(crate) fn other(&self) -> &Edge {
        self.gateways.last().unwrap()
    }

    /// Every process there is.
    pub(crate) fn processes(&self) -> &[Process] {
        &self.processes
    }

    /// The processes that run this role.
    pub(crate) fn replicas(&self, role: Role) -> Vec<&Process> {
        self.processes.iter().filter(|process| process.roles.contains(&role)).collect()
    }

    /// What its processes are set to.
    pub(crate) fn settings(&self) -> &[(String, String)] {
        &self.settings
    }

    /// Runs a command of an operator against it, who has the settings of the platform and knows where a gateway is.
    pub(crate) async fn command(&self, arguments: &[&str]) -> Output {
        let mut command = command(arguments);
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        command.env("ECS_URL", &self.gateways[0].url);
        run(command).await
    }

    /// Stops everything in order, the edge first.
    pub(crate) async fn stop(self) {
        for process in &self.processes {
            process.program.terminate().await.unwrap();
            let log = process.program.last_words();
            assert!(log.contains("\"stopped\""), "{:?} didn't stop in order:\n{log}", process.roles);
        }
        drop((self.servers, self.encryption));
    }
}

impl std::ops::Deref for Deployment {
    type Target = Edge;

    fn deref(&self) -> &Edge {
        &self.gateways[0]
    }
}

impl Process {
    /// Starts it; it need not be ready yet.
    pub(crate) fn start(roles: Vec<Role>, address: SocketAddr, settings: &[(String, String)]) -> Self {
        let names: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
        let line = [env!("CARGO_BIN_EXE_ecs"), "serve", "--listen", &address.to_string()].map(str::to_owned);
        let own = owned(&[("ECS_ROLES", &names.join(",")), ("ECS_LOG_FORMAT", "json")]);
        let program = Program::start(names[0], &line, &[settings, &own].concat()).unwrap();
        Self { roles, address, edge: edge(address, settings), program }
    }

    pub(crate) async fn is_ready(&self) {
        let client = self.edge.client(&Credentials::default());
        eventually(&format!("{:?} is ready", self.roles), async || {
            assert!(self.program.is_alive(), "{:?} has ended:\n{}", self.roles, self.program.last_words());
            client.ready().await.ok()
        })
        .await;
    }

    /// The end of its log.
    pub(crate) fn log(&self) -> String {
        self.program.last_words()
    }

    /// All of its log.
    pub(crate) fn whole_log(&self) -> String {
        let log = std::fs::read(self.program.folder().join("log")).unwrap();
        String::from_utf8_lossy(&log).into_owned()
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.program.is_alive()
    }

    /// Tells it to stop, and waits until it has.
    pub(crate) async fn stop(&self) {
        self.program.terminate().await.unwrap();
    }

    pub(crate) async fn kill(&self) {
        self.program.kill().await.unwrap();
    }

    /// Stops it where it is; who calls it waits.
    pub(crate) async fn pause(&self) {
        self.program.pause().await.unwrap();
    }

    pub(crate) fn resume(&self) {
        self.program.resume().unwrap();
    }

    /// Starts it again, at the same place.
    pub(crate) fn restart(&self) {
        self.program.restart().unwrap();
    }
}

/// The settings that lead to a Kafka, with topics of the deployment's own. `None`, loudly, where there is none.
async fn over_kafka(what: &str) -> Option<Vec<(String, String)>> {
    if let Some(reason) = unavailable(Engine::Kafka) {
        did_not_run(what, &reason);
        return None;
    }
    let kafka = Kafka::shared().await.unwrap();
    let prefix = format!("platform-{}.", uuid::Uuid::new_v4());
    Some(owned(&[("BUS_URL", kafka.url()), ("ECS_KAFKA_PREFIX", &prefix), ("ECS_KAFKA_PARTITIONS", "2")]))
}

/// The same for a RabbitMQ, with a virtual host of the deployment's own.
async fn over_rabbitmq(what: &str) -> Option<Vec<(String, String)>> {
    static SERVER: tokio::sync::OnceCell<RabbitMq> = tokio::sync::OnceCell::const_new();
    if let Some(reason) = unavailable_privately(Engine::RabbitMq) {
        did_not_run(what, &reason);
        return None;
    }
    let start = || async { RabbitMq::start(RabbitMqOptions::default()).await.unwrap() };
    let vhost = SERVER.get_or_init(start).await.vhost().await.unwrap();
    Some(owned(&[("BUS_URL", &vhost)]))
}

/// What runs where.
fn places(topology: Topology) -> Vec<(Vec<Role>, SocketAddr)> {
    let (parts, replicas) = topology.parts();
    let twice = parts.into_iter().flat_map(|roles| std::iter::repeat_n(roles, replicas));
    twice.map(|roles| (roles, free_address())).collect()
}

pub(crate) fn free_address() -> SocketAddr {
    ([127, 0, 0, 1], free_port().unwrap()).into()
}

/// Where each role is that somebody calls; nothing when all of them are in one process.
fn services(places: &[(Vec<Role>, SocketAddr)], scheme: &str) -> Vec<(String, String)> {
    if places.len() == 1 {
        return Vec::new();
    }
    let named = Role::ALL.into_iter().filter_map(|role| Some((role, role.service_setting()?)));
    let urls = |role: Role| {
        let there = places.iter().filter(|(roles, _)| roles.contains(&role));
        there.map(|(_, address)| format!("{scheme}://{address}")).collect::<Vec<_>>().join(",")
    };
    named.map(|(role, name)| (name.to_owned(), urls(role))).collect()
}

/// How a process with these settings is seen from outside.
fn edge(address: SocketAddr, settings: &[(String, String)]) -> Edge {
    let roots = settings.iter().find(|(name, _)| name == "ECS_TLS_ROOTS");
    match roots {
        Some((_, roots)) => Edge::encrypted(address, MovableClock::default(), roots.as_ref()),
        None => Edge::new(address, MovableClock::default()),
    }
}

pub(crate) fn owned(settings: &[(&str, &str)]) -> Vec<(String, String)> {
    settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}
