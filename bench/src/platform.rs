//! The platform under test: the release binary `ecs serve` in a process and a data folder of its own.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use ecs_client::{Client, Credentials};
use ecs_domain::permission::Permission;
use ecs_domain::{Clock, Timestamp, UserId};
use ecs_web::auth::{SecretKey, Tokens};
use ecs_web::{Auth, Identity, Secret};
use uuid::Uuid;

use crate::args::Answer;
use crate::data::DataFolder;
use crate::say;

pub(crate) const MASTER_KEY: &str = "a master key of the benchmark only, with 32 bytes";
pub(crate) const INTERNAL_KEY: &str = "a key of the benchmark only";
const SECRET_KEY: &str = "a secret that only signs the benchmark's tokens";
const TOKEN_LIFETIME: Duration = Duration::from_secs(3600);
/// How long a process may take to start, and to stop.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often is looked whether it has.
const LOOK: Duration = Duration::from_millis(1);

/// The system's clock.
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// How the platform is started.
pub(crate) struct Launcher {
    pub(crate) binary: PathBuf,
    /// Where its log goes, that of every process.
    pub(crate) log: PathBuf,
}

/// A server in a process of its own. It is killed when this is dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    /// From the start of the process to its first answer of readiness.
    pub(crate) ready_after: Duration,
}

impl Launcher {
    /// Starts the platform and waits until it is ready.
    pub(crate) fn start(&self, data: &DataFolder) -> anyhow::Result<Server> {
        let started = Instant::now();
        let folder = data.path().display().to_string();
        let settings = [("ECS_DATA_DIR", folder), ("ECS_LISTEN", "127.0.0.1:0".to_owned())];
        let mut server = self.spawn(&[], &settings)?;
        let announced = data.path().join("address");
        server.address = server.wait("its address", || {
            std::fs::read_to_string(&announced).ok()?.trim().strip_prefix("http://")?.parse().ok()
        })?;
        let address = server.address;
        server.wait("readiness", || is_ready(address).then_some(()))?;
        server.ready_after = started.elapsed();
        Ok(server)
    }

    /// Starts these roles at an address, all of them when none is named. It is not waited for.
    pub(crate) fn start_at(
        &self,
        address: SocketAddr,
        roles: &[&str],
        settings: &[(&str, String)],
    ) -> anyhow::Result<Server> {
        let listen = [("ECS_LISTEN", address.to_string())];
        let roles: Vec<&str> = roles.iter().flat_map(|role| ["--role", role]).collect();
        let mut server = self.spawn(&roles, &[settings, &listen].concat())?;
        server.address = address;
        Ok(server)
    }

    fn spawn(&self, arguments: &[&str], settings: &[(&str, String)]) -> anyhow::Result<Server> {
        let log = std::fs::File::options().create(true).append(true).open(&self.log)?;
        let child = Command::new(&self.binary)
            .arg("serve")
            .args(arguments)
            .env_clear()
            .envs(settings.iter().map(|(name, value)| (name, value)))
            .env("SECRET_KEY", SECRET_KEY)
            .env("INTERNAL_SERVICE_API_KEY", INTERNAL_KEY)
            .env("ECS_MASTER_KEY", MASTER_KEY)
            // A few users of a benchmark send what a whole city would.
            .env("ECS_RATE_LIMITS", "off")
            .stdin(Stdio::null())
            .stdout(log)
            .spawn()
            .with_context(|| format!("{} does not start", self.binary.display()))?;
        Ok(Server { child, address: ([127, 0, 0, 1], 0).into(), ready_after: Duration::ZERO })
    }
}

impl Server {
    /// Waits until it is ready.
    pub(crate) fn is_ready(&mut self) -> anyhow::Result<()> {
        let address = self.address;
        self.wait("readiness", || is_ready(address).then_some(()))
    }

    /// What it has counted, in the text format of OpenMetrics.
    pub(crate) fn metrics(&self) -> anyhow::Result<String> {
        Ok(get(self.address, "/metrics")?)
    }

    /// Starts a limit and waits for its address.
    pub(crate) fn limit(answer: Answer) -> anyhow::Result<Self> {
        let started = Instant::now();
        let mut child = Command::new(std::env::current_exe()?)
            .args(["limit-server", answer.as_str()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        let output = child.stdout.take().context("the limit has no output")?;
        let read = BufReader::new(output).read_line(&mut line);
        let mut server = Self { child, address: ([127, 0, 0, 1], 0).into(), ready_after: started.elapsed() };
        read?;
        server.address = line.trim().parse().context("the limit did not say where it is")?;
        Ok(server)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to stop and waits until it has.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        // The standard library can only kill, which is no way to stop a database.
        let asked = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status()?;
        anyhow::ensure!(asked.success(), "the platform can't be told to stop");
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait()? {
                anyhow::ensure!(status.success(), "the platform stopped with {status}");
                return Ok(());
            }
            thread::sleep(LOOK);
        }
        anyhow::bail!("the platform did not stop within {PATIENCE:?}")
    }

    fn wait<T>(&mut self, what: &str, ready: impl Fn() -> Option<T>) -> anyhow::Result<T> {
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            if let Some(value) = ready() {
                return Ok(value);
            }
            if let Some(status) = self.child.try_wait()? {
                anyhow::bail!("the platform ended with {status} before {what}");
            }
            thread::sleep(LOOK);
        }
        anyhow::bail!("the platform took more than {PATIENCE:?} for {what}")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn is_ready(address: SocketAddr) -> bool {
    get(address, "/readyz").is_ok_and(|answer| answer.starts_with("HTTP/1.1 200 "))
}

/// An answer with its head.
fn get(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// Signs and verifies the tokens of the run.
pub(crate) fn tokens() -> anyhow::Result<Tokens> {
    Ok(Tokens::new(&SecretKey::new(Secret::new(SECRET_KEY))?))
}

/// What a limit verifies tokens with.
pub(crate) fn auth() -> anyhow::Result<Auth> {
    Ok(Auth::alone(tokens()?, Secret::new(INTERNAL_KEY), Arc::new(SystemClock)))
}

/// A token for a user.
pub(crate) fn token(tokens: &Tokens, user: UserId) -> anyhow::Result<String> {
    Ok(tokens.issue(&Identity::of(user), Timestamp::now(), TOKEN_LIFETIME)?)
}

/// A client of an operator who may do everything.
pub(crate) fn operator(address: SocketAddr) -> anyhow::Result<Client> {
    let operator = Identity::with(UserId::new(Uuid::nil()), Permission::ALL.iter().copied());
    let token = tokens()?.issue(&operator, Timestamp::now(), TOKEN_LIFETIME)?;
    let credentials = Credentials { internal_key: Some(INTERNAL_KEY.to_owned()), token: Some(token) };
    Client::new(&format!("http://{address}"), &credentials)
}

/// Builds the platform's release binary and returns its path.
pub(crate) fn build() -> anyhow::Result<PathBuf> {
    say::progress("building the release binary");
    let me = std::env::current_exe()?;
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("no workspace")?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--release", "--locked", "--quiet", "-p", "ecs", "--bin", "ecs"])
        .current_dir(workspace)
        .status()
        .context("cargo does not start")?;
    anyhow::ensure!(status.success(), "the platform does not build");
    let binary = me.with_file_name("ecs");
    anyhow::ensure!(binary.exists(), "{} is not there: run `make bench`", binary.display());
    Ok(binary)
}
