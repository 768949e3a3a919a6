//! Where the engines' programs are, and whether an engine can be had at all.

use std::env;
use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

/// An engine that tests can start for themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// PostgreSQL 15 or newer.
    Postgres,
    /// NATS with JetStream, 2.15.
    Nats,
    /// Redis 7.
    Redis,
    /// Apache Kafka 4, on Java 17 or newer.
    Kafka,
    /// RabbitMQ 3.10 or newer.
    RabbitMq,
}

impl Engine {
    /// The variable of the environment that names a server to be used instead of a private one.
    pub(crate) fn variable(self) -> &'static str {
        match self {
            Self::Postgres => "ECS_TEST_POSTGRES_URL",
            Self::Nats => "ECS_TEST_NATS_URL",
            Self::Redis => "ECS_TEST_REDIS_URL",
            Self::Kafka => "ECS_TEST_KAFKA_URL",
            Self::RabbitMq => "ECS_TEST_RABBITMQ_URL",
        }
    }

    /// The address of the server that the environment names, if it names one.
    pub fn given(self) -> Option<String> {
        env::var(self.variable()).ok().filter(|url| !url.is_empty())
    }

    fn program(self) -> Result<PathBuf> {
        match self {
            Self::Postgres => postgres("postgres"),
            Self::Nats => nats(),
            Self::Redis => redis(),
            Self::Kafka => kafka().map(|(java, _)| java),
            Self::RabbitMq => rabbitmq("rabbitmq-server"),
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Postgres => "PostgreSQL",
            Self::Nats => "NATS",
            Self::Redis => "Redis",
            Self::Kafka => "Kafka",
            Self::RabbitMq => "RabbitMQ",
        })
    }
}

/// Why `engine` can't be had here; `None` when it can: its programs are installed, or an address is given.
///
/// # Panics
/// With `CI=true` in the environment when the engine can't be had: a pipeline that silently skips tests is worth nothing.
pub fn unavailable(engine: Engine) -> Option<String> {
    if engine.given().is_some() { None } else { unavailable_privately(engine) }
}

/// The same for a test that kills or changes its server, and so needs a private one whatever the environment names.
///
/// # Panics
/// As [`unavailable`].
pub fn unavailable_privately(engine: Engine) -> Option<String> {
    let reason = match engine.program() {
        Ok(_) if cfg!(target_os = "linux") => return None,
        Ok(_) => format!("private servers are made for Linux; name a server in {}", engine.variable()),
        Err(reason) => reason.to_string(),
    };
    assert!(env::var("CI").as_deref() != Ok("true"), "{engine} must not be missing in CI: {reason}");
    Some(reason)
}

/// Says so where it is seen: the harness of tests captures what is printed, but not what is written to the standard error itself.
pub fn did_not_run(what: &str, reason: &str) {
    // There is nobody to tell if even this fails.
    let _ = writeln!(std::io::stderr(), "DID NOT RUN: {what} because {reason}");
}

/// A program of the newest PostgreSQL.
pub(crate) fn postgres(program: &str) -> Result<PathBuf> {
    let mut folders: Vec<PathBuf> = env::var_os("ECS_POSTGRES_BIN").map(PathBuf::from).into_iter().collect();
    folders.extend(installed_postgres());
    folders.extend(search_path());
    match folders.into_iter().map(|folder| folder.join(program)).find(|path| path.is_file()) {
        Some(path) => Ok(path),
        None => {
            bail!(
                "no {program} of PostgreSQL was found: run scripts/provision.sh, or name its folder in ECS_POSTGRES_BIN"
            )
        }
    }
}

/// Where Debian keeps one folder per major version, the newest first.
fn installed_postgres() -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir("/usr/lib/postgresql") else { return Vec::new() };
    let mut versions: Vec<u32> = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|version| *version >= 15)
        .collect();
    versions.sort_unstable_by(|one, other| other.cmp(one));
    versions.iter().map(|version| PathBuf::from(format!("/usr/lib/postgresql/{version}/bin"))).collect()
}

/// The server that `scripts/provision.sh` put into `.engines/`, or one from the search path.
pub(crate) fn nats() -> Result<PathBuf> {
    let folders = project_folders().map(|folder| folder.join(".engines/bin")).chain(search_path());
    match folders.map(|folder| folder.join("nats-server")).find(|path| path.is_file()) {
        Some(path) => Ok(path),
        None => bail!("no nats-server was found: run scripts/provision.sh"),
    }
}

/// Where the project may be: around the current folder, as tests and `cargo run` have it, or where this was built.
fn project_folders() -> impl Iterator<Item = PathBuf> {
    let current = env::current_dir().unwrap_or_default();
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).to_owned();
    [current, built].into_iter().flat_map(|start| start.ancestors().map(Path::to_owned).collect::<Vec<_>>())
}

pub(crate) fn redis() -> Result<PathBuf> {
    match search_path().map(|folder| folder.join("redis-server")).find(|path| path.is_file()) {
        Some(path) => Ok(path),
        None => bail!("no redis-server was found: run scripts/provision.sh"),
    }
}

/// A program of RabbitMQ. Where the packages have them: what they put into the search path are wrappers that change the user and
/// know one server only.
pub(crate) fn rabbitmq(program: &str) -> Result<PathBuf> {
    let mut folders: Vec<PathBuf> = env::var_os("ECS_RABBITMQ_BIN").map(PathBuf::from).into_iter().collect();
    folders.extend(["/usr/lib/rabbitmq/bin", "/opt/rabbitmq/sbin"].map(PathBuf::from));
    folders.extend(search_path());
    match folders.into_iter().map(|folder| folder.join(program)).find(|path| path.is_file()) {
        Some(path) => Ok(path),
        None => {
            bail!("no RabbitMQ was found: run scripts/provision.sh, or name its folder in ECS_RABBITMQ_BIN")
        }
    }
}

/// Java, and the folder of the jars that `scripts/provision.sh` put into `.engines/`.
pub(crate) fn kafka() -> Result<(PathBuf, PathBuf)> {
    let jars = project_folders().map(|folder| folder.join(".engines/kafka/jars")).find(|path| path.is_dir());
    let java = search_path().map(|folder| folder.join("java")).find(|path| path.is_file());
    match (java, jars) {
        (Some(java), Some(jars)) => Ok((java, jars)),
        _ => bail!("no Kafka, or no java to run it, was found: run scripts/provision.sh"),
    }
}

fn search_path() -> impl Iterator<Item = PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).collect::<Vec<_>>().into_iter()
}
