//! Settings: raw text from several sources, turned into one validated value before anything starts.

mod address;
pub mod catalogue;
mod engines;
mod limits;
mod reader;
mod retention;
mod services;
mod show;
mod sources;
mod tls;
mod vault;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ecs_api_gateway::RateLimits;
use ecs_domain::consent::ConsentRule;
use ecs_domain::emotion::StressThreshold;
use ecs_domain::evaluation::Materiality;
use ecs_domain::transaction::Currency;
use ecs_notification::Reach;
use ecs_operations::WatchSpans;
use ecs_web::peer::{Network, TrustedProxies};
use ecs_web::secret::Secret;
use ecs_work::ageing::Lifetimes;

use self::reader::Reader;
use crate::role::Roles;
pub use address::Address;
pub use engines::{BusAt, CacheIn, StoreAt, bus_at};
pub use services::Services;
pub use show::show;
pub use sources::{Environment, Flags, Raw, Source, Value, merge};
pub use tls::Tls;
pub use vault::{Vault, VaultAt};

/// Where the data is unless somebody says otherwise.
pub const DEFAULT_DATA_DIR: &str = ".ecs";

/// One setting that can't stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Its name as it was set.
    pub name: String,
    /// What is wrong with it; never a secret's value.
    pub message: String,
}

/// Everything that is wrong with the settings.
#[derive(Debug)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("these settings can't stand:")?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  {} {}", problem.name, problem.message))
    }
}

impl std::error::Error for Problems {}

/// Who runs the platform, and for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// On one machine, everything made by itself.
    Embedded,
    /// For tests: secrets are given, consent may be assumed, password hashes may be cheap.
    Testing,
    /// For people's data.
    Production,
}

/// The settings of a process, each checked.
#[derive(Debug, Clone)]
pub struct Settings {
    /// See `ECS_MODE`.
    pub mode: Mode,
    /// The folder of store, bus and secrets, as far as they are embedded.
    pub data_dir: PathBuf,
    /// Where the store is.
    pub store: StoreAt,
    /// Where the bus is.
    pub bus: BusAt,
    /// Where the cache is.
    pub cache: CacheIn,
    /// Where the roles of other processes are.
    pub services: Services,
    /// How long a start waits for an engine that is away.
    pub start_timeout: Duration,
    /// Where to serve HTTP.
    pub listen: SocketAddr,
    /// How it is encrypted, and who is trusted.
    pub tls: Tls,
    /// What to run.
    pub roles: Roles,
    /// Signs tokens; `None` in embedded mode, which keeps its own in the data folder.
    pub secret_key: Option<Secret>,
    /// Keys whose tokens hold, too, while keys are changed.
    pub accepted_keys: Vec<Secret>,
    /// Where the keys of people are kept, and under what.
    pub vault: Vault,
    /// The internal key; `None` as above.
    pub internal_key: Option<Secret>,
    /// What silence about consent means.
    pub consent: ConsentRule,
    /// What a stress event is.
    pub stress: StressThreshold,
    /// How much somebody must have changed for another look.
    pub materiality: Materiality,
    /// Which days' decisions are compared with which.
    pub watch: WatchSpans,
    /// The deployment's currency.
    pub currency: Currency,
    /// Where the models are, and which may decide.
    pub models: ecs_credit_analysis::Places,
    /// A credit policy's file.
    pub policy_file: Option<PathBuf>,
    /// Where more service keys are listed.
    pub service_keys_file: Option<PathBuf>,
    /// Where checkpoints of the audit log and the decision log are appended.
    pub checkpoints_file: Option<PathBuf>,
    /// How long a session can be refreshed.
    pub session_lifetime: Duration,
    /// bcrypt's cost.
    pub bcrypt_cost: u32,
    /// Limits of the HTTP server.
    pub http: Http,
    /// How often callers may call.
    pub rate_limits: RateLimits,
    /// Whose word counts on where a request comes from.
    pub trusted_proxies: TrustedProxies,
    /// How long a process that stops says so before it takes no more requests.
    pub shutdown_grace: Duration,
    /// How long a stop waits for work in flight.
    pub drain_timeout: Duration,
    /// Events that may wait to be made durable.
    pub publish_window: usize,
    /// Where webhooks may go.
    pub webhooks: Reach,
    /// Networks that no webhook goes to.
    pub webhooks_deny: Vec<Network>,
    /// Failed deliveries until an event is given up.
    pub delivery_limit: u32,
    /// How long things are kept.
    pub retention: Retention,
    /// Where commands find the platform.
    pub url: Option<String>,
    /// What commands authenticate with.
    pub token: Option<Secret>,
}

