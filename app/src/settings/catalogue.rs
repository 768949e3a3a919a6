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
        "The folder of the embedded store, bus and secrets. One process at a time.",
    ),
    setting("ECS_LISTEN", "127.0.0.1:9999", "Address and port to serve HTTP on. Port 0 takes a free one."),
    setting("ECS_ROLES", "", "Roles to run, separated by commas. Unset: all. `--role` comes first."),
    setting(
        "DATABASE_URL",
        "",
        "The store. Unset: SQLite in the data folder. Other engines come with their builds.",
    ),
    setting(
        "BUS_URL",
        "",
        "The bus. Unset or `embedded:` is a log in the data folder. NATS_URL is an alias.",
    ),
    secret(
        "SECRET_KEY",
        "Signs access tokens; at least 32 bytes. Embedded mode makes one, other modes need it.",
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
    setting("ECS_POLICY_FILE", "", "A credit policy in TOML. Unset: the one built in."),
    setting("ECS_BCRYPT_COST", "12", "Cost of password hashes, 12 to 16. Testing mode takes 4 and more."),
    setting("ECS_MAX_CONNECTIONS", "4096", "Open connections served at once; more wait to be accepted."),
    setting("ECS_REQUEST_TIMEOUT_S", "30", "Seconds until a request without an answer gets 503."),
    setting("ECS_DRAIN_TIMEOUT_S", "20", "Seconds that a stop waits for work in flight."),
    setting(
        "ECS_PUBLISH_WINDOW",
        "16384",
        "Events that may wait to be made durable before new ones get 503.",
    ),
    setting("ECS_DELIVERY_LIMIT", "10", "Failed deliveries until an event becomes a dead letter."),
    setting("ECS_EMOTION_BUS_DAYS", "7", "Days that emotion events stay on the bus, consumed or not."),
    setting("ECS_BUS_DAYS", "30", "Days that other events stay on the bus, consumed or not."),
    setting("ECS_RAW_EMOTION_DAYS", "30", "Days that raw emotion events are kept, by their own date."),
    setting("ECS_CACHE", "memory", "memory or none. The platform answers the same without, only slower."),
    setting("ECS_CACHE_MIB", "16", "The most that the cache in memory takes, in MiB."),
    setting(
        "ECS_LOG",
        "info",
        "What is logged, such as info or ecs_work=debug,info. Goes to standard output.",
    ),
    setting("ECS_LOG_FORMAT", "auto", "json, pretty, or auto: pretty on a terminal, else json."),
    setting(
        "ECS_URL",
        "",
        "Where commands find the platform. Unset: the process that holds the data folder.",
    ),
    secret("ECS_TOKEN", "The token that commands send. Embedded mode signs one itself."),
];

/// Settings of later parts: known by name so that nobody believes they work here.
pub const NOT_BUILT_IN: &[(&str, &str)] = &[
    ("DATABASE_READ_URLS", "read replicas need the postgres store, which is not built into this binary"),
    ("REDIS_URL", "the redis cache is not built into this binary"),
    ("EMOTION_SERVICE_URL", "roles can't be reached over HTTP with embedded storage"),
    ("TRANSACTION_SERVICE_URL", "roles can't be reached over HTTP with embedded storage"),
    ("USER_CREDIT_SERVICE_URL", "roles can't be reached over HTTP with embedded storage"),
    ("CREDIT_ANALYSIS_SERVICE_URL", "roles can't be reached over HTTP with embedded storage"),
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
