//! A network between a client and a server, which can be cut and held up.

use std::io;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, tcp};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::ports;

const REBIND_WITHIN: Duration = Duration::from_secs(10);
const GLANCE: Duration = Duration::from_millis(5);

/// A TCP proxy on a free port of 127.0.0.1. It works in tasks of the runtime that it was started on, and ends with them or when
/// it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    state: watch::Sender<State>,
    /// Owns the listener and every connection. There is none while the network is cut.
    traffic: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug, Clone)]
struct State {
    targets: Vec<SocketAddr>,
    is_paused: bool,
}

impl Proxy {
    /// A healthy network to `target`.
    ///
    /// # Errors
    /// No port is free.
    pub async fn start(target: SocketAddr) -> Result<Self> {
        Self::balance(vec![target]).await
    }

    /// A healthy network to several servers that do the same. Connections go to one after the other; those that refuse are passed
    /// over.
    ///
    /// # Errors
    /// No port is free.
    pub async fn balance(targets: Vec<SocketAddr>) -> Result<Self> {
        let (address, listener) = ports::until_bound(bind).await?;
        let (state, _) = watch::channel(State { targets, is_paused: false });
        let proxy = Self { address, state, traffic: Mutex::default() };
        proxy.serve(listener);
        Ok(proxy)
    }

    /// The address that clients use instead of the server's.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends all connections, and refuses new ones until [`Proxy::heal`].
    pub async fn cut(&self) {
        let traffic = self.traffic.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(traffic) = traffic {
            traffic.abort();
            // The listener is closed and the connections are ended when the task is gone.
            let _ = traffic.await;
        }
    }

    /// Holds all bytes back, in both directions, without ending a connection. New connections are taken and held, too.
    pub fn pause(&self) {
        self.state.send_modify(|state| state.is_paused = true);
    }

    /// Lets bytes pass again, those that were held first, and takes connections again if the network was cut.
    ///
    /// # Errors
    /// Somebody else took the port while the network was cut.
    pub async fn heal(&self) -> Result<()> {
        self.state.send_modify(|state| state.is_paused = false);
        if self.traffic().is_some() {
            return Ok(());
        }
        let deadline = Instant::now() + REBIND_WITHIN;
        let listener = loop {
            match bind(self.address.port()).await {
                Ok((_, listener)) => break listener,
                Err(reason) if Instant::now() > deadline => return Err(reason),
                Err(_) => tokio::time::sleep(GLANCE).await,
            }
        };
        self.serve(listener);
        Ok(())
    }

    /// Leads to another server from now on. Connections to the old one end.
    ///
    /// # Errors
    /// As [`Proxy::heal`].
    pub async fn retarget(&self, target: SocketAddr) -> Result<()> {
        self.state.send_modify(|state| state.targets = vec![target]);
        self.cut().await;
        self.heal().await
    }

    fn serve(&self, listener: TcpListener) {
        let traffic = tokio::spawn(accept(listener, self.state.subscribe()));
        *self.traffic() = Some(traffic);
    }

    fn traffic(&self) -> std::sync::MutexGuard<'_, Option<JoinHandle<()>>> {
        self.traffic.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(traffic) = self.traffic().take() {
            traffic.abort();
        }
    }
}

/// Tokio sets SO_REUSEADDR: connections that have just ended don't keep the port.
async fn bind(port: u16) -> Result<(SocketAddr, TcpListener)> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    Ok((address, TcpListener::bind(address).await.context("can't take the proxy's port")?))
}

async fn accept(listener: TcpListener, state: watch::Receiver<State>) {
    let mut connections = JoinSet::new();
    let mut turn = 0_usize;
    loop {
        tokio::select! {
            // A client that has gone already is no reason to end.
            accepted = listener.accept() => if let Ok((client, _)) = accepted {
                connections.spawn(connect(client, turn, state.clone()));
                turn = turn.wrapping_add(1);
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// One connection. A reset or refusal on one side ends the other, as a network would have it.
async fn connect(client: TcpStream, turn: usize, mut state: watch::Receiver<State>) -> io::Result<()> {
    let targets = released(&mut state).await?.targets;
    let server = reach(&targets, turn).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let there = pump(from_client, to_server, state.clone());
    let back = pump(from_server, to_client, state);
    tokio::try_join!(there, back).map(drop)
}

/// The server whose turn it is, or the next one that takes the connection.
async fn reach(targets: &[SocketAddr], turn: usize) -> io::Result<TcpStream> {
    let first = turn % targets.len().max(1);
    let mut refusal = io::ErrorKind::ConnectionRefused.into();
    for target in targets.iter().cycle().skip(first).take(targets.len()) {
        match TcpStream::connect(target).await {
            Ok(server) => return Ok(server),
            Err(reason) => refusal = reason,
        }
    }
    Err(refusal)
}

async fn pump(
    mut from: tcp::OwnedReadHalf,
    mut to: tcp::OwnedWriteHalf,
    mut state: watch::Receiver<State>,
) -> io::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let length = from.read(&mut buffer).await?;
        released(&mut state).await?;
        if length == 0 {
            return to.shutdown().await;
        }
        to.write_all(&buffer[..length]).await?;
    }
}

/// Waits until the network isn't paused.
async fn released(state: &mut watch::Receiver<State>) -> io::Result<State> {
    let state = state.wait_for(|state| !state.is_paused).await;
    Ok(state.map_err(|_| io::ErrorKind::ConnectionAborted)?.clone())
}
