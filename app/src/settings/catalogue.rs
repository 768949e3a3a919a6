//! Every setting there is: its name, its default, and what it is for. `.env.example` and `ecs config` are made from
//! this table, and whatever isn't in it is refused.

/// One setting.
#[derive(Debug)]
pub struct Setting {
    /// The name in the environment; in the TOML file the same in lower case.
    pub name: &'static str,
    /// What holds when nobody sets it; empty where the mode decides or nothing holds.
    pub default: &'static str,
    /// Whether its value is hidden, and may come from a file named by `NAME_FILE`.
    pub secret: bool,
    /// What it is for, with units.
    pub about: &'static str,
}

const fn setting(name: &'static str, default: &'static str, about: &'static str) -> Setting {
    Setting { name, default, secret: false, about }
}

const fn secret(name: &'static str, about: &'static str) -> Setting {
    Setting { name, default: "", secret: true, about }
}

/// The settings, in the order in which they are shown.
pub const CATALOGUE: &[Setting] = &[
    setting(
        "ECS_MODE",
        "",
        "embedded, testing or production. Unset: embedded when neither DATABASE_URL nor a bus address is set, else \
         production. Embedded mode makes its secrets itself; production requires consent.",
    ),
    setting(
        "ECS_DATA_DIR",
        super::DEFAULT_DATA_DIR,
        "The folder of the embedded store, bus and secrets. One process at a time. Over PostgreSQL and NATS it is not \
         needed.",
    ),
    setting("ECS_LISTEN", "127.0.0.1:9999", "Address and port to serve HTTP on. Port 0 takes a free one."),
    setting(
        "ECS_TLS_CERTIFICATE",
        "",
        "A file with the listener's certificate and those that lead from it to an authority, in PEM. With it and ECS_TLS_KEY \
         the listener speaks TLS and nothing else. Both files are looked at again every few seconds: a new certificate needs no \
         restart.",
    ),
    setting("ECS_TLS_KEY", "", "A file with the private key of ECS_TLS_CERTIFICATE, in PEM."),
    setting(
        "ECS_TLS_ROOTS",
        "",
        "A file of root certificates in PEM that are trusted beside the system's: for https:// addresses of roles and of \
         ECS_URL, and for PostgreSQL, Redis, NATS and RabbitMQ; for Kafka instead of the system's. An address that \
         names a file of its own keeps to that.",
    ),
    setting("ECS_ROLES", "", "Roles to run, separated by commas. Unset: all. `--role` comes first."),
    secret(
        "DATABASE_URL",
        "The store: postgres://user:password@host:5432/database. Unset: SQLite in the data folder. With several hosts \
         (host1:5432,host2:5432) the one that takes writes is found, again after a failover.",
    ),
    secret(
        "DATABASE_READ_URLS",
        "Read replicas of the store, postgres:// addresses separated by commas. Reads that may be a little stale go there.",
    ),
    setting(
        "ECS_DATABASE_CONNECTIONS",
        "16",
        "Connections to PostgreSQL that this process holds at most. All processes together must stay below the server's \
         max_connections.",
    ),
    secret(
        "BUS_URL",
        "The bus: nats://user:password@host:4222 (tls:// for TLS), kafka://user:password@host:9092 (kafkas:// \
         for TLS, where it is built in), or amqp://user:password@host:5672/vhost for RabbitMQ (amqps:// for TLS); several of one cluster separated by commas. Unset or `embedded:` is a log in the data \
         folder. NATS_URL is an alias.",
    ),
    setting(
        "ECS_BUS_REPLICAS",
        "1",
        "On how many servers of the NATS or Kafka cluster each event is kept: 1 to 5. New streams and topics are made so; of \
         others a difference is reported.",
    ),
    setting(
        "ECS_KAFKA_PARTITIONS",
        "",
        "How many partitions each topic gets that this process makes on Kafka: 2 on one broker, which flushes each for itself, and \
         6 in a cluster. At most as many processes share a subject's work.",
    ),
    setting(
        "ECS_KAFKA_PREFIX",
        "",
        "What the names of topics and groups on Kafka begin with, for several deployments over one cluster.",
    ),
    setting(
        "NATS_MONITOR_URL",
        "",
        "Where the monitor of a single NATS server answers: http://host:8222. A server that acknowledges before it flushes \
         to disk is then refused at the start. Unset: nobody looks, and the log says so.",
    ),
    secret(
        "REDIS_URL",
        "The cache that processes share: redis://:password@host:6379. It implies ECS_CACHE=redis.",
    ),
    setting(
        "EMOTION_SERVICE_URL",
        "",
        "Where emotion-ingestion answers when it runs in another process: http://host:port or https://host:port, several that share the work \
         separated by commas. A role that runs here is called here.",
    ),
    setting("TRANSACTION_SERVICE_URL", "", "The same for transaction-ingestion."),
    setting("USER_CREDIT_SERVICE_URL", "", "The same for user-and-credit."),
    setting("CREDIT_ANALYSIS_SERVICE_URL", "", "The same for credit-analysis."),
    setting("NOTIFICATION_SERVICE_URL", "", "The same for notification."),
    setting("OPERATIONS_SERVICE_URL", "", "The same for operations."),
    setting(
        "ECS_AUDIT_CHECKPOINTS_FILE",
        "",
        "Where signed checkpoints of the audit log and the decision log are appended, one a line; best on a disk that whoever can write to the database \
         can't. They are in the log of the process in any case. Embedded mode keeps them in the data folder.",
    ),
    setting(
        "ECS_SERVICE_KEYS_FILE",
        "",
        "A TOML file of more service keys, as `ecs keys new` prints them: digests, each with what the key may be used for and when. It \
         is read again when it changes. Every process that is called with such a key needs it.",
    ),
    setting(
        "ECS_START_TIMEOUT_S",
        "60",
        "Seconds that a start waits for a store or bus that is away before it gives up.",
    ),
    secret(
        "SECRET_KEY",
        "Signs access tokens; at least 32 bytes. Embedded mode makes one, other modes need it.",
    ),
    secret(
        "SECRET_KEYS_ACCEPTED",
        "Keys whose tokens hold, too, separated by commas or spaces: the next SECRET_KEY before it is one, the last one for a \
         day after.",
    ),
    secret(
        "ECS_MASTER_KEY",
        "Wraps the keys under which each person's data stand sealed; at least 32 bytes. As above, and only where the store is used. \
         Without it nothing personal can be read any more: keep a copy, and not beside the vault's.",
    ),
    secret(
        "ECS_MASTER_KEYS_ACCEPTED",
        "Master keys that have wrapped some of the vault's, separated by commas or spaces: the last one, until the log says that all \
         are wrapped anew.",
    ),
    secret(
        "ECS_VAULT_URL",
        "Where those keys and the tombstones of people who were erased are kept: postgres:// and another database than the store's, or \
         sqlite: and a path for the processes of one machine. Never dumped together with the store. Unset: vault.sqlite in the data \
         folder, where the store is there, too.",
    ),
    secret(
        "INTERNAL_SERVICE_API_KEY",
        "The X-Internal-Key of partners and services; at least 16 bytes. As above.",
    ),
    setting(
        "EMOTION_CONSENT",
        "",
        "assumed or required: what silence about consent means. Unset: assumed, in production required, where assumed \
         is refused.",
    ),
    setting(
        "ECS_STRESS_THRESHOLD",
        "0.7",
        "From which stress_level on, 0 to 1, an emotion is a stress event.",
    ),
    setting(
        "ECS_BASE_CURRENCY",
        "BRL",
        "The one currency of this deployment, ISO 4217. Others are refused with 422.",
    ),
    setting(
        "ECS_EVALUATION_CHANGE",
        "0.25",
        "How much a feature must have changed, as a share, before somebody who said yes to it is evaluated without asking.",
    ),
    setting(
        "ECS_WATCH_WINDOW_DAYS",
        "7",
        "The days whose decisions are watched for drift, today the last of them. docs/watch.md says how.",
    ),
    setting(
        "ECS_WATCH_REFERENCE_DAYS",
        "28",
        "With how many days before them they are compared. Days that were forgotten don't come back when it is raised.",
    ),
    setting(
        "ECS_MODELS_FILE",
        "",
        "A TOML file that says which models decide, with and without consent, and which are only listened to. It is looked at every \
         second: another model needs no restart, and one that doesn't fit its card is refused. The active policy must be made for \
         them. Unset: what is built in.",
    ),
    setting(
        "ECS_MODELS_DIR",
        "",
        "A folder of model artefacts, each in a folder of its version, beside those that are built in. models/README.md says what is \
         in one. None that has ever decided is taken out: its decisions could not be made again.",
    ),
    setting(
        "ECS_POLICY_FILE",
        "",
        "A credit policy in TOML, which decides until a policy from the store is active. It says which models it is made for. \
         Unset: policy-3, for the models that are built in; scorecard-1 goes with policy-1.",
    ),
    setting(
        "ECS_SESSION_DAYS",
        "30",
        "Days that a log-in can be refreshed, 1 to 365; then the user logs in again.",
    ),
    setting("ECS_BCRYPT_COST", "12", "Cost of password hashes, 12 to 16. Testing mode takes 4 and more."),
    setting("ECS_MAX_CONNECTIONS", "4096", "Open connections served at once; more wait to be accepted."),
    setting(
        "ECS_MAX_IN_FLIGHT",
        "2048",
        "Requests that may wait for their answers at once. One more gets 503 with Retry-After before anything of it is read.",
    ),
    setting(
        "ECS_RATE_LIMITS",
        "",
        "What differs from the default quotas of calls, such as read.user=20/s:40,ingest.address=off: class.subject=requests/time \
         and after a colon how many at once; or off. docs/rate-limits.md has the classes, the subjects and the defaults.",
    ),
    setting(
        "ECS_TRUSTED_PROXIES",
        "",
        "Addresses and networks (10.0.0.0/8) of proxies in front, separated by commas. Of a request from one of them the client is \
         the last address in X-Forwarded-For that is not such a proxy. Unset: who connects is the client.",
    ),
    setting("ECS_REQUEST_TIMEOUT_S", "30", "Seconds until a request without an answer gets 503."),
    setting(
        "ECS_SHUTDOWN_GRACE_S",
        "",
        "Seconds for which a process that was told to stop answers as not ready and still serves, so that whoever \
         balances the load stops sending to it first. Unset: 5 in production, else 0.",
    ),
    setting("ECS_DRAIN_TIMEOUT_S", "20", "Seconds that a stop then waits for work in flight."),
    setting(
        "ECS_PUBLISH_WINDOW",
        "16384",
        "Events that may wait to be made durable before new ones get 503.",
    ),
    setting(
        "ECS_WEBHOOKS_PRIVATE",
        "refuse",
        "refuse or allow: whether webhooks may go to private addresses and over http://, for tests and demonstrations. \
         Production refuses allow: whoever names an address there could reach what only this process can.",
    ),
    setting(
        "ECS_WEBHOOKS_DENY",
        "",
        "Addresses and networks (203.0.113.0/24) that no webhook goes to, separated by commas, also where ECS_WEBHOOKS_PRIVATE \
         allows them: your own public ones, where something may trust who comes from this process.",
    ),
    setting("ECS_DELIVERY_LIMIT", "10", "Failed deliveries until an event becomes a dead letter."),
    setting("ECS_EMOTION_BUS_DAYS", "7", "Days that emotion events stay on the bus, consumed or not."),
    setting("ECS_BUS_DAYS", "30", "Days that other events stay on the bus, consumed or not."),
    setting("ECS_RAW_EMOTION_DAYS", "30", "Days that raw emotion events are kept, by their own date."),
    setting(
        "ECS_RETENTION_SUMMARY_DAYS",
        "730",
        "Days that daily summaries of emotions are kept, by their date: more than raw events, and 31 at least; or keep, for as long \
         as the account. docs/retention.md has every class of data.",
    ),
    setting(
        "ECS_RETENTION_DECISION_DAYS",
        "1825",
        "Days that denials are kept, and offers that nobody accepted after they expired, with the decision: 30 at least; or keep. What \
         was accepted is kept.",
    ),
    setting(
        "ECS_RETENTION_NOTIFICATION_DAYS",
        "730",
        "Days that notifications are kept: more than events on the bus, and 31 at least; or keep.",
    ),
    setting(
        "ECS_RETENTION_DEAD_LETTER_DAYS",
        "90",
        "Days that a dead letter waits for somebody to decide about it: 1 at least, or keep. Then what it holds is dropped, and the \
         log says so.",
    ),
    setting(
        "ECS_RETENTION_TRANSACTION_DAYS",
        "keep",
        "Days that transactions are kept after their arrival: more than events on the bus, and 365 at least; or keep. Features \
         and the books then know of none before.",
    ),
    setting(
        "ECS_CACHE",
        "",
        "memory, redis or none. Unset: redis when REDIS_URL is set, else memory over SQLite and none over PostgreSQL. The \
         platform answers the same without, only slower.",
    ),
    setting("ECS_CACHE_MIB", "16", "The most that the cache takes in this process's memory, in MiB."),
    setting(
        "ECS_LOG",
        "info",
        "What is logged, such as info or ecs_work=debug,info. Goes to standard output. Below info only the platform's own \
         crates are heard: libraries would tell what goes through them.",
    ),
    setting("ECS_LOG_FORMAT", "auto", "json, pretty, or auto: pretty on a terminal, else json."),
    setting(
        "ECS_URL",
        "",
        "Where commands find the platform. Unset: the process that holds the data folder; over PostgreSQL and NATS, what \
         listens at ECS_LISTEN.",
    ),
    secret("ECS_TOKEN", "The token that commands send. Unset: they sign one with SECRET_KEY."),
];

/// The setting of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Setting> {
    CATALOGUE.iter().find(|setting| setting.name == name)
}

/// `.env.example`: every setting with its default, commented out.
#[must_use]
pub fn example() -> String {
    let mut text = String::from(
        "# Every setting of `ecs`, with its default. Set them in the environment, in a TOML file named by --config\n\
         # (keys in lower case), or with --set NAME=VALUE; later ones win. Secrets may also come from a file:\n\
         # SECRET_KEY_FILE=/run/secrets/key. `ecs config` shows what is in force.\n",
    );
    for setting in CATALOGUE {
        text.push('\n');
        for line in wrap(setting.about, 110) {
            text.push_str(&format!("# {line}\n"));
        }
        text.push_str(&format!("#{}={}\n", setting.name, setting.default));
    }
    text
}

fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let Some(line) = lines.last_mut() else { break };
        if line.is_empty() {
            line.push_str(word);
        } else if line.len() + 1 + word.len() <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_example_file_lists_every_setting() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../.env.example");
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert_eq!(written, super::example(), "write it anew with `ecs config --example > .env.example`");
    }
}
