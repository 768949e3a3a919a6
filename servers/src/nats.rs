//! A private NATS server with JetStream.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use async_nats::{ConnectOptions, ServerAddr};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, MutexGuard};

use crate::authority::Issued;
use crate::binaries::{self, Engine};
use crate::folder;
use crate::instance::Instance;
use crate::ports;

const USER: &str = "ecs";

/// The platform's streams.
const STREAMS: [&str; 5] = ["emotions", "transactions", "credits", "notifications", "ecs-attempts"];

/// Whose turn it is on the server that the environment names.
static TURN: Mutex<()> = Mutex::const_new(());

/// How a private server is set up.
#[derive(Debug, Clone)]
pub struct Options {
    /// Whether JetStream flushes to disk before it acknowledges, as the server settings that we ship have it. Without it a power
    /// cut may take what was acknowledged within the last two minutes.
    pub sync_always: bool,
    /// The largest message in bytes, headers included.
    pub max_payload: usize,
    /// More lines of the server's settings file.
    pub settings: String,
    /// With one, all connections must be encrypted, and the server's address begins with `tls://`.
    pub certificate: Option<Issued>,
}

impl Default for Options {
    fn default() -> Self {
        Self { sync_always: true, max_payload: 2 << 20, settings: String::new(), certificate: None }
    }
}

/// A NATS server: a private one, which ends when this is dropped, or the one that `ECS_TEST_NATS_URL` names.
#[derive(Debug)]
pub struct Nats {
    private: Option<Private>,
    url: String,
    _turn: Option<MutexGuard<'static, ()>>,
}

#[derive(Debug)]
struct Private {
    instance: Instance,
    address: SocketAddr,
    monitor: SocketAddr,
    password: String,
}

impl Nats {
    /// The server of `ECS_TEST_NATS_URL` if that is set, for nobody else in this process until this is dropped, and without the
    /// platform's streams: they are deleted, with all that is in them. Else a private one.
    ///
    /// # Errors
    /// As [`Nats::start`], and when the named server can't be reached or has no JetStream.
    pub async fn reserve() -> Result<Self> {
        let Some(url) = Engine::Nats.given() else { return Self::start(Options::default()).await };
        let turn = TURN.lock().await;
        delete_streams(&url).await.context("can't clear the server that ECS_TEST_NATS_URL names")?;
        Ok(Self { private: None, url, _turn: Some(turn) })
    }

    /// A server of one's own, without streams, on a free port. It takes some 50 ms.
    ///
    /// # Errors
    /// NATS is not installed or doesn't start; the end of its log says why.
    pub async fn start(options: Options) -> Result<Self> {
        let options = &options;
        ports::until_bound(|port| Self::start_on(port, options)).await
    }

    /// A server of one's own over a settings file as an operator has it, on a free port: the command line moves its ports, a copy its
    /// `store_dir`, `NATS_SERVER_NAME` and `NATS_PASSWORD` are in its environment, and all else is as the file has it.
    ///
    /// # Errors
    /// As [`Nats::start`], and when the file can't be read or doesn't say where the streams are.
    pub async fn start_from(settings: &Path) -> Result<Self> {
        let text = &std::fs::read_to_string(settings).context("can't read the settings")?;
        ports::until_bound(|port| Self::start_over(port, text)).await
    }

    async fn start_on(port: u16, options: &Options) -> Result<Self> {
        let (address, monitor) = (local(port), local(ports::free()?));
        let password = ports::password();
        let folder = folder::make("nats", None)?;
        let settings = folder.join("nats.conf");
        let mut text = settings_file(&folder, address, monitor, &password, options);
        if let Some(issued) = &options.certificate {
            let files = issued.write(&folder, "server")?;
            let [certificate, key] = [files.certificate, files.key].map(|file| file.display().to_string());
            text.push_str(&format!("tls {{ cert_file: \"{certificate}\", key_file: \"{key}\" }}\n"));
        }
        std::fs::write(&settings, text).context("can't write to the temporary folder")?;
        let command = command(&["--config", &settings.display().to_string()])?;
        let instance = Instance::guarded("NATS", folder, "KILL", &command, &[])?;
        let mut server = Self::run(Private { instance, address, monitor, password }).await?;
        if options.certificate.is_some() {
            server.url = server.url.replacen("nats:", "tls:", 1);
        }
        Ok(server)
    }

    async fn start_over(port: u16, text: &str) -> Result<Self> {
        let (address, monitor) = (local(port), local(ports::free()?));
        let password = ports::password();
        let folder = folder::make("nats", None)?;
        let settings = folder.join("nats.conf");
        std::fs::write(&settings, moved(text, &store_dir(&folder))?)
            .context("can't write to the temporary folder")?;
        let (config, port, http) =
            (settings.display().to_string(), port.to_string(), monitor.port().to_string());
        let local = ["--addr", "127.0.0.1", "--port", &port, "--http_port", &http];
        let command = command(&[&["--config", &config], &local[..]].concat())?;
        // In quotes, or the server takes a password of digits for a number.
        let named =
            [("NATS_SERVER_NAME", "private".to_owned()), ("NATS_PASSWORD", format!("\"{password}\""))];
        let environment = named.map(|(name, value)| (name.to_owned(), value));
        let instance = Instance::guarded("NATS", folder, "KILL", &command, &environment)?;
        Self::run(Private { instance, address, monitor, password }).await
    }

