//! A connection that is made again when it is lost.
//!
//! The bus has two: one to publish on and one to listen on, because a server that runs out of memory or disk stops reading what
//! publishers send, and acknowledgements must still reach it then.
//!
//! The client library could recover by itself. It would make channels and consumers anew behind our back, and what a member holds
//! would be void without a word: tags of the lost channel name other deliveries on the new one. So each loss is an epoch here that
//! everybody sees, and who has something on a channel makes his own anew.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ecs_bus::BusError;
use futures::StreamExt;
use lapin::tcp::OwnedTLSConfig;
use lapin::uri::AMQPUri;
use lapin::{Channel, Connection, ConnectionProperties, Event};
use tokio::sync::watch;

/// How long a connection may take to come about.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// How often each side says that it is there, in seconds; twice that is when the other one is given up.
const HEARTBEAT: u16 = 5;
/// The shortest pause between two attempts, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));
/// How long a connection may take to end.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);

/// The end of everything that goes wrong with the server.
pub(crate) fn away(error: &dyn std::fmt::Display) -> BusError {
    BusError::Unavailable(format!("RabbitMQ: {error}"))
}

#[derive(Clone, Default)]
struct State {
    /// Counts connections.
    epoch: u64,
    connection: Option<Arc<Connection>>,
    /// The server takes nothing, because it runs out of memory or disk.
    blocked: bool,
    /// There won't be another connection.
    ended: bool,
}

/// A connection, whichever there is now. When the last clone is gone the connection ends.
#[derive(Clone)]
pub(crate) struct Link {
    state: watch::Receiver<State>,
    stop: watch::Sender<bool>,
    patience: Duration,
}

/// A channel, and the epoch of its connection.
#[derive(Clone)]
pub(crate) struct OnLink {
    pub(crate) epoch: u64,
    pub(crate) channel: Channel,
}

impl Link {
    /// Connects once; from then on the connection is kept.
    pub(crate) async fn open(
        servers: &[Server],
        name: &'static str,
        patience: Duration,
    ) -> Result<Self, BusError> {
        let first = connect(servers, name).await?;
        let (told, state) = watch::channel(State::default());
        let (stop, stopped) = watch::channel(false);
        let keeper = Keeper { servers: servers.to_vec(), name, told, stopped };
        let events = Box::pin(first.events_listener());
        keeper.told.send_modify(|state| state.connection = Some(Arc::new(first)));
        tokio::spawn(keeper.run(events));
        Ok(Self { state, stop, patience })
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.state.borrow().connection.is_some()
    }

    pub(crate) fn is_blocked(&self) -> bool {
        self.state.borrow().blocked
    }

    /// A new channel. Waits for a connection as long as events would.
    pub(crate) async fn channel(&self) -> Result<OnLink, BusError> {
        let opened = tokio::time::timeout(self.patience, async {
            self.connected().await;
            let State { epoch, connection, .. } = self.state.borrow().clone();
            let connection = connection.ok_or(BusError::Closed)?;
            let channel = connection.create_channel().await.map_err(|error| away(&error))?;
            Ok(OnLink { epoch, channel })
        });
        opened.await.unwrap_or_else(|_| Err(away(&"there is no connection")))
    }

    /// Ends when the connection of this epoch is lost.
    pub(crate) async fn lost(&self, epoch: u64) {
        // The keeper's end is the connection's.
        let _ = self.state.clone().wait_for(|state| state.epoch != epoch || state.connection.is_none()).await;
    }

    /// Ends when there is a connection, or won't be one again.
    pub(crate) async fn connected(&self) {
        drop(self.state.clone().wait_for(|state| state.connection.is_some() || state.ended).await);
    }

    /// Whether the connection of this epoch is there.
    pub(crate) fn has(&self, epoch: u64) -> bool {
        let state = self.state.borrow();
        state.epoch == epoch && state.connection.is_some()
    }

    /// Ends the connection in order, and waits until it has ended.
    pub(crate) async fn close(&self) {
        self.stop.send_replace(true);
        let _ = self.state.clone().wait_for(|state| state.ended).await;
    }
}

type Events = std::pin::Pin<Box<dyn futures::Stream<Item = Event> + Send>>;

/// The task that makes the connection again.
struct Keeper {
    servers: Vec<Server>,
    name: &'static str,
    told: watch::Sender<State>,
    stopped: watch::Receiver<bool>,
}

impl Keeper {
    async fn run(mut self, mut events: Events) {
        loop {
            let stopped = self.attend(&mut events).await;
            let lost = self.told.borrow().connection.clone();
            self.told.send_modify(|state| {
                state.epoch += 1;
                state.connection = None;
                state.blocked = false;
            });
            if let Some(connection) = lost {
                // A dead server never answers; the library's own thread gives up in its time.
                let farewell = connection.close(200, "OK".into());
                let _ = tokio::time::timeout(CLOSE_WITHIN, farewell).await;
            }
            if stopped {
                break;
            }
            tracing::warn!(connection = self.name, "the connection to RabbitMQ is lost");
            match self.again().await {
                Some(next) => events = next,
                None => break,
            }
        }
        self.told.send_modify(|state| state.ended = true);
    }

