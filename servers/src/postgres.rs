//! A private PostgreSQL server.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Mutex;

use anyhow::{Context, Result, bail};
use tokio::process::Command;
use tokio::sync::OnceCell;

use crate::authority::{Issued, IssuedFiles};
use crate::binaries::{self, Engine};
use crate::database::{self, Database, Databases, Template};
use crate::folder::{self, Account};
use crate::instance::Instance;
use crate::ports;

/// The database user and owner of everything.
pub(crate) const USER: &str = "ecs";

/// What its certificate's files are called.
const CERTIFICATE: &str = "server";

/// How a private server is set up.
#[derive(Debug, Clone)]
pub struct Options {
    /// `max_connections`.
    pub max_connections: usize,
    /// More settings of `postgresql.conf`, by name and value. They win over ours.
    pub settings: Vec<(String, String)>,
    /// With one, connections may be encrypted.
    pub certificate: Option<Issued>,
}

impl Default for Options {
    fn default() -> Self {
        Self { max_connections: 300, settings: Vec::new(), certificate: None }
    }
}

/// A PostgreSQL server: a private one, which ends when this is dropped, or the one that `ECS_TEST_POSTGRES_URL` names.
///
/// A private one promises what production does: its commits are flushed to disk before they are answered.
#[derive(Debug)]
pub struct Postgres {
    private: Option<Private>,
    databases: Databases,
    /// The names of the replicas whose confirmation a commit waits for.
    pub(crate) synchronous: Mutex<Vec<String>>,
}

/// What is known about a server because we started it.
#[derive(Debug)]
pub(crate) struct Private {
    instance: Instance,
    pub(crate) address: SocketAddr,
    pub(crate) password: String,
    pub(crate) options: Options,
}

impl Postgres {
    /// The one server of this process for all tests that don't harm it: the server of `ECS_TEST_POSTGRES_URL` if that is set,
    /// else a private one, made at the first call.
    ///
    /// # Errors
    /// PostgreSQL is not installed or doesn't start; the end of its log says why.
    pub async fn shared() -> Result<&'static Self> {
        static SHARED: OnceCell<Postgres> = OnceCell::const_new();
        SHARED.get_or_try_init(Self::given_or_private).await
    }

    async fn given_or_private() -> Result<Self> {
        match Engine::Postgres.given() {
            Some(url) => Ok(Self {
                private: None,
                databases: Databases::new(url, true),
                synchronous: Mutex::default(),
            }),
            None => Self::start(Options::default()).await,
        }
    }

    /// A server of one's own, with the empty database `postgres`, on a free port.
    ///
    /// # Errors
    /// As [`Postgres::shared`].
    pub async fn start(options: Options) -> Result<Self> {
        let password = ports::password();
        ports::until_bound(|port| {
            Self::over(port, &password, &options, |folder| initialise(folder, password.clone()))
        })
        .await
    }

    /// Where one of PostgreSQL's programs is, such as `pgbench`.
    ///
    /// # Errors
    /// It is nowhere.
    pub fn program(name: &str) -> Result<PathBuf> {
        binaries::postgres(name)
    }

    /// A server over the data that `fill` puts into the folder that it is given.
    pub(crate) async fn over<Filled>(
        port: u16,
        password: &str,
        options: &Options,
        fill: impl Fn(PathBuf) -> Filled,
    ) -> Result<Self>
    where
        Filled: Future<Output = Result<()>>,
    {
        let account = Account::for_postgres()?;
        let folder = folder::make("postgres", account.as_ref())?;
        let mut command = command_line(&folder, port, options)?;
        if let Some(issued) = &options.certificate {
            let files = issued.write(&folder, CERTIFICATE)?;
            // It refuses a key that others than itself may read.
            account.as_ref().map_or(Ok(()), |account| account.own(&files.key))?;
        }
        if let Some(account) = &account {
            command = account.run(command);
        }
        let instance = Instance::guarded("PostgreSQL", folder.clone(), "QUIT", &command, &[])?;
        fill(folder).await?;
        instance.start()?;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let private = Private { instance, address, password: password.to_owned(), options: options.clone() };
        let databases = Databases::new(url(password, &[address], "postgres"), false);
        let server = Self { private: Some(private), databases, synchronous: Mutex::default() };
        server.ready().await?;
        Ok(server)
    }

    /// The address of a database of this server, with its password.
    pub fn url(&self, database: &str) -> String {
        self.databases.url(database)
    }

    /// The same as seen through other addresses, those of [`crate::Proxy`]s or of a primary and its replicas, which share user
    /// and password.
    ///
    /// # Errors
    /// The server isn't ours.
    pub fn url_at(&self, addresses: &[SocketAddr], database: &str) -> Result<String> {
        Ok(url(&self.private()?.password, addresses, database))
    }

    /// Where the server listens.
    ///
    /// # Errors
    /// The server isn't ours.
    pub fn address(&self) -> Result<SocketAddr> {
        Ok(self.private()?.address)
    }

    /// A private database, copied from `template`, which is filled once per server.
    ///
    /// # Errors
    /// The server can't be reached, or the template can't be filled.
    pub async fn database<F, Filled>(&self, template: Template<F>) -> Result<Database>
    where
        F: FnOnce(String) -> Filled,
        Filled: Future<Output = Result<()>>,
    {
        self.databases.copy(template).await
    }

    /// Runs statements in the database `postgres` as the server's owner.
    ///
    /// # Errors
    /// The server can't be reached or refuses a statement.
    pub async fn execute(&self, statements: &str) -> Result<()> {
        let client = database::connect(&self.url("postgres")).await?;
        client.batch_execute(statements).await.with_context(|| format!("PostgreSQL refuses {statements}"))
    }

    /// Changes a setting for good, as far as a reload can.
    ///
    /// # Errors
    /// As [`Postgres::execute`].
    pub async fn set(&self, name: &str, value: &str) -> Result<()> {
        self.execute(&format!("ALTER SYSTEM SET {name} = '{}'", value.replace('\'', "''"))).await?;
        self.execute("SELECT pg_reload_conf()").await
    }

    /// Kills the server and all its backends with SIGKILL and waits until they are gone.
    ///
    /// # Errors
    /// The server isn't ours.
    pub async fn kill(&self) -> Result<()> {
        self.private()?.instance.kill().await
    }

    /// Stops the server and its backends where they are. They take connections, and answer nothing.
    ///
    /// # Errors
    /// The server isn't ours.
    pub async fn pause(&self) -> Result<()> {
        self.private()?.instance.pause().await
    }

    /// Lets a paused server go on.
    ///
    /// # Errors
    /// The server isn't ours.
    pub fn resume(&self) -> Result<()> {
        self.private()?.instance.resume()
    }

    /// Starts a killed server again over the same data and at the same address, and waits until it answers.
    ///
    /// # Errors
    /// The server isn't ours, still runs, or doesn't start; the end of its log says why.
    pub async fn restart(&self) -> Result<()> {
        self.private()?.instance.start()?;
        self.ready().await
    }

    /// The end of the server's log.
    ///
    /// # Errors
    /// The server isn't ours.
    pub fn last_words(&self) -> Result<String> {
        Ok(self.private()?.instance.last_words())
    }

    pub(crate) fn private(&self) -> Result<&Private> {
        self.private
            .as_ref()
            .context("the server that ECS_TEST_POSTGRES_URL names isn't ours to do this with")
    }

    async fn ready(&self) -> Result<()> {
        let url = self.url("postgres");
        let answers = || async {
            let client = database::connect(&url).await?;
            client.simple_query("SELECT 1").await.context("no answer")?;
            Ok(())
        };
        self.private()?.instance.wait_until(answers).await
    }
}

