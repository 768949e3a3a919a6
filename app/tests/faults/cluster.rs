//! Two zones with one process per role each, and what they stand on.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use ecs::platform::SystemClock;
use ecs::role::Role;
use ecs_client::{Client, Credentials};
use ecs_domain::permission::Permission;
use ecs_domain::{Clock as _, UserId};
use ecs_servers::{Program, Proxy, Transport, free_port};
use ecs_web::auth::{SecretKey, Tokens};
use ecs_web::{Identity, Secret};

use crate::engines::Engines;
use crate::network::Network;
use crate::patience::eventually;

const SECRET: &str = "a secret of the tests, 32 bytes and more";
const INTERNAL_KEY: &str = "the internal key of the tests";
const MASTER_KEY: &str = "a master key of the tests, 32 bytes and more";
const ZONES: usize = 2;

pub(crate) struct Cluster {
    pub(crate) engines: Engines,
    pub(crate) zones: Vec<Network>,
    addresses: BTreeMap<Role, Vec<SocketAddr>>,
    processes: BTreeMap<(Role, usize), Program>,
    /// What phones and partners see: a gateway of one zone or the other.
    front: Proxy,
}

impl Cluster {
    /// Starts everything and waits until every process is ready.
    pub(crate) async fn start(transport: Transport) -> Self {
        let mut links = Vec::new();
        for _ in 0..ZONES {
            // There is nothing yet that they could lead to.
            links.push(Proxy::balance(Vec::new()).await.unwrap());
        }
        let engines = Engines::start(transport, &links).await;
        let address = |_| SocketAddr::from(([127, 0, 0, 1], free_port().unwrap()));
        let addresses: BTreeMap<Role, Vec<SocketAddr>> =
            Role::ALL.into_iter().map(|role| (role, (0..ZONES).map(address).collect())).collect();
        let mut zones = Vec::new();
        for link in links {
            zones.push(Network::start(&engines, link, &addresses).await);
        }
        let front = Proxy::balance(addresses[&Role::ApiGateway].clone()).await.unwrap();
        let mut cluster = Self { engines, zones, addresses, processes: BTreeMap::new(), front };
        for (role, zone) in cluster.places() {
            let process = cluster.spawn(role, zone);
            cluster.processes.insert((role, zone), process);
        }
        for (role, zone) in cluster.places() {
            cluster.is_ready(role, zone).await;
        }
        cluster
    }

    fn places(&self) -> Vec<(Role, usize)> {
        Role::ALL.into_iter().flat_map(|role| (0..ZONES).map(move |zone| (role, zone))).collect()
    }

    fn spawn(&self, role: Role, zone: usize) -> Program {
        let listen = self.addresses[&role][zone].to_string();
        let line = [env!("CARGO_BIN_EXE_ecs"), "serve", "--role", role.as_str(), "--listen", &listen];
        let mut settings = self.zones[zone].settings(&self.engines);
        settings.extend(common_settings());
        Program::start(role.as_str(), &line.map(str::to_owned), &settings).unwrap()
    }

    pub(crate) fn process(&self, role: Role, zone: usize) -> &Program {
        &self.processes[&(role, zone)]
    }

    /// Waits until a process says that it can serve.
    pub(crate) async fn is_ready(&self, role: Role, zone: usize) {
        let url = format!("http://{}", self.addresses[&role][zone]);
        let client = Client::new(&url, &Credentials::default()).unwrap();
        let process = self.process(role, zone);
        let ready = async || {
            assert!(process.is_alive(), "{role} has ended:\n{}", process.last_words());
            client.ready().await.ok()
        };
        eventually(&format!("{role} is ready"), ready, || process.last_words()).await;
    }

    /// A command of the operator against the platform.
    pub(crate) fn command(&self, arguments: &[&str]) -> (Vec<String>, Vec<(String, String)>) {
        let mut line = vec![env!("CARGO_BIN_EXE_ecs").to_owned()];
        line.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        let mut settings = common_settings();
        settings.push(("ECS_URL".to_owned(), format!("http://{}", self.front.address())));
        settings.push(("ECS_TOKEN".to_owned(), operators_token()));
        (line, settings)
    }

    /// Whether a process has ended by itself, and its last words.
    pub(crate) fn complaints(&self) -> String {
        let ended = self.processes.iter().filter(|(_, process)| !process.is_alive());
        ended
            .map(|((role, zone), process)| format!("{role} of zone {zone}:\n{}\n", process.last_words()))
            .collect()
    }

    /// Stops all processes in order, the gateways first.
    pub(crate) async fn stop(self) {
        for role in Role::ALL {
            for zone in 0..ZONES {
                self.process(role, zone).terminate().await.unwrap();
            }
        }
    }
}

fn common_settings() -> Vec<(String, String)> {
    let settings = [
        ("ECS_MODE", "testing"),
        ("SECRET_KEY", SECRET),
        ("INTERNAL_SERVICE_API_KEY", INTERNAL_KEY),
        ("ECS_MASTER_KEY", MASTER_KEY),
        ("ECS_BCRYPT_COST", "4"),
        ("ECS_REQUEST_TIMEOUT_S", "5"),
        // Twenty processes share one primary.
        ("ECS_DATABASE_CONNECTIONS", "8"),
        ("ECS_LOG_FORMAT", "json"),
        ("ECS_POLICY_FILE", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/faults/policy.toml")),
    ];
    settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

/// Holds as long as the longest soak.
fn operators_token() -> String {
    let tokens = Tokens::new(&SecretKey::new(Secret::new(SECRET)).unwrap());
    let operator = Identity::with(UserId::new(uuid::Uuid::nil()), Permission::ALL.iter().copied());
    tokens.issue(&operator, SystemClock.now(), Duration::from_secs(24 * 60 * 60)).unwrap()
}
