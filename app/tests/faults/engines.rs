//! The servers: two PostgreSQL nodes that take turns as primary and synchronous replica, a far replica, the
//! server of a bus, and Redis.

use ecs_servers::{Broker, Postgres, PostgresOptions, Proxy, Redis, RedisOptions, Replication, Transport};

pub(crate) const DATABASE: &str = "ecs";
pub(crate) const VAULT: &str = "vault";

pub(crate) struct Engines {
    /// The primary is one of them, the synchronous replica the other.
    pub(crate) nodes: [Postgres; 2],
    pub(crate) primary: usize,
    /// The asynchronous replica.
    pub(crate) far: Postgres,
    pub(crate) broker: Broker,
    pub(crate) redis: Redis,
}

impl Engines {
    /// `proxies` will lead to the broker.
    pub(crate) async fn start(transport: Transport, proxies: &[Proxy]) -> Self {
        // Twenty processes with a pool each.
        let options = PostgresOptions { max_connections: 600, ..PostgresOptions::default() };
        let primary = Postgres::start(options).await.unwrap();
        for database in [DATABASE, VAULT] {
            primary.execute(&format!("CREATE DATABASE {database}")).await.unwrap();
        }
        let near = primary.replica(Replication::Synchronous).await.unwrap();
        let far = primary.replica(Replication::Asynchronous).await.unwrap();
        let broker = Broker::behind(transport, proxies).await.unwrap();
        let redis = Redis::start(RedisOptions::default()).await.unwrap();
        Self { nodes: [primary, near], primary: 0, far, broker, redis }
    }

    pub(crate) fn primary(&self) -> &Postgres {
        &self.nodes[self.primary]
    }

    /// The primary dies, and the synchronous replica takes its place.
    pub(crate) async fn fail_over(&mut self) {
        self.primary().kill().await.unwrap();
        self.primary = 1 - self.primary;
        self.primary().promote().await.unwrap();
    }

    /// The dead node and the far replica begin anew, as replicas of the new primary.
    pub(crate) async fn rejoin(&mut self) {
        let near = self.primary().replica(Replication::Synchronous).await.unwrap();
        self.far = self.primary().replica(Replication::Asynchronous).await.unwrap();
        self.nodes[1 - self.primary] = near;
    }
}
