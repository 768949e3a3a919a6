//! The network of one zone: a proxy for everything that its processes talk to.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use ecs::role::Role;
use ecs_servers::Proxy;

use crate::engines::{DATABASE, Engines, VAULT};

/// What a zone can be cut off from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Link {
    Postgres,
    Broker,
    Redis,
    /// A role of both zones.
    Role(Role),
}

pub(crate) struct Network {
    nodes: [Proxy; 2],
    far: Proxy,
    broker: Proxy,
    redis: Proxy,
    /// One for each of a role's processes.
    roles: BTreeMap<Role, Vec<Proxy>>,
}

/// The settings that name the roles which others call.
const SERVICES: [(Role, &str); 6] = [
    (Role::EmotionIngestion, "EMOTION_SERVICE_URL"),
    (Role::TransactionIngestion, "TRANSACTION_SERVICE_URL"),
    (Role::UserAndCredit, "USER_CREDIT_SERVICE_URL"),
    (Role::CreditAnalysis, "CREDIT_ANALYSIS_SERVICE_URL"),
    (Role::Notification, "NOTIFICATION_SERVICE_URL"),
    (Role::Operations, "OPERATIONS_SERVICE_URL"),
];

impl Network {
    /// `broker` leads to the broker already, and `processes` are those of each role, in every zone.
    pub(crate) async fn start(
        engines: &Engines,
        broker: Proxy,
        processes: &BTreeMap<Role, Vec<SocketAddr>>,
    ) -> Self {
        let to = async |address: SocketAddr| Proxy::start(address).await.unwrap();
        let mut roles = BTreeMap::new();
        for (role, _) in SERVICES {
            let mut proxies = Vec::new();
            for process in &processes[&role] {
                proxies.push(to(*process).await);
            }
            roles.insert(role, proxies);
        }
        Self {
            nodes: [
                to(engines.nodes[0].address().unwrap()).await,
                to(engines.nodes[1].address().unwrap()).await,
            ],
            far: to(engines.far.address().unwrap()).await,
            broker,
            redis: to(engines.redis.address().unwrap()).await,
            roles,
        }
    }

    /// The settings by which a process of this zone finds everything.
    pub(crate) fn settings(&self, engines: &Engines) -> Vec<(String, String)> {
        let nodes = [self.nodes[0].address(), self.nodes[1].address()];
        let reads = [self.far.address(), nodes[1]];
        let read_urls: Vec<String> =
            reads.iter().map(|address| engines.primary().url_at(&[*address], DATABASE).unwrap()).collect();
        let mut settings = vec![
            ("DATABASE_URL", engines.primary().url_at(&nodes, DATABASE).unwrap()),
            ("ECS_VAULT_URL", engines.primary().url_at(&nodes, VAULT).unwrap()),
            ("DATABASE_READ_URLS", read_urls.join(",")),
            ("BUS_URL", engines.broker.url_at(self.broker.address()).unwrap()),
            ("REDIS_URL", engines.redis.url_at(self.redis.address()).unwrap()),
        ];
        for (role, name) in SERVICES {
            let urls: Vec<String> =
                self.roles[&role].iter().map(|proxy| format!("http://{}", proxy.address())).collect();
            settings.push((name, urls.join(",")));
        }
        settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// Connections end, new ones are refused.
    pub(crate) async fn cut(&self, link: Link) {
        for proxy in self.proxies(link) {
            proxy.cut().await;
        }
    }

    /// Bytes no longer arrive, and nobody says so.
    pub(crate) fn hold(&self, link: Link) {
        for proxy in self.proxies(link) {
            proxy.pause();
        }
    }

    pub(crate) async fn heal(&self, link: Link) {
        for proxy in self.proxies(link) {
            proxy.heal().await.unwrap();
        }
    }

    /// Leads to the nodes as they are after a failover.
    pub(crate) async fn follow(&self, engines: &Engines) {
        for (proxy, node) in self.nodes.iter().zip(&engines.nodes) {
            proxy.retarget(node.address().unwrap()).await.unwrap();
        }
        self.far.retarget(engines.far.address().unwrap()).await.unwrap();
    }

    fn proxies(&self, link: Link) -> Vec<&Proxy> {
        match link {
            Link::Postgres => self.nodes.iter().chain([&self.far]).collect(),
            Link::Broker => vec![&self.broker],
            Link::Redis => vec![&self.redis],
            Link::Role(role) => self.roles[&role].iter().collect(),
        }
    }
}
