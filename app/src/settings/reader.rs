//! Reads raw values into settings.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use ecs_credit_analysis::{Places, Random};
use ecs_domain::consent::ConsentRule;
use ecs_domain::emotion::{StressThreshold, Unit};
use ecs_domain::evaluation::Materiality;
use ecs_domain::transaction::Currency;
use ecs_notification::Reach;
use ecs_operations::WatchSpans;
use ecs_web::secret::Secret;

use super::{DEFAULT_DATA_DIR, Http, Mode, Problem, Raw, Settings};

/// Longer than other roles keep a connection that nobody uses (4 s), so that none sends into one that is about to close.
const PRODUCTION_GRACE: Duration = Duration::from_secs(5);

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Reads values one by one and remembers what is wrong, so that all of it is told at once.
pub(super) struct Reader<'a> {
    raw: &'a Raw,
    pub(super) problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(raw: &'a Raw) -> Self {
        Self { raw, problems: Vec::new() }
    }
}

impl Reader<'_> {
    /// `None` only after a problem was noted.
    pub(super) fn settings(&mut self) -> Option<Settings> {
        let mode = self.mode();
        let (store, bus) = (self.store(), self.bus());
        let (roles, services) = (self.roles(), self.services());
        self.check_split(&roles, &services, &store, &bus);
        let production = mode == Mode::Production;
        let parsed = Parsed {
            listen: self.parse("ECS_LISTEN", "must be an address and a port, such as 127.0.0.1:9999"),
            stress: self
                .parse("ECS_STRESS_THRESHOLD", "must be between 0 and 1")
                .and_then(|level| self.unit(level)),
            materiality: self
                .parse("ECS_EVALUATION_CHANGE", "must be a number above 0")
                .and_then(|share| self.materiality(share)),
            currency: self.parse::<Currency>("ECS_BASE_CURRENCY", "must be an ISO 4217 code such as BRL"),
        };
        Some(Settings {
            mode,
            data_dir: self.text("ECS_DATA_DIR").unwrap_or(DEFAULT_DATA_DIR).into(),
            cache: self.cache(store.is_shared()),
            vault: self.vault(mode, &roles, &store),
            store,
            bus,
            tls: self.tls(),
            roles,
            services,
            start_timeout: self.seconds("ECS_START_TIMEOUT_S", 0),
            secret_key: self.key("SECRET_KEY", 32, mode),
            accepted_keys: self.keys("SECRET_KEYS_ACCEPTED", 32),
            internal_key: self.key("INTERNAL_SERVICE_API_KEY", 16, mode),
            consent: self.consent(production),
            models: self.models(production),
            policy_file: self.text("ECS_POLICY_FILE").map(PathBuf::from),
            service_keys_file: self.text("ECS_SERVICE_KEYS_FILE").map(PathBuf::from),
            checkpoints_file: self.text("ECS_AUDIT_CHECKPOINTS_FILE").map(PathBuf::from),
            session_lifetime: DAY * self.number::<u32>("ECS_SESSION_DAYS", 1, 365),
            bcrypt_cost: self.number("ECS_BCRYPT_COST", if mode == Mode::Testing { 4 } else { 12 }, 16),
            http: Http {
                max_connections: self.number("ECS_MAX_CONNECTIONS", 1, 1_000_000),
                max_in_flight: self.number("ECS_MAX_IN_FLIGHT", 1, 1_000_000),
                request_timeout: self.seconds("ECS_REQUEST_TIMEOUT_S", 1),
            },
            rate_limits: self.rate_limits(),
            trusted_proxies: self.trusted_proxies(),
            shutdown_grace: self.grace(production),
            drain_timeout: self.seconds("ECS_DRAIN_TIMEOUT_S", 1),
            publish_window: self.number("ECS_PUBLISH_WINDOW", 1, 10_000_000),
            webhooks: self.webhooks(production),
            webhooks_deny: self.networks("ECS_WEBHOOKS_DENY"),
            delivery_limit: self.number("ECS_DELIVERY_LIMIT", 1, 1_000),
            retention: self.retention(),
            watch: self.watch(),
            url: self.text("ECS_URL").map(ToOwned::to_owned),
            token: self.text("ECS_TOKEN").map(|token| Secret::new(token.to_owned())),
            listen: parsed.listen?,
            stress: parsed.stress?,
            materiality: parsed.materiality?,
            currency: parsed.currency?,
        })
    }

    fn models(&self, production: bool) -> Places {
        Places {
            file: self.text("ECS_MODELS_FILE").map(PathBuf::from),
            folder: self.text("ECS_MODELS_DIR").map(PathBuf::from),
            random: if production { Random::Refused } else { Random::Allowed },
        }
    }

    fn watch(&mut self) -> WatchSpans {
        WatchSpans {
            window_days: self.number("ECS_WATCH_WINDOW_DAYS", 1, 365),
            reference_days: self.number("ECS_WATCH_REFERENCE_DAYS", 1, 3_650),
        }
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.raw.get(name).map(|value| value.text.as_str())
    }

    pub(super) fn problem(&mut self, name: &str, message: impl Into<String>) {
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

    fn materiality(&mut self, share: f64) -> Option<Materiality> {
        let materiality = Materiality::new(share);
        if materiality.is_none() {
            self.problem("ECS_EVALUATION_CHANGE", format!("must be a number above 0, it is {share}"));
        }
        materiality
    }

    /// The lower bound after a problem was noted.
    pub(super) fn number<T: FromStr + PartialOrd + Copy + fmt::Display>(
        &mut self,
        name: &str,
        least: T,
        most: T,
    ) -> T {
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

    fn seconds(&mut self, name: &str, least: u64) -> Duration {
        Duration::from_secs(self.number(name, least, 600))
    }

    fn mode(&mut self) -> Mode {
        let bus_elsewhere = self.text("BUS_URL").is_some_and(|url| !url.starts_with("embedded:"));
        let all_embedded = self.text("DATABASE_URL").is_none() && !bus_elsewhere;
        match self.text("ECS_MODE") {
            None if all_embedded => Mode::Embedded,
            None | Some("production") => Mode::Production,
            Some("testing") => Mode::Testing,
            Some("embedded") => {
                if !all_embedded {
                    let message = "is embedded, whose secrets are made in the data folder of one process; with \
                                   DATABASE_URL or BUS_URL it must be production or testing";
                    self.problem("ECS_MODE", message);
                }
                Mode::Embedded
            }
            Some(other) => {
                let message = format!("must be embedded, testing or production, it is {other:?}");
                self.problem("ECS_MODE", message);
                Mode::Embedded
            }
        }
    }

    /// A secret of at least `least` bytes, which embedded mode can do without.
    pub(super) fn key(&mut self, name: &'static str, least: usize, mode: Mode) -> Option<Secret> {
        match self.text(name).map(|text| (text.len(), Secret::new(text.to_owned()))) {
            Some((length, key)) if length >= least => Some(key),
            Some((length, _)) => {
                self.problem(name, format!("must have at least {least} bytes, it has {length}"));
                None
            }
            None if mode == Mode::Embedded => None,
            None => {
                let message =
                    format!("must be set outside embedded mode (or {name}_FILE); it has no default");
                self.problem(name, message);
                None
            }
        }
    }

    /// A list of secrets of at least `least` bytes, such as those that are accepted while one is changed.
    pub(super) fn keys(&mut self, name: &str, least: usize) -> Vec<Secret> {
        let keys: Vec<Secret> = self
            .text(name)
            .unwrap_or_default()
            .split(|character: char| character == ',' || character.is_whitespace())
            .filter(|key| !key.is_empty())
            .map(|key| Secret::new(key.to_owned()))
            .collect();
        if keys.iter().any(|key| key.expose().len() < least) {
            self.problem(name, format!("each of its keys must have at least {least} bytes"));
        }
        keys
    }

    /// In production others send requests here until they have noticed; on a laptop nobody wants to wait.
    fn grace(&mut self, production: bool) -> Duration {
        match self.text("ECS_SHUTDOWN_GRACE_S") {
            None if production => PRODUCTION_GRACE,
            None => Duration::ZERO,
            Some(_) => self.seconds("ECS_SHUTDOWN_GRACE_S", 0),
        }
    }

    fn webhooks(&mut self, production: bool) -> Reach {
        match self.text("ECS_WEBHOOKS_PRIVATE") {
            None | Some("refuse") => Reach::Public,
            Some("allow") if !production => Reach::Anywhere,
            Some("allow") => {
                self.problem("ECS_WEBHOOKS_PRIVATE", "must be refuse in production");
                Reach::Public
            }
            Some(other) => {
                let message = format!("must be refuse or allow, it is {other:?}");
                self.problem("ECS_WEBHOOKS_PRIVATE", message);
                Reach::Public
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
}

/// The values without a fall-back, read first so that one that can't be read doesn't hide what else is wrong.
struct Parsed {
    listen: Option<SocketAddr>,
    stress: Option<StressThreshold>,
    materiality: Option<Materiality>,
    currency: Option<Currency>,
}