fn url(password: &str, addresses: &[SocketAddr], database: &str) -> String {
    let addresses: Vec<String> = addresses.iter().map(SocketAddr::to_string).collect();
    format!("postgres://{USER}:{password}@{}/{database}", addresses.join(","))
}

/// The settings stand on the command line: a replica, whose files are copies of the primary's, has its own all the same.
fn command_line(folder: &Path, port: u16, options: &Options) -> Result<Vec<String>> {
    let program = binaries::postgres("postgres")?;
    let mut line = vec![program.display().to_string(), "-D".to_owned(), data(folder).display().to_string()];
    let mut set = |name: &str, value: &str| line.extend(["-c".to_owned(), format!("{name}={value}")]);
    set("listen_addresses", "127.0.0.1");
    set("port", &port.to_string());
    set("unix_socket_directories", &folder.display().to_string());
    set("max_connections", &options.max_connections.to_string());
    // Goes with the folder even when the server is killed and never started again.
    set("dynamic_shared_memory_type", "mmap");
    // A replica whose primary was away looks for it soon.
    set("wal_retrieve_retry_interval", "100ms");
    if options.certificate.is_some() {
        let files = IssuedFiles::at(folder, CERTIFICATE);
        set("ssl", "on");
        set("ssl_cert_file", &files.certificate.display().to_string());
        set("ssl_key_file", &files.key.display().to_string());
    }
    for (name, value) in &options.settings {
        set(name, value);
    }
    Ok(line)
}

pub(crate) fn data(folder: &Path) -> PathBuf {
    folder.join("data")
}

/// Makes an empty cluster in `folder`.
async fn initialise(folder: PathBuf, password: String) -> Result<()> {
    let file = folder.join("password");
    std::fs::write(&file, password).context("can't write to the temporary folder")?;
    let path = file.display().to_string();
    let options = ["--username", USER, "--pwfile", &path, "--auth", "scram-sha-256", "--no-sync"];
    let made =
        tool(&folder, "initdb", &[&options[..], &["--no-locale", "--encoding", "UTF8"]].concat(), "").await;
    std::fs::remove_file(&file).context("can't remove the password's file")?;
    made
}

/// Runs one of PostgreSQL's tools that make the data folder, as the account of the server that will use it.
pub(crate) async fn tool(folder: &Path, program: &str, arguments: &[&str], password: &str) -> Result<()> {
    let mut line = vec![binaries::postgres(program)?.display().to_string()];
    line.extend(["--pgdata".to_owned(), data(folder).display().to_string()]);
    line.extend(arguments.iter().map(|argument| (*argument).to_owned()));
    if let Some(account) = Account::for_postgres()? {
        line = account.run(line);
    }
    let (first, others) = line.split_first().context("an empty command line")?;
    let mut command = Command::new(first);
    command.args(others).current_dir(folder).stdin(Stdio::null()).kill_on_drop(true);
    // What is set for a client here must not reach the tool.
    command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    let ended = command.env("PGPASSWORD", password).output().await.context("can't start a tool")?;
    if !ended.status.success() {
        bail!("{program} failed: {}", String::from_utf8_lossy(&ended.stderr));
    }
    Ok(())
}
