//! Settings: raw text from several sources, turned into one validated value before anything starts.

pub mod catalogue;
mod show;
mod sources;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use ecs_domain::consent::ConsentRule;
use ecs_domain::emotion::{StressThreshold, Unit};
use ecs_domain::transaction::Currency;
use ecs_web::secret::Secret;

use crate::role::{Role, Roles};
pub use show::show;
pub use sources::{Environment, Flags, Raw, Source, Value, merge};

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
    /// The folder of store, bus and secrets.
    pub data_dir: PathBuf,
    /// Where to serve HTTP.
    pub listen: SocketAddr,
    /// What to run.
    pub roles: Roles,
    /// Signs tokens; `None` in embedded mode, which keeps its own in the data folder.
    pub secret_key: Option<Secret>,
    /// The internal key; `None` as above.
    pub internal_key: Option<Secret>,
    /// What silence about consent means.
    pub consent: ConsentRule,
    /// What a stress event is.
    pub stress: StressThreshold,
    /// The deployment's currency.
    pub currency: Currency,
    /// A credit policy's file.
    pub policy_file: Option<PathBuf>,
    /// bcrypt's cost.
    pub bcrypt_cost: u32,
    /// Limits of the HTTP server.
    pub http: Http,
    /// How long a stop waits for work in flight.
    pub drain_timeout: Duration,
    /// Events that may wait to be made durable.
    pub publish_window: usize,
    /// Failed deliveries until an event is given up.
    pub delivery_limit: u32,
    /// How long things are kept.
    pub retention: Retention,
    /// The cache's size in bytes; `None` for no cache.
    pub cache_bytes: Option<u64>,
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
}

impl Settings {
    /// Turns raw values into settings, or says everything that is wrong with them.
    pub fn from_raw(raw: &Raw) -> Result<Self, Problems> {
        let mut read = Reader { raw, problems: Vec::new() };
        let mode = read.mode();
        let settings = read.settings(mode);
        match settings {
            Some(settings) if read.problems.is_empty() => Ok(settings),
            _ => Err(Problems(read.problems)),
        }
    }
}