/// Limits of the HTTP server.
#[derive(Debug, Clone, Copy)]
pub struct Http {
    /// Open connections served at once.
    pub max_connections: usize,
    /// Requests that may wait for their answers at once; one more gets 503 before anything of it is read.
    pub max_in_flight: usize,
    /// After which a request gets 503.
    pub request_timeout: Duration,
}

/// How long things are kept, in days.
#[derive(Debug, Clone, Copy)]
pub struct Retention {
    /// Emotion events on the bus.
    pub emotion_bus_days: u16,
    /// Other events on the bus.
    pub bus_days: u16,
    /// Raw emotion rows.
    pub raw_emotion_days: u16,
    /// Rows that grow old.
    pub lifetimes: Lifetimes,
}

impl Settings {
    /// Turns raw values into settings, or says everything that is wrong with them.
    pub fn from_raw(raw: &Raw) -> Result<Self, Problems> {
        let mut read = Reader::new(raw);
        let settings = read.settings();
        match settings {
            Some(settings) if read.problems.is_empty() => Ok(settings),
            _ => Err(Problems(read.problems)),
        }
    }

    /// The file of checkpoints of the audit log and the decision log, if they are kept in one.
    #[must_use]
    pub fn checkpoints(&self) -> Option<PathBuf> {
        let in_folder = self.uses_data_folder().then(|| self.data_dir.join("audit-checkpoints.jsonl"));
        self.checkpoints_file.clone().or(in_folder)
    }

