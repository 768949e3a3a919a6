//! An authority, and servers that show certificates of it.

use ecs_servers::{
    Authority, Database, Engine, Issued, Nats, NatsOptions, Postgres, PostgresOptions, Redis, RedisOptions,
    Template, did_not_run, unavailable_privately,
};
use tempfile::TempDir;

use super::deployment::owned;

/// The names of everything here.
const HERE: [&str; 2] = ["127.0.0.1", "localhost"];

/// What a platform needs to encrypt everything.
pub(crate) struct Encryption {
    authority: Authority,
    pub(crate) folder: TempDir,
    database: Database,
    postgres: Postgres,
    nats: Nats,
    redis: Redis,
}

impl Encryption {
    /// `None`, loudly, where one of the servers can't be had.
    pub(crate) async fn start(what: &str) -> Option<Self> {
        let engines = [Engine::Postgres, Engine::Nats, Engine::Redis];
        if let Some(reason) = engines.into_iter().find_map(unavailable_privately) {
            did_not_run(what, &reason);
            return None;
        }
        let (authority, folder) = (Authority::new().unwrap(), tempfile::tempdir().unwrap());
        let certificate = || -> Option<Issued> { Some(authority.issue(&HERE).unwrap()) };
        let postgres = PostgresOptions { certificate: certificate(), ..PostgresOptions::default() };
        let postgres = Postgres::start(postgres).await.unwrap();
        let empty = Template::new("ecs_empty", async |_| Ok(()));
        let database = postgres.database(empty).await.unwrap();
        let nats = NatsOptions { certificate: certificate(), ..NatsOptions::default() };
        let nats = Nats::start(nats).await.unwrap();
        let redis = RedisOptions { certificate: certificate(), ..RedisOptions::default() };
        let redis = Redis::start(redis).await.unwrap();
        std::fs::write(folder.path().join("roots.pem"), authority.certificate()).unwrap();
        let encryption = Self { authority, folder, database, postgres, nats, redis };
        encryption.renew();
        Some(encryption)
    }

    /// What makes the processes encrypt what they say and what they hear.
    pub(crate) fn settings(&self) -> Vec<(String, String)> {
        let file = |name: &str| self.folder.path().join(name).display().to_string();
        owned(&[
            ("DATABASE_URL", &format!("{}?sslmode=verify-full", self.database.url())),
            ("NATS_URL", self.nats.url()),
            ("REDIS_URL", &self.redis.encrypted_url().unwrap()),
            ("ECS_TLS_ROOTS", &file("roots.pem")),
            ("ECS_TLS_CERTIFICATE", &file("ecs.pem")),
            ("ECS_TLS_KEY", &file("ecs-key.pem")),
        ])
    }

    /// A new certificate for all processes, where the old one was.
    pub(crate) fn renew(&self) {
        self.authority.issue(&HERE).unwrap().write(self.folder.path(), "ecs").unwrap();
    }

    /// PostgreSQL and Redis take both, so they are asked what they have. NATS takes nothing else.
    pub(crate) async fn is_all_of_it_encrypted(&self) {
        let encrypted = self.redis.encrypted_url().unwrap();
        let at = encrypted.rsplit_once('@').unwrap().1.trim_end_matches('/');
        let clients = self.redis.command(&["CLIENT", "LIST"]).await.unwrap();
        let (theirs, others): (Vec<&str>, Vec<&str>) = clients
            .lines()
            .filter(|line| line.contains("addr="))
            .partition(|line| line.contains(&format!(" laddr={at} ")));
        assert!(!theirs.is_empty(), "nobody is connected: {clients}");
        assert!(others.iter().all(|line| line.contains(" cmd=client|list ")), "{clients}");
        let connections = "SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
                           WHERE backend_type = 'client backend' AND datname LIKE 'ecs_test_%'";
        let check = format!(
            "DO $$ BEGIN \
               ASSERT EXISTS ({connections} AND ssl), 'nobody is connected'; \
               ASSERT NOT EXISTS ({connections} AND NOT ssl), 'a connection is not encrypted'; \
             END $$"
        );
        self.postgres.execute(&check).await.unwrap();
    }
}
