//! What can go wrong, and how it ends.

use std::fmt;
use std::time::Duration;

use ecs::role::Role;

use crate::cluster::Cluster;
use crate::network::Link;

/// One thing that goes wrong.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// kill -9 of a role's process in the first zone; the other zone's goes on.
    Kill(Role),
    /// kill -9 of a role's processes in both zones.
    KillBoth(Role),
    /// SIGTERM of a role's process in the second zone, as every new version brings it.
    Stop(Role),
    /// SIGSTOP of a role's process in the second zone, then SIGCONT.
    Pause(Role),
    /// The same for so long that the bus gives its work to the other zone's, and that it comes back to work that isn't its own any more.
    Outlive(Role),
    KillServer(Server),
    PauseServer(Server),
    /// SIGSTOP of the broker for longer than anybody who is connected through it is waited for.
    Outage,
    /// The primary is killed, and the synchronous replica promoted.
    Failover,
    /// The first zone is cut off: its connections end.
    Cut(Link),
    /// The second zone is cut off without a word: its bytes don't arrive.
    Hold(Link),
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Server {
    Broker,
    Primary,
    SynchronousReplica,
    AsynchronousReplica,
    Redis,
}

const SERVERS: [Server; 5] =
    [Server::Broker, Server::Primary, Server::SynchronousReplica, Server::AsynchronousReplica, Server::Redis];

const LINKS: [Link; 6] = [
    Link::Postgres,
    Link::Broker,
    Link::Redis,
    Link::Role(Role::EmotionIngestion),
    Link::Role(Role::UserAndCredit),
    Link::Role(Role::CreditAnalysis),
];

/// How long a fault lasts when nothing is accepted meanwhile.
const BRIEFLY: Duration = Duration::from_secs(3);
/// Kafka waits ten seconds for a member, RabbitMQ as long for a heartbeat.
const LONG: Duration = Duration::from_secs(15);

/// Those who take their work from the bus.
const WORKERS: [Role; 4] =
    [Role::EmotionProcessing, Role::TransactionProcessing, Role::CreditApplication, Role::Notification];

impl Fault {
    /// All of them.
    pub(crate) fn all() -> Vec<Self> {
        [Self::sorts().concat(), WORKERS.map(Self::Outlive).into(), vec![Self::Outage]].concat()
    }

    /// What may go wrong with any role, server or network, sorted.
    pub(crate) fn sorts() -> Vec<Vec<Self>> {
        vec![
            Role::ALL.map(Self::Kill).into(),
            Role::ALL.map(Self::KillBoth).into(),
            Role::ALL.map(Self::Stop).into(),
            Role::ALL.map(Self::Pause).into(),
            SERVERS.map(Self::KillServer).into(),
            SERVERS.map(Self::PauseServer).into(),
            vec![Self::Failover],
            LINKS.map(Self::Cut).into(),
            LINKS.map(Self::Hold).into(),
        ]
    }

    /// Those in which transports differ: what befalls the broker, those who publish, those who work off, and the database in which they
    /// note what they have done.
    pub(crate) fn of_the_bus() -> Vec<Vec<Self>> {
        let intake = [Role::EmotionIngestion, Role::TransactionIngestion];
        let each = |faults: Vec<Self>| faults.into_iter().map(|fault| vec![fault]);
        each(vec![
            Self::KillServer(Server::Broker),
            Self::PauseServer(Server::Broker),
            Self::Cut(Link::Broker),
            Self::Hold(Link::Broker),
            Self::Failover,
        ])
        .chain(each(WORKERS.map(Self::Kill).into()))
        .chain(each(WORKERS.map(Self::Pause).into()))
        .chain([
            intake.map(Self::Kill).into(),
            intake.map(Self::Pause).into(),
            WORKERS.map(Self::Outlive).into(),
        ])
        .collect()
    }

    /// Whether the books must balance while it lasts.
    pub(crate) fn is_outlived(self) -> bool {
        matches!(self, Self::Outlive(_))
    }

    /// How long it lasts at most.
    pub(crate) fn lasts(self) -> Duration {
        if matches!(self, Self::Outage) { LONG } else { BRIEFLY }
    }

