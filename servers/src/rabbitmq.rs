//! A private RabbitMQ server.
//!
//! Two of them side by side never meet: each has a node name, a cookie, a name service (`epmd`) and ports of its own. The name
//! service is a child of the server that dies with it; one that Erlang starts for itself would stay behind.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::sync::OnceCell;

use crate::authority::Issued;
use crate::binaries::{self, Engine};
use crate::folder;
use crate::instance::Instance;
use crate::ports;

const USER: &str = "ecs";

/// Starts the name service beside the server. `exec` keeps the process id, so the one is the other's child.
const LAUNCH: &str =
    "setpriv --pdeathsig KILL epmd -port \"$ERL_EPMD_PORT\" -address 127.0.0.1 & exec \"$0\" \"$@\"";

/// What a client sends first, and any server of the protocol answers.
const GREETING: &[u8] = b"AMQP\x00\x00\x09\x01";
/// What the answer to it begins with: a method, or the alarm of a server that speaks TLS.
const METHOD: u8 = 1;
const ALERT: u8 = 21;
/// What the files of its certificate are called.
const CERTIFICATE: &str = "server";

/// How a private server is set up.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// More lines of the server's settings file.
    pub settings: String,
    /// With one, all connections must be encrypted, and the server's address begins with `amqps://`.
    pub certificate: Option<Issued>,
}

/// A RabbitMQ server: a private one, which ends when this is dropped, or the one that `ECS_TEST_RABBITMQ_URL` names.
#[derive(Debug)]
pub struct RabbitMq {
    private: Option<Private>,
    url: String,
}

#[derive(Debug)]
struct Private {
    instance: Instance,
    address: SocketAddr,
    password: String,
    scheme: &'static str,
    environment: Vec<(String, String)>,
}

impl RabbitMq {
    /// The one server of this process: the server of `ECS_TEST_RABBITMQ_URL` if that is set, else a private one. It takes seconds to
    /// start, so whoever can shares it, with names of his own.
    ///
    /// # Errors
    /// RabbitMQ is not installed or doesn't start; the end of its log says why.
    pub async fn shared() -> Result<&'static Self> {
        static SHARED: OnceCell<RabbitMq> = OnceCell::const_new();
        SHARED
            .get_or_try_init(|| async {
                match Engine::RabbitMq.given() {
                    Some(url) => Ok(Self { private: None, url }),
                    None => Self::start(Options::default()).await,
                }
            })
            .await
    }

    /// A server of one's own, without queues, on free ports.
    ///
    /// # Errors
    /// As [`RabbitMq::shared`].
    pub async fn start(options: Options) -> Result<Self> {
        let options = &options;
        ports::until_bound(|port| Self::start_on(port, options)).await
    }

    async fn start_on(port: u16, options: &Options) -> Result<Self> {
        let program = binaries::rabbitmq("rabbitmq-server")?.display().to_string();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let password = ports::password();
        let folder = folder::make("rabbitmq", None)?;
        prepare(&folder, address, &password, options).context("can't write to the temporary folder")?;
        let environment = environment(&folder, port)?;
        let command = ["sh", "-c", LAUNCH, &program].map(str::to_owned);
        let instance = Instance::guarded("RabbitMQ", folder, "KILL", &command, &environment)?;
        instance.start()?;
        let scheme = if options.certificate.is_some() { "amqps" } else { "amqp" };
        let private = Private { instance, address, password, scheme, environment };
        let server = Self { url: private.url_at(address), private: Some(private) };
        server.ready().await?;
        Ok(server)
    }

    /// The server's address, with user and password.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The same as seen through another address, that of a [`crate::Proxy`] for example.
    ///
    /// # Errors
    /// The server isn't ours.
    pub fn url_at(&self, address: SocketAddr) -> Result<String> {
        Ok(self.private()?.url_at(address))
    }

    /// The address of a new, empty virtual host of this server.
    ///
    /// # Errors
    /// The server isn't ours, or the command fails.
    pub async fn vhost(&self) -> Result<String> {
        let private = self.private()?;
        let name = format!("test-{:016x}", ports::random());
        self.control(&["add_vhost", &name]).await?;
        self.control(&["set_permissions", "--vhost", &name, USER, ".*", ".*", ".*"]).await?;
        Ok(format!("{}://{USER}:{}@{}/{name}", private.scheme, private.password, private.address))
    }

    /// Where the server listens.
    ///
    /// # Errors
    /// The server isn't ours.
    pub fn address(&self) -> Result<SocketAddr> {
        Ok(self.private()?.address)
    }

    /// Runs `rabbitmqctl` against the server, which takes a second or two, and returns what it prints.
    ///
    /// # Errors
    /// The server isn't ours, or the command fails.
    pub async fn control(&self, arguments: &[&str]) -> Result<String> {
        let private = self.private()?;
        let mut command = Command::new(binaries::rabbitmq("rabbitmqctl")?);
        command.env_clear().envs(private.environment.iter().map(|(name, value)| (name, value)));
        command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command.current_dir(private.instance.folder()).arg("--quiet").args(arguments);
        command.kill_on_drop(true);
        let ended = command.output().await.context("can't run rabbitmqctl")?;
        if !ended.status.success() {
            bail!("rabbitmqctl {arguments:?}: {}", String::from_utf8_lossy(&ended.stderr));
        }
        Ok(String::from_utf8_lossy(&ended.stdout).into_owned())
    }

    /// Kills the server with SIGKILL and waits until it is gone.
    ///
    /// # Errors
    /// The server isn't ours.
    pub async fn kill(&self) -> Result<()> {
        self.private()?.instance.kill().await
    }

    /// Stops the server where it is. The system takes connections for it, and nobody answers.
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

    /// Starts a killed server again over the same queues and at the same address, and waits until it answers.
    ///
    /// # Errors
    /// The server isn't ours, still runs, or doesn't start; the end of its log says why.
    pub async fn restart(&self) -> Result<()> {
        self.private()?.instance.start()?;
        self.ready().await
    }

    fn private(&self) -> Result<&Private> {
        self.private
            .as_ref()
            .context("the server that ECS_TEST_RABBITMQ_URL names isn't ours to do this with")
    }

    async fn ready(&self) -> Result<()> {
        let private = self.private()?;
        let greets = || async {
            let mut stream = TcpStream::connect(private.address).await?;
            stream.write_all(GREETING).await?;
            match stream.read_u8().await? {
                METHOD if private.scheme == "amqp" => Ok(()),
                ALERT if private.scheme == "amqps" => Ok(()),
                other => bail!("RabbitMQ answers with a {other}"),
            }
        };
        private.instance.wait_until(greets).await
    }
}