    /// Whether store and bus are in the data folder, all or part of them, so that the folder is this process's own.
    #[must_use]
    pub fn uses_data_folder(&self) -> bool {
        !self.store.is_shared() || !self.bus.is_shared()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::role::Role;

    fn settings(set: &[(&str, &str)]) -> Result<Settings, Problems> {
        let environment = set.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        Settings::from_raw(&merge(&environment, &Flags::default())?)
    }

    const KEYS: [(&str, &str); 4] = [
        ("SECRET_KEY", "0123456789abcdef0123456789abcdef"),
        ("INTERNAL_SERVICE_API_KEY", "0123456789abcdef"),
        ("ECS_MASTER_KEY", "0123456789abcdef0123456789abcdef"),
        ("ECS_VAULT_URL", "postgres://ecs:hunter2@keys/vault"),
    ];

    #[test]
    fn a_laptop_needs_no_settings() {
        let settings = settings(&[]).unwrap();
        assert_eq!(settings.mode, Mode::Embedded);
        assert_eq!(settings.shutdown_grace, Duration::ZERO);
        assert_eq!(settings.consent, ConsentRule::Assumed);
        assert!(settings.secret_key.is_none());
        assert!(settings.roles.contains(Role::ApiGateway));
    }

    #[test]
    fn production_requires_secrets_and_consent() {
        let refused = settings(&[
            ("ECS_MODE", "production"),
            ("EMOTION_CONSENT", "assumed"),
            ("ECS_WEBHOOKS_PRIVATE", "allow"),
        ])
        .unwrap_err()
        .to_string();
        for name in [
            "SECRET_KEY must be set",
            "INTERNAL_SERVICE_API_KEY must be set",
            "ECS_MASTER_KEY must be set",
            "EMOTION_CONSENT must be required",
            "ECS_WEBHOOKS_PRIVATE must be refuse in production",
        ] {
            assert!(refused.contains(name), "{refused}");
        }
        let production = settings(&[&[("ECS_MODE", "production")], &KEYS[..]].concat()).unwrap();
        assert_eq!(production.consent, ConsentRule::Required);
        assert_eq!(production.shutdown_grace, Duration::from_secs(5));
        assert_eq!(production.webhooks, Reach::Public);
    }

    #[test]
    fn a_wrong_value_is_refused_with_its_name_and_the_reason() {
        let check = |name: &str, value: &str, expect: &str| {
            let refused = settings(&[(name, value)]).map(|_| ()).unwrap_err().to_string();
            assert!(refused.contains(name) && refused.contains(expect), "{refused}");
            assert!(!refused.contains("hunter2"), "a password is told: {refused}");
        };
        check("ECS_WEBHOOKS_PRIVATE", "yes", "must be refuse or allow");
        check("ECS_LISTEN", "here", "must be an address and a port");
        check("ECS_MODE", "prod", "must be embedded, testing or production");
        check("ECS_BCRYPT_COST", "4", "from 12 to 16");
        check("ECS_STRESS_THRESHOLD", "1.5", "between 0 and 1");
        check("ECS_BASE_CURRENCY", "real", "ISO 4217");
        check("ECS_ROLES", "gateway", "there is no such role");
        check("ECS_ROLES", "user-and-credit", "calls credit-analysis");
        check("ECS_CACHE", "disk", "memory, none or redis");
        check("ECS_CACHE", "redis", "REDIS_URL doesn't say where");
        check("REDIS_URL", "memcached://x", "\"memcached\"");
        check("DATABASE_URL", "mysql://user:hunter2@x", "\"mysql\", which there is none of");
        check("DATABASE_URL", "hunter2", "must be an address such as postgres://");
        check("DATABASE_READ_URLS", "postgres://x", "that DATABASE_URL doesn't name");
        check("BUS_URL", "pulsar://user:hunter2@x", "\"pulsar\"");
        check("ECS_VAULT_URL", "redis://user:hunter2@x", "\"redis\"");
        check("ECS_VAULT_URL", "sqlite:", "sqlite:/path");
        check("ECS_MASTER_KEY", "hunter2", "at least 32 bytes");
        check("ECS_BUS_REPLICAS", "6", "from 1 to 5");
        check("NATS_MONITOR_URL", "http://bus", "http://host:8222");
        check("NATS_MONITOR_URL", "http://ecs:hunter2@bus:8222", "http://host:8222");
        check("NATS_MONITOR_URL", "http://bus:8222", "a NATS that BUS_URL doesn't name");
        check("NOTIFICATION_SERVICE_URL", "https://user:hunter2@x", "http://host:9999");
        check("ECS_TLS_CERTIFICATE", "chain.pem", "ECS_TLS_KEY must name");
        check("ECS_TLS_KEY", "key.pem", "ECS_TLS_CERTIFICATE must name");
        check("ECS_RATE_LIMITS", "reads.user=5/s", "the class \"reads\"; there are ingest, read");
        check("ECS_RATE_LIMITS", "on", "such as read.user=20/s:40");
        check("ECS_TRUSTED_PROXIES", "10.0.0.0/8, proxy", "\"proxy\" must be an address or a network");
        check("ECS_WEBHOOKS_DENY", "8.8.8.0/24,8.8.8.8/40", "\"8.8.8.8/40\" must be an address or a network");
        check("SECRET_KEY", "short", "at least 32 bytes");
        check("SECRET_KEYS_ACCEPTED", "0123456789abcdef0123456789abcdef, short", "at least 32 bytes");
    }

    const POSTGRES: (&str, &str) = ("DATABASE_URL", "postgres://ecs:hunter2@db/ecs");
    const NATS: (&str, &str) = ("NATS_URL", "nats://ecs:hunter2@bus");
    const REDIS: (&str, &str) = ("REDIS_URL", "redis://:hunter2@cache");

    /// What the settings say with the keys and these.
    fn with_keys(set: &[(&str, &str)]) -> Result<Settings, String> {
        settings(&[&KEYS, set].concat()).map_err(|problems| problems.to_string())
    }

    #[cfg(all(feature = "postgres", feature = "nats", feature = "redis"))]
    #[test]
    fn seven_settings_are_a_platform_on_real_engines() {
        let settings = with_keys(&[POSTGRES, NATS, REDIS]).unwrap();
        assert_eq!((settings.mode, settings.consent), (Mode::Production, ConsentRule::Required));
        assert!(settings.store.is_shared() && settings.bus.is_shared() && !settings.uses_data_folder());
        assert!(matches!(settings.cache, CacheIn::Redis { .. }));
        assert!(!format!("{settings:?}").contains("hunter2"));
        let monitored = with_keys(&[POSTGRES, NATS, ("NATS_MONITOR_URL", "http://bus:8222/")]).unwrap();
        assert!(matches!(&monitored.bus, BusAt::Nats { monitor: Some(at), .. } if at == "bus:8222"));
        #[cfg(feature = "kafka")]
        {
            let kafka = ("BUS_URL", "kafka://ecs:hunter2@a:9092,b:9092");
            let prefix = ("ECS_KAFKA_PREFIX", "here.");
            let over_kafka = with_keys(&[POSTGRES, kafka, prefix]).unwrap();
            let BusAt::Kafka { servers, partitions: None, prefix, .. } = &over_kafka.bus else {
                panic!("another bus")
            };
            assert_eq!((servers.hosts().as_str(), prefix.as_str()), ("a:9092,b:9092", "here."));
            assert!(!format!("{over_kafka:?}").contains("hunter2"));
            let odd = with_keys(&[POSTGRES, kafka, ("ECS_KAFKA_PREFIX", "a/b")]).unwrap_err();
            assert!(odd.contains("letters, digits"), "{odd}");
        }
        #[cfg(feature = "rabbitmq")]
        {
            let over_rabbitmq = with_keys(&[POSTGRES, ("BUS_URL", "amqp://ecs:hunter2@a:5672/ecs")]).unwrap();
            let BusAt::RabbitMq { servers } = &over_rabbitmq.bus else { panic!("another bus") };
            assert_eq!(servers.hosts(), "a:5672");
            assert!(!format!("{over_rabbitmq:?}").contains("hunter2"));
        }
        let without_redis = with_keys(&[POSTGRES, NATS]).unwrap();
        assert_eq!(without_redis.cache, CacheIn::Nothing);
    }

    /// Keys would be in the dumps of what they open.
    #[cfg(all(feature = "postgres", feature = "nats"))]
    #[test]
    fn the_vault_is_apart_from_the_store() {
        let check = |vault: Option<&str>, expect: &str| {
            let [secret, key, master, _] = KEYS;
            let vault = vault.map(|address| ("ECS_VAULT_URL", address));
            let set: Vec<_> = [POSTGRES, NATS, secret, key, master].into_iter().chain(vault).collect();
            let refused = settings(&set).map(|_| ()).unwrap_err().to_string();
            assert!(refused.contains(expect) && !refused.contains("hunter2"), "{refused}");
        };
        check(None, "ECS_VAULT_URL must say where the keys of people are kept");
        check(Some(POSTGRES.1), "ECS_VAULT_URL is DATABASE_URL");
        let gateway = [("ECS_ROLES", "api-gateway"), POSTGRES, NATS, KEYS[0], KEYS[1]];
        let refused = settings(&gateway).map(|_| ()).unwrap_err().to_string();
        assert!(
            !refused.contains("VAULT") && !refused.contains("MASTER"),
            "who has no store needs no keys: {refused}"
        );
    }

    #[cfg(all(feature = "postgres", feature = "nats", feature = "redis"))]
    #[test]
    fn a_split_names_where_the_other_roles_are() {
        let engines = [POSTGRES, NATS];
        let check = |set: &[(&str, &str)], expect: &str| {
            let refused =
                with_keys(&[&engines, set].concat()).map(|_| "accepted".to_owned()).unwrap_or_else(|no| no);
            assert!(refused.contains(expect), "{refused}");
        };
        let gateway =
            ("ECS_ROLES", "api-gateway,emotion-ingestion,transaction-ingestion,notification,operations");
        check(
            &[gateway],
            "calls user-and-credit, which is not among the chosen roles: say with USER_CREDIT_SERVICE_URL",
        );
        check(&[gateway], "CREDIT_ANALYSIS_SERVICE_URL");
        let urls = [
            ("USER_CREDIT_SERVICE_URL", "http://a:1,http://b:2/"),
            ("CREDIT_ANALYSIS_SERVICE_URL", "http://c"),
        ];
        check(&[gateway, urls[0], urls[1]], "accepted");
        check(&[("ECS_ROLES", "emotion-processing")], "accepted");
        check(&[("ECS_CACHE", "memory")], "ECS_CACHE is memory, which a store that several processes share");
        check(&[("ECS_MODE", "embedded")], "ECS_MODE is embedded");
        let settings = with_keys(&[&engines[..], &urls].concat()).unwrap();
        assert_eq!(settings.services.of(Role::UserAndCredit), ["http://a:1", "http://b:2"]);
        assert!(settings.services.of(Role::Notification).is_empty());
    }

    /// What is in a data folder belongs to one process, so no other can have a part of the platform.
    #[test]
    fn a_split_over_embedded_storage_is_refused_by_name() {
        let elsewhere = ("CREDIT_ANALYSIS_SERVICE_URL", "http://c");
        let check = |set: &[(&str, &str)], expect: &str| {
            let refused = with_keys(&[set, &[elsewhere]].concat()).unwrap_err();
            assert!(
                refused.contains("CREDIT_ANALYSIS_SERVICE_URL names a role of another process"),
                "{refused}"
            );
            assert!(refused.contains(expect), "{refused}");
        };
        check(&[], "SQLite in the data folder");
        check(&[("ECS_ROLES", "user-and-credit")], "SQLite in the data folder");
        check(&[("BUS_URL", "embedded:")], "SQLite in the data folder");
        check(&[POSTGRES], "the embedded bus in the data folder");
        check(&[NATS], "SQLite in the data folder");
    }

    #[test]
    fn secrets_do_not_print() {
        let printed = format!("{:?}", settings(&KEYS).unwrap());
        assert!(!printed.contains("0123456789abcdef") && !printed.contains("hunter2"));
        let short = settings(&[("SECRET_KEY", "hunter2")]).unwrap_err().to_string();
        assert!(!short.contains("hunter2"));
    }
}