    /// Follows what happens on the connection until it is lost, or nobody wants it any more: then true.
    async fn attend(&mut self, events: &mut Events) -> bool {
        loop {
            let event = tokio::select! {
                event = events.next() => event,
                _ = self.stopped.wait_for(|stopped| *stopped) => return true,
                () = self.told.closed() => return true,
            };
            match event {
                Some(Event::ConnectionBlocked(reason)) => {
                    tracing::error!(connection = self.name, %reason, "RabbitMQ takes nothing: it runs out of memory or disk");
                    self.told.send_modify(|state| state.blocked = true);
                }
                Some(Event::ConnectionUnblocked) => {
                    tracing::info!(connection = self.name, "RabbitMQ takes events again");
                    self.told.send_modify(|state| state.blocked = false);
                }
                Some(Event::Error(_)) if self.is_dead() => return false,
                Some(_) => {}
                None => return false,
            }
        }
    }

    /// A channel's error leaves the connection as it is.
    fn is_dead(&self) -> bool {
        self.told.borrow().connection.as_ref().is_none_or(|connection| !connection.status().connected())
    }

    /// Connects again. `None` when nobody wants it any more.
    async fn again(&mut self) -> Option<Events> {
        let mut pause = PAUSES.0;
        loop {
            let connected = tokio::select! {
                connected = connect(&self.servers, self.name) => connected,
                _ = self.stopped.wait_for(|stopped| *stopped) => return None,
                () = self.told.closed() => return None,
            };
            if let Ok(connection) = connected {
                tracing::info!(connection = self.name, "connected to RabbitMQ again");
                let events: Events = Box::pin(connection.events_listener());
                self.told.send_modify(|state| state.connection = Some(Arc::new(connection)));
                return Some(events);
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = self.stopped.wait_for(|stopped| *stopped) => return None,
            }
            pause = (pause * 2).min(PAUSES.1);
        }
    }
}

/// A server, and how to tell that it is the right one.
#[derive(Clone)]
pub(crate) struct Server {
    uri: AMQPUri,
    /// Certificates, in PEM, that are believed beside those that the system trusts.
    roots: Option<String>,
}

/// The servers that an address names. The parser's own error would repeat the address, with the password in it. `cacertfile` in an
/// address comes before the file of all.
pub(crate) fn parse(url: &str, root_certificates: Option<&Path>) -> Result<Vec<Server>, BusError> {
    let parse = |one: &str| {
        let unclear = || BusError::Unavailable("the address of RabbitMQ can't be understood".to_owned());
        let mut uri: AMQPUri = one.parse().map_err(|_| unclear())?;
        uri.query.heartbeat = Some(HEARTBEAT);
        let (_, query) = one.split_once('?').unwrap_or_default();
        let named = query.split('&').find_map(|pair| pair.strip_prefix("cacertfile="));
        let roots = match (named, root_certificates) {
            (Some(file), _) => Some(roots(Path::new(file), "the file that cacertfile names")?),
            (None, Some(file)) => Some(roots(file, "the file of roots")?),
            (None, None) => None,
        };
        Ok(Server { uri, roots })
    };
    url.split(',').map(str::trim).map(parse).collect()
}

/// The certificates in a file.
fn roots(file: &Path, named: &str) -> Result<String, BusError> {
    let pem = std::fs::read_to_string(file).ok().filter(|pem| pem.contains("-----BEGIN CERTIFICATE-----"));
    pem.ok_or_else(|| BusError::Corrupt(format!("{named} holds no certificates")))
}

/// A connection to the first server that takes one.
async fn connect(servers: &[Server], name: &str) -> Result<Connection, BusError> {
    let mut refusal = away(&"no server is named");
    for server in servers {
        let properties = ConnectionProperties::default().with_connection_name(format!("ecs {name}").into());
        let tls = OwnedTLSConfig { identity: None, cert_chain: server.roots.clone() };
        let runtime = lapin::runtime::default_runtime().map_err(|error| away(&error))?;
        let uri = server.uri.clone();
        let connecting = Connection::connect_uri_with_config(uri, properties, tls, runtime);
        refusal = match tokio::time::timeout(CONNECT_WITHIN, connecting).await {
            Ok(Ok(connection)) => return Ok(connection),
            Ok(Err(error)) => BusError::Unavailable(format!("no connection to RabbitMQ: {error}")),
            Err(_) => BusError::Unavailable("no connection to RabbitMQ: it does not answer".to_owned()),
        };
    }
    Err(refusal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_is_none_is_not_repeated() {
        let error = parse("amqp://ecs:sesame@:not a port", None).err().map(|error| error.to_string());
        assert_eq!(
            error.as_deref(),
            Some("the bus is unavailable: the address of RabbitMQ can't be understood")
        );
        let servers = parse("amqp://u:p@a:5672/%2f, amqps://u:p@b/v", None).unwrap();
        let vhosts: Vec<&str> = servers.iter().map(|server| server.uri.vhost.as_str()).collect();
        assert_eq!(vhosts, ["/", "v"]);
    }
}
