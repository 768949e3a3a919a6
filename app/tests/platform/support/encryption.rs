//! An authority, and servers that show certificates of it.

use ecs_servers::{
    Authority, Database, Engine, Issued, Nats, NatsOptions, Postgres, PostgresOptions, RabbitMq,
    RabbitMqOptions, Redis, RedisOptions, Template, did_not_run, unavailable_privately,
};
#[cfg(feature = "kafka-tls")]
use ecs_servers::{Kafka, KafkaOptions};
use tempfile::TempDir;

use super::deployment::{Topology, owned};

/// The names of everything here.
const HERE: [&str; 2] = ["127.0.0.1", "localhost"];

/// What a platform needs to encrypt everything.
pub(crate) struct Encryption {
    authority: Authority,
    pub(crate) folder: TempDir,
    database: Database,
    /// Where keys and tombstones are.
    vault: Database,
    postgres: Postgres,
    bus: Transport,
    redis: Redis,
}

/// The bus, which takes nothing that isn't encrypted; of Kafka that is one listener of several.
enum Transport {
    Nats(Nats),
    RabbitMq(RabbitMq),
    #[cfg(feature = "kafka-tls")]
    Kafka(Box<Kafka>),
}

impl Transport {
    fn engine(topology: Topology) -> Engine {
        match topology {
            Topology::EncryptedOverRabbitMq => Engine::RabbitMq,
            #[cfg(feature = "kafka-tls")]
            Topology::EncryptedOverKafka => Engine::Kafka,
            _ => Engine::Nats,
        }
    }

    async fn start(topology: Topology, certificate: Issued) -> Self {
        match topology {
            Topology::EncryptedOverRabbitMq => {
                let options =
                    RabbitMqOptions { certificate: Some(certificate), ..RabbitMqOptions::default() };
                Self::RabbitMq(RabbitMq::start(options).await.unwrap())
            }
            #[cfg(feature = "kafka-tls")]
            Topology::EncryptedOverKafka => {
                let certificate = Some(certificate.key + &certificate.certificate);
                let options = KafkaOptions { certificate, ..KafkaOptions::default() };
                Self::Kafka(Box::new(Kafka::start(options).await.unwrap()))
            }
            _ => {
                let options = NatsOptions { certificate: Some(certificate), ..NatsOptions::default() };
                Self::Nats(Nats::start(options).await.unwrap())
            }
        }
    }

    fn settings(&self) -> Vec<(String, String)> {
        match self {
            Self::Nats(nats) => owned(&[("BUS_URL", nats.url())]),
            Self::RabbitMq(server) => owned(&[("BUS_URL", server.url())]),
            #[cfg(feature = "kafka-tls")]
            Self::Kafka(kafka) => owned(&[
                ("BUS_URL", &kafka.encrypted_url("SCRAM-SHA-512").unwrap()),
                ("ECS_KAFKA_PARTITIONS", "2"),
            ]),
        }
    }

    /// The same place for somebody who doesn't encrypt. `None` for NATS: its clients do as soon as the server asks for it, whatever
    /// the address says.
    fn plain_url(&self) -> Option<String> {
        let url = self.settings().swap_remove(0).1;
        let place = url.split('?').next().unwrap();
        let plain = place.replacen("amqps://", "amqp://", 1).replacen("kafkas://", "kafka://", 1);
        (plain != place).then_some(plain)
    }
}

impl Encryption {
    /// `None`, loudly, where one of the servers can't be had.
    pub(crate) async fn start(topology: Topology) -> Option<Self> {
        let engines = [Engine::Postgres, Transport::engine(topology), Engine::Redis];
        if let Some(reason) = engines.into_iter().find_map(unavailable_privately) {
            did_not_run(&format!("{topology:?}"), &reason);
            return None;
        }
        let (authority, folder) = (Authority::new().unwrap(), tempfile::tempdir().unwrap());
        let certificate = || -> Option<Issued> { Some(authority.issue(&HERE).unwrap()) };
        let postgres = PostgresOptions { certificate: certificate(), ..PostgresOptions::default() };
        let postgres = Postgres::start(postgres).await.unwrap();
        let empty = || Template::new("ecs_empty", async |_| Ok(()));
        let database = postgres.database(empty()).await.unwrap();
        let vault = postgres.database(empty()).await.unwrap();
        let bus = Transport::start(topology, authority.issue(&HERE).unwrap()).await;
        let redis = RedisOptions { certificate: certificate(), ..RedisOptions::default() };
        let redis = Redis::start(redis).await.unwrap();
        std::fs::write(folder.path().join("roots.pem"), authority.certificate()).unwrap();
        let encryption = Self { authority, folder, database, vault, postgres, bus, redis };
        encryption.renew();
        Some(encryption)
    }

    /// What makes the processes encrypt what they say and what they hear.
    pub(crate) fn settings(&self) -> Vec<(String, String)> {
        let file = |name: &str| self.folder.path().join(name).display().to_string();
        let others = owned(&[
            ("DATABASE_URL", &format!("{}?sslmode=verify-full", self.database.url())),
            ("ECS_VAULT_URL", &format!("{}?sslmode=verify-full", self.vault.url())),
            ("REDIS_URL", &self.redis.encrypted_url().unwrap()),
            ("ECS_TLS_ROOTS", &file("roots.pem")),
            ("ECS_TLS_CERTIFICATE", &file("ecs.pem")),
            ("ECS_TLS_KEY", &file("ecs-key.pem")),
        ]);
        [others, self.bus.settings()].concat()
    }

    /// A new certificate for all processes, where the old one was.
    pub(crate) fn renew(&self) {
        self.authority.issue(&HERE).unwrap().write(self.folder.path(), "ecs").unwrap();
    }

    /// Where the bus is, for somebody who doesn't encrypt.
    pub(crate) fn plain_bus(&self) -> Option<String> {
        self.bus.plain_url()
    }

    /// PostgreSQL and Redis take both, so they are asked what they have. The bus takes nothing else.
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