/// Reads values one by one and remembers what is wrong, so that all of it is told at once.
struct Reader<'a> {
    raw: &'a Raw,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    /// `None` only after a problem was noted.
    fn settings(&mut self, mode: Mode) -> Option<Settings> {
        self.check_engines();
        let production = mode == Mode::Production;
        let parsed = Parsed {
            listen: self.parse("ECS_LISTEN", "must be an address and a port, such as 127.0.0.1:9999"),
            stress: self
                .parse("ECS_STRESS_THRESHOLD", "must be between 0 and 1")
                .and_then(|level| self.unit(level)),
            currency: self.parse::<Currency>("ECS_BASE_CURRENCY", "must be an ISO 4217 code such as BRL"),
        };
        Some(Settings {
            mode,
            data_dir: self.text("ECS_DATA_DIR").unwrap_or(DEFAULT_DATA_DIR).into(),
            roles: self.roles(),
            secret_key: self.key("SECRET_KEY", 32, mode),
            internal_key: self.key("INTERNAL_SERVICE_API_KEY", 16, mode),
            consent: self.consent(production),
            policy_file: self.text("ECS_POLICY_FILE").map(PathBuf::from),
            bcrypt_cost: self.number("ECS_BCRYPT_COST", if mode == Mode::Testing { 4 } else { 12 }, 16),
            http: Http {
                max_connections: self.number("ECS_MAX_CONNECTIONS", 1, 1_000_000),
                request_timeout: Duration::from_secs(self.number("ECS_REQUEST_TIMEOUT_S", 1, 600)),
            },
            drain_timeout: Duration::from_secs(self.number("ECS_DRAIN_TIMEOUT_S", 1, 600)),
            publish_window: self.number("ECS_PUBLISH_WINDOW", 1, 10_000_000),
            delivery_limit: self.number("ECS_DELIVERY_LIMIT", 1, 1_000),
            retention: Retention {
                emotion_bus_days: self.number("ECS_EMOTION_BUS_DAYS", 1, 3_650),
                bus_days: self.number("ECS_BUS_DAYS", 1, 3_650),
                raw_emotion_days: self.number("ECS_RAW_EMOTION_DAYS", 1, 3_650),
            },
            cache_bytes: self.cache(),
            url: self.text("ECS_URL").map(ToOwned::to_owned),
            token: self.text("ECS_TOKEN").map(|token| Secret::new(token.to_owned())),
            listen: parsed.listen?,
            stress: parsed.stress?,
            currency: parsed.currency?,
        })
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.raw.get(name).map(|value| value.text.as_str())
    }

    fn problem(&mut self, name: &str, message: impl Into<String>) {
        self.problems.push(Problem { name: name.to_owned(), message: message.into() });
    }

    fn parse<T: FromStr>(&mut self, name: &str, expected: &str) -> Option<T> {
        let parsed = self.text(name).unwrap_or_default().parse().ok();
        if parsed.is_none() {
            self.problem(name, format!("{expected}, it is {:?}", self.text(name).unwrap_or_default()));
        }
        parsed
    }

    fn unit(&mut self, level: f64) -> Option<StressThreshold> {
        let unit = Unit::new(level);
        if unit.is_none() {
            self.problem("ECS_STRESS_THRESHOLD", format!("must be between 0 and 1, it is {level}"));
        }
        unit.map(StressThreshold)
    }

    /// The lower bound after a problem was noted.
    fn number<T: FromStr + PartialOrd + Copy + fmt::Display>(&mut self, name: &str, least: T, most: T) -> T {
        let expected = format!("must be a whole number from {least} to {most}");
        match self.parse::<T>(name, &expected) {
            Some(number) if number >= least && number <= most => number,
            Some(number) => {
                self.problem(name, format!("{expected}, it is {number}"));
                least
            }
            None => least,
        }
    }

    fn mode(&mut self) -> Mode {
        let embedded_storage = self.text("DATABASE_URL").is_none() && self.text("BUS_URL").is_none();
        match self.text("ECS_MODE") {
            None if embedded_storage => Mode::Embedded,
            None | Some("production") => Mode::Production,
            Some("embedded") => Mode::Embedded,
            Some("testing") => Mode::Testing,
            Some(other) => {
                let message = format!("must be embedded, testing or production, it is {other:?}");
                self.problem("ECS_MODE", message);
                Mode::Embedded
            }
        }
    }

    /// This binary has embedded storage only; another engine's address is refused by the engine's name.
    fn check_engines(&mut self) {
        let engine = |url: &str| url.split(':').next().unwrap_or_default().to_owned();
        if let Some(url) = self.text("DATABASE_URL").map(engine) {
            self.problem(
                "DATABASE_URL",
                format!("names the engine {url:?}, which is not built into this binary"),
            );
        }
        match self.text("BUS_URL").map(engine) {
            Some(transport) if transport != "embedded" => {
                self.problem(
                    "BUS_URL",
                    format!("names the transport {transport:?}, which is not built into this binary"),
                );
            }
            Some(_) | None => {}
        }
    }

    fn roles(&mut self) -> Roles {
        let named = self.text("ECS_ROLES").unwrap_or_default().to_owned();
        let mut roles: Vec<Role> = Vec::new();
        for name in named.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            match name.parse() {
                Ok(role) => roles.push(role),
                Err(reason) => self.problem("ECS_ROLES", format!("names {name:?}: {reason}")),
            }
        }
        let roles = Roles::chosen(&roles);
        if let Err(refusal) = roles.check_embedded() {
            self.problem("ECS_ROLES", refusal);
        }
        roles
    }

    fn key(&mut self, name: &'static str, least: usize, mode: Mode) -> Option<Secret> {
        match self.text(name).map(|text| (text.len(), Secret::new(text.to_owned()))) {
            Some((length, key)) if length >= least => Some(key),
            Some((length, _)) => {
                self.problem(name, format!("must have at least {least} bytes, it has {length}"));
                None
            }
            None if mode == Mode::Embedded => None,
            None => {
                self.problem(
                    name,
                    format!("must be set outside embedded mode (or {name}_FILE); it has no default"),
                );
                None
            }
        }
    }

    fn consent(&mut self, production: bool) -> ConsentRule {
        match self.text("EMOTION_CONSENT") {
            Some("required") => ConsentRule::Required,
            Some("assumed") if !production => ConsentRule::Assumed,
            None if !production => ConsentRule::Assumed,
            None => ConsentRule::Required,
            Some("assumed") => {
                self.problem(
                    "EMOTION_CONSENT",
                    "must be required in production: consent can't be assumed there",
                );
                ConsentRule::Required
            }
            Some(other) => {
                let message = format!("must be assumed or required, it is {other:?}");
                self.problem("EMOTION_CONSENT", message);
                ConsentRule::Required
            }
        }
    }

    fn cache(&mut self) -> Option<u64> {
        let mebibytes: u64 = self.number("ECS_CACHE_MIB", 1, 65_536);
        match self.text("ECS_CACHE") {
            Some("none") => None,
            Some("memory") => Some(mebibytes << 20),
            other => {
                let message = format!("must be memory or none, it is {:?}", other.unwrap_or_default());
                self.problem("ECS_CACHE", message);
                None
            }
        }
    }
}