impl Private {
    fn url_at(&self, address: SocketAddr) -> String {
        format!("{}://{USER}:{}@{address}/%2f", self.scheme, self.password)
    }
}

/// Writes what the server wants to find.
fn prepare(folder: &Path, address: SocketAddr, password: &str, options: &Options) -> std::io::Result<()> {
    let cookie = folder.join(".erlang.cookie");
    std::fs::write(&cookie, format!("{:016x}", ports::random()))?;
    // Erlang refuses a cookie that others may read.
    std::fs::set_permissions(&cookie, std::fs::Permissions::from_mode(0o400))?;
    std::fs::write(folder.join("enabled_plugins"), "[].\n")?;
    let listener = match &options.certificate {
        Some(certificate) => {
            let files = certificate.write(folder, CERTIFICATE).map_err(std::io::Error::other)?;
            format!(
                "listeners.tcp = none\nlisteners.ssl.1 = {address}\nssl_options.certfile = {}\n\
                 ssl_options.keyfile = {}\nssl_options.verify = verify_none",
                files.certificate.display(),
                files.key.display()
            )
        }
        None => format!("listeners.tcp.1 = {address}"),
    };
    let settings = format!(
        "{listener}\ndefault_user = {USER}\ndefault_pass = {password}\nlog.console.level = warning\n\
         vm_memory_high_watermark.absolute = 2GB\ndisk_free_limit.absolute = 50MB\n{}\n",
        options.settings
    );
    std::fs::write(folder.join("rabbitmq.conf"), settings)
}

/// Everything that would otherwise lead to the machine's own server, or be shared with it.
fn environment(folder: &Path, port: u16) -> Result<Vec<(String, String)>> {
    let within = |name: &str| folder.join(name).display().to_string();
    let variables = [
        ("HOME", folder.display().to_string()),
        ("LANG", "C.UTF-8".to_owned()),
        ("ERL_EPMD_PORT", ports::free()?.to_string()),
        ("ERL_EPMD_ADDRESS", "127.0.0.1".to_owned()),
        ("ERL_CRASH_DUMP_SECONDS", "0".to_owned()),
        ("RABBITMQ_NODENAME", format!("ecs{port}@localhost")),
        ("RABBITMQ_DIST_PORT", ports::free()?.to_string()),
        ("RABBITMQ_CONF_ENV_FILE", within("no.conf")),
        ("RABBITMQ_CONFIG_FILE", within("rabbitmq.conf")),
        ("RABBITMQ_ADVANCED_CONFIG_FILE", within("advanced.config")),
        ("RABBITMQ_MNESIA_BASE", within("data")),
        ("RABBITMQ_LOG_BASE", within("logs")),
        ("RABBITMQ_LOGS", "-".to_owned()),
        ("RABBITMQ_ENABLED_PLUGINS_FILE", within("enabled_plugins")),
        ("RABBITMQ_PID_FILE", within("server.pid")),
        // Idle schedulers that spin would take the processor from the tests beside them.
        ("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "+sbwt none +sbwtdcpu none +sbwtdio none".to_owned()),
        // Without it a shell stays around the server, and its process id isn't the server's.
        ("RUNNING_UNDER_SYSTEMD", "true".to_owned()),
    ];
    Ok(variables.map(|(name, value)| (name.to_owned(), value)).into())
}
