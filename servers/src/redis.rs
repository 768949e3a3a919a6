//! A private Redis server.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, MutexGuard};

use crate::authority::Issued;
use crate::binaries::{self, Engine};
use crate::folder;
use crate::instance::Instance;
use crate::ports;

/// Whose turn it is on the server that the environment names.
static TURN: Mutex<()> = Mutex::const_new(());

/// How a private server is set up.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Whether it keeps its keys over a restart. A cache needs nothing of the kind, but one that comes back with old entries
    /// is what an invalidation that was missed is tested with.
    pub append_only: bool,
    /// More settings, by name and value.
    pub settings: Vec<(String, String)>,
    /// With one, the server listens on a second port, where connections are encrypted.
    pub certificate: Option<Issued>,
}

/// A Redis server: a private one, which ends when this is dropped, or the one that `ECS_TEST_REDIS_URL` names.
#[derive(Debug)]
pub struct Redis {
    private: Option<Private>,
    url: String,
    _turn: Option<MutexGuard<'static, ()>>,
}

#[derive(Debug)]
struct Private {
    instance: Instance,
    address: SocketAddr,
    encrypted: Option<SocketAddr>,
    password: String,
}

impl Redis {
    /// The server of `ECS_TEST_REDIS_URL` if that is set, for nobody else in this process until this is dropped; else a private one.
    /// The keys of those before stay in it. They count no more than after a restart of the platform: its cache begins anew.
    ///
    /// # Errors
    /// As [`Redis::start`].
    pub async fn reserve() -> Result<Self> {
        let Some(url) = Engine::Redis.given() else { return Self::start(Options::default()).await };
        Ok(Self { private: None, url, _turn: Some(TURN.lock().await) })
    }

    /// A server of one's own, empty, on a free port. It takes some 20 ms.
    ///
    /// # Errors
    /// Redis is not installed or doesn't start; the end of its log says why.
    pub async fn start(options: Options) -> Result<Self> {
        let options = &options;
        ports::until_bound(|port| Self::start_on(port, options)).await
    }

    async fn start_on(port: u16, options: &Options) -> Result<Self> {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let password = ports::password();
        let folder = folder::make("redis", None)?;
        let mut command = vec![binaries::redis()?.display().to_string()];
        let mut set = |name: &str, value: &str| command.extend([format!("--{name}"), value.to_owned()]);
        set("bind", "127.0.0.1");
        set("port", &port.to_string());
        set("dir", &folder.display().to_string());
        set("requirepass", &password);
        set("save", "");
        set("appendonly", if options.append_only { "yes" } else { "no" });
        set("appendfsync", "always");
        let mut encrypted = None;
        if let Some(issued) = &options.certificate {
            let (files, port) = (issued.write(&folder, "server")?, ports::free()?);
            encrypted = Some(SocketAddr::from(([127, 0, 0, 1], port)));
            set("tls-port", &port.to_string());
            set("tls-cert-file", &files.certificate.display().to_string());
            set("tls-key-file", &files.key.display().to_string());
            set("tls-ca-cert-file", &files.certificate.display().to_string());
            set("tls-auth-clients", "no");
        }
        for (name, value) in &options.settings {
            set(name, value);
        }
        let instance = Instance::guarded("Redis", folder, "KILL", &command, &[])?;
        instance.start()?;
        let url = url_at(address, &password);
        let server =
            Self { private: Some(Private { instance, address, encrypted, password }), url, _turn: None };
        server.ready().await?;
        Ok(server)
    }

    /// The server's address, with its password.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The address at which connections are encrypted.
    ///
    /// # Errors
    /// The server isn't ours, or has no certificate.
    pub fn encrypted_url(&self) -> Result<String> {
        let private = self.private()?;
        let address = private.encrypted.context("this server has no certificate")?;
        Ok(url_at(address, &private.password).replacen("redis:", "rediss:", 1))
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

    /// Starts a killed server again at the same address, empty unless [`Options::append_only`] is set, and waits until it answers.
    ///
    /// # Errors
    /// The server isn't ours, still runs, or doesn't start; the end of its log says why.
    pub async fn restart(&self) -> Result<()> {
        self.private()?.instance.start()?;
        self.ready().await
    }

    /// What the server answers to one command, as it stands on the wire: `+PONG`, `:1`, `$-1` and the like.
    ///
    /// # Errors
    /// The server isn't ours or can't be reached.
    pub async fn command(&self, words: &[&str]) -> Result<String> {
        let private = self.private()?;
        let mut stream = TcpStream::connect(private.address).await.context("can't connect to Redis")?;
        let request = [request(&["AUTH", &private.password]), request(words), request(&["QUIT"])].concat();
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let said = answer.strip_prefix("+OK\r\n").and_then(|rest| rest.strip_suffix("+OK\r\n"));
        Ok(said.with_context(|| format!("Redis says {answer}"))?.trim_end().to_owned())
    }

    fn private(&self) -> Result<&Private> {
        self.private.as_ref().context("the server that ECS_TEST_REDIS_URL names isn't ours to do this with")
    }

    async fn ready(&self) -> Result<()> {
        let answers = || async {
            match self.command(&["PING"]).await?.as_str() {
                "+PONG" => Ok(()),
                other => bail!("Redis says {other}"),
            }
        };
        self.private()?.instance.wait_until(answers).await
    }
}

fn url_at(address: SocketAddr, password: &str) -> String {
    format!("redis://:{password}@{address}/")
}

fn request(words: &[&str]) -> String {
    let words = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len()));
    format!("*{}\r\n{}", words.len(), words.collect::<String>())
}