/// The values without a fall-back, read first so that one that can't be read doesn't hide what else is wrong.
struct Parsed {
    listen: Option<SocketAddr>,
    stress: Option<StressThreshold>,
    currency: Option<Currency>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(set: &[(&str, &str)]) -> Result<Settings, Problems> {
        let environment = set.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        Settings::from_raw(&merge(&environment, &Flags::default())?)
    }

    const KEYS: [(&str, &str); 2] = [
        ("SECRET_KEY", "0123456789abcdef0123456789abcdef"),
        ("INTERNAL_SERVICE_API_KEY", "0123456789abcdef"),
    ];

    #[test]
    fn a_laptop_needs_no_settings() {
        let settings = settings(&[]).unwrap();
        assert_eq!(settings.mode, Mode::Embedded);
        assert_eq!(settings.consent, ConsentRule::Assumed);
        assert!(settings.secret_key.is_none());
        assert!(settings.roles.contains(Role::ApiGateway));
    }

    #[test]
    fn production_requires_secrets_and_consent() {
        let refused =
            settings(&[("ECS_MODE", "production"), ("EMOTION_CONSENT", "assumed")]).unwrap_err().to_string();
        for name in [
            "SECRET_KEY must be set",
            "INTERNAL_SERVICE_API_KEY must be set",
            "EMOTION_CONSENT must be required",
        ] {
            assert!(refused.contains(name), "{refused}");
        }
        let [secret, key] = KEYS;
        let production = settings(&[("ECS_MODE", "production"), secret, key]).unwrap();
        assert_eq!(production.consent, ConsentRule::Required);
    }

    #[test]
    fn a_wrong_value_is_refused_with_its_name_and_the_reason() {
        let check = |name: &str, value: &str, expect: &str| {
            let refused = settings(&[(name, value)]).map(|_| ()).unwrap_err().to_string();
            assert!(refused.contains(name) && refused.contains(expect), "{refused}");
        };
        check("ECS_LISTEN", "here", "must be an address and a port");
        check("ECS_MODE", "prod", "must be embedded, testing or production");
        check("ECS_BCRYPT_COST", "4", "from 12 to 16");
        check("ECS_STRESS_THRESHOLD", "1.5", "between 0 and 1");
        check("ECS_BASE_CURRENCY", "real", "ISO 4217");
        check("ECS_ROLES", "gateway", "there is no such role");
        check("ECS_ROLES", "user-and-credit", "calls credit-analysis");
        check("ECS_CACHE", "redis", "memory or none");
        check("DATABASE_URL", "postgres://x", "\"postgres\", which is not built into this binary");
        check("BUS_URL", "nats://x", "\"nats\", which is not built into this binary");
        check("SECRET_KEY", "short", "at least 32 bytes");
    }

    #[test]
    fn secrets_do_not_print() {
        let [secret, key] = KEYS;
        let printed = format!("{:?}", settings(&[secret, key]).unwrap());
        assert!(!printed.contains("0123456789abcdef"));
        let short = settings(&[("SECRET_KEY", "hunter2")]).unwrap_err().to_string();
        assert!(!short.contains("hunter2"));
    }
}