    pub(crate) async fn strike(self, cluster: &mut Cluster) {
        match self {
            Self::Kill(role) => cluster.process(role, 0).kill().await.unwrap(),
            Self::KillBoth(role) => {
                cluster.process(role, 0).kill().await.unwrap();
                cluster.process(role, 1).kill().await.unwrap();
            }
            Self::Stop(role) => cluster.process(role, 1).terminate().await.unwrap(),
            Self::Pause(role) | Self::Outlive(role) => cluster.process(role, 1).pause().await.unwrap(),
            Self::KillServer(server) => kill(cluster, server).await,
            Self::Outage => pause(cluster, Server::Broker).await,
            Self::PauseServer(server) => pause(cluster, server).await,
            Self::Failover => cluster.engines.fail_over().await,
            Self::Cut(link) => cluster.zones[0].cut(link).await,
            Self::Hold(link) => cluster.zones[1].hold(link),
        }
    }

    pub(crate) async fn heal(self, cluster: &mut Cluster) {
        match self {
            Self::Kill(role) => restart(cluster, role, 0).await,
            Self::Stop(role) => restart(cluster, role, 1).await,
            Self::KillBoth(role) => {
                cluster.process(role, 0).restart().unwrap();
                restart(cluster, role, 1).await;
                cluster.is_ready(role, 0).await;
            }
            Self::Pause(role) | Self::Outlive(role) => cluster.process(role, 1).resume().unwrap(),
            Self::KillServer(server) => revive(cluster, server).await,
            Self::Outage => resume(cluster, Server::Broker),
            Self::PauseServer(server) => resume(cluster, server),
            Self::Failover => {
                cluster.engines.rejoin().await;
                for zone in &cluster.zones {
                    zone.follow(&cluster.engines).await;
                }
            }
            Self::Cut(link) => cluster.zones[0].heal(link).await,
            Self::Hold(link) => cluster.zones[1].heal(link).await,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill(role) => write!(f, "kill -9 of one {role}"),
            Self::KillBoth(role) => write!(f, "kill -9 of every {role}"),
            Self::Stop(role) => write!(f, "SIGTERM of one {role}"),
            Self::Pause(role) => write!(f, "SIGSTOP of one {role}"),
            Self::Outlive(role) => write!(f, "SIGSTOP of one {role} until the other has done its work"),
            Self::KillServer(server) => write!(f, "kill -9 of {server:?}"),
            Self::PauseServer(server) => write!(f, "SIGSTOP of {server:?}"),
            Self::Outage => f.write_str("long SIGSTOP of Broker"),
            Self::Failover => f.write_str("failover to the synchronous replica"),
            Self::Cut(link) => write!(f, "a zone cut off from {link:?}"),
            Self::Hold(link) => write!(f, "a zone that hears nothing of {link:?}"),
        }
    }
}

async fn restart(cluster: &Cluster, role: Role, zone: usize) {
    cluster.process(role, zone).restart().unwrap();
    cluster.is_ready(role, zone).await;
}

async fn kill(cluster: &Cluster, server: Server) {
    let engines = &cluster.engines;
    match server {
        Server::Broker => engines.broker.kill().await,
        Server::Primary => engines.primary().kill().await,
        Server::SynchronousReplica => engines.nodes[1 - engines.primary].kill().await,
        Server::AsynchronousReplica => engines.far.kill().await,
        Server::Redis => engines.redis.kill().await,
    }
    .unwrap();
}

async fn revive(cluster: &Cluster, server: Server) {
    let engines = &cluster.engines;
    match server {
        Server::Broker => engines.broker.restart().await,
        Server::Primary => engines.primary().restart().await,
        Server::SynchronousReplica => engines.nodes[1 - engines.primary].restart().await,
        Server::AsynchronousReplica => engines.far.restart().await,
        Server::Redis => engines.redis.restart().await,
    }
    .unwrap();
}

async fn pause(cluster: &Cluster, server: Server) {
    let engines = &cluster.engines;
    match server {
        Server::Broker => engines.broker.pause().await,
        Server::Primary => engines.primary().pause().await,
        Server::SynchronousReplica => engines.nodes[1 - engines.primary].pause().await,
        Server::AsynchronousReplica => engines.far.pause().await,
        Server::Redis => engines.redis.pause().await,
    }
    .unwrap();
}

fn resume(cluster: &Cluster, server: Server) {
    let engines = &cluster.engines;
    match server {
        Server::Broker => engines.broker.resume(),
        Server::Primary => engines.primary().resume(),
        Server::SynchronousReplica => engines.nodes[1 - engines.primary].resume(),
        Server::AsynchronousReplica => engines.far.resume(),
        Server::Redis => engines.redis.resume(),
    }
    .unwrap();
}