    async fn run(private: Private) -> Result<Self> {
        private.instance.start()?;
        let url = url_at(private.address, &private.password);
        let server = Self { private: Some(private), url, _turn: None };
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
        Ok(url_at(address, &self.private()?.password))
    }

    /// Where the server listens.
    ///
    /// # Errors
    /// The server isn't ours.
    pub fn address(&self) -> Result<SocketAddr> {
        Ok(self.private()?.address)
    }

    /// Where the server's monitor listens.
    ///
    /// # Errors
    /// The server isn't ours.
    pub fn monitor_address(&self) -> Result<SocketAddr> {
        Ok(self.private()?.monitor)
    }

    /// The folder in which JetStream keeps its streams.
    ///
    /// # Errors
    /// The server isn't ours.
    pub fn store_dir(&self) -> Result<PathBuf> {
        Ok(store_dir(self.private()?.instance.folder()))
    }

    /// The server's process id, for those who watch its system calls.
    ///
    /// # Errors
    /// The server isn't ours.
    pub fn pid(&self) -> Result<i32> {
        Ok(self.private()?.instance.pid()?.as_raw_nonzero().get())
    }

    /// What the server's monitor answers at `path`, `/jsz?streams=true` for example: JSON.
    ///
    /// # Errors
    /// The server isn't ours, doesn't answer, or answers with another status than 200.
    pub async fn monitor(&self, path: &str) -> Result<String> {
        let mut stream = TcpStream::connect(self.private()?.monitor).await.context("no monitor")?;
        let request = format!("GET {path} HTTP/1.0\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let (head, body) = answer.split_once("\r\n\r\n").context("half an answer")?;
        if !head.lines().next().unwrap_or_default().contains(" 200 ") {
            bail!("the monitor says {body}");
        }
        Ok(body.to_owned())
    }

    /// Kills the server with SIGKILL and waits until it is gone.
    ///
    /// # Errors
    /// The server isn't ours.
    pub async fn kill(&self) -> Result<()> {
        self.private()?.instance.kill().await
    }

    /// Stops the server where it is. It takes connections, and answers nothing.
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

    /// Starts a killed server again over the same streams and at the same address, and waits until it answers.
    ///
    /// # Errors
    /// The server isn't ours, still runs, or doesn't start; the end of its log says why.
    pub async fn restart(&self) -> Result<()> {
        self.private()?.instance.start()?;
        self.ready().await
    }

    fn private(&self) -> Result<&Private> {
        self.private.as_ref().context("the server that ECS_TEST_NATS_URL names isn't ours to do this with")
    }

    async fn ready(&self) -> Result<()> {
        let is_healthy = || async { self.monitor("/healthz").await.map(drop) };
        self.private()?.instance.wait_until(is_healthy).await
    }
}

async fn delete_streams(url: &str) -> Result<()> {
    let address: ServerAddr = url.parse()?;
    let options = match (address.username(), address.password()) {
        (Some(user), Some(password)) => {
            ConnectOptions::with_user_and_password(user.to_owned(), password.to_owned())
        }
        (Some(token), None) => ConnectOptions::with_token(token.to_owned()),
        (None, _) => ConnectOptions::new(),
    };
    let client = options.connect(address).await?;
    for stream in STREAMS {
        // That there was none is an answer, too.
        client.request(format!("$JS.API.STREAM.DELETE.{stream}"), "".into()).await?;
    }
    Ok(())
}

/// The settings with their streams elsewhere.
fn moved(settings: &str, store_dir: &Path) -> Result<String> {
    let (before, rest) = settings.split_once("store_dir:").context("the settings have no store_dir")?;
    let (_, after) = rest.split_once('\n').context("the settings end in their store_dir")?;
    Ok(format!("{before}store_dir: \"{}\"\n{after}", store_dir.display()))
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn command(arguments: &[&str]) -> Result<Vec<String>> {
    let program = binaries::nats()?.display().to_string();
    Ok(std::iter::once(program).chain(arguments.iter().map(|it| (*it).to_owned())).collect())
}

fn url_at(address: SocketAddr, password: &str) -> String {
    format!("nats://{USER}:{password}@{address}")
}

fn store_dir(folder: &Path) -> PathBuf {
    folder.join("jetstream")
}

fn settings_file(
    folder: &Path,
    address: SocketAddr,
    monitor: SocketAddr,
    password: &str,
    options: &Options,
) -> String {
    let sync = if options.sync_always { "sync_interval: always" } else { "" };
    format!(
        "listen: \"{address}\"\nhttp: \"{monitor}\"\nmax_payload: {}\n\
         authorization {{ user: \"{USER}\", password: \"{password}\" }}\n\
         jetstream {{\n  store_dir: \"{}\"\n  {sync}\n}}\n{}\n",
        options.max_payload,
        store_dir(folder).display(),
        options.settings
    )
}
