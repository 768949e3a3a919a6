//! The connection: how it is made, and how everybody hears that it was lost.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use async_nats::{Client, ConnectErrorKind, ConnectOptions, Event, ServerAddr};
use ecs_bus::BusError;
use ecs_tls::{Roots, TlsError};
use tokio::sync::watch;

use crate::Options;

/// How long one try to connect may take. A paused server takes connections and says nothing.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How often the connection is tried out. Two that stay without an answer are a lost connection.
const PING_INTERVAL: Duration = Duration::from_secs(2);
/// How long to wait between tries at most; the first ones come faster.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// How many commands may wait for the connection's task.
const COMMANDS: usize = 8_192;
/// How many messages may wait for one reader. What comes on top is dropped by the client, so nobody asks for as much.
pub(crate) const UNREAD: usize = 1 << 18;

/// The connection, and what is known of it. A clone is the same connection.
#[derive(Clone)]
pub(crate) struct Link {
    pub(crate) client: Client,
    state: watch::Receiver<State>,
}

/// Which connection it is: each one that is lost ends an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    epoch: u64,
    connected: bool,
}

impl Link {
    /// Connects. Errors name neither the address nor what is in it.
    pub(crate) async fn connect(options: &Options) -> Result<Self, BusError> {
        let addresses = parse(&options.url)?;
        let (told, state) = watch::channel(State { epoch: 0, connected: true });
        let connect = authenticated(ConnectOptions::new(), options, &addresses)
            .await?
            .name("ecs")
            .connection_timeout(CONNECT_TIMEOUT)
            .ping_interval(PING_INTERVAL)
            .client_capacity(COMMANDS)
            .subscription_capacity(UNREAD)
            .request_timeout(Some(options.publish_timeout))
            .reconnect_delay_callback(pause)
            .event_callback(move |event| {
                note(&told, &event);
                std::future::ready(())
            });
        let client = connect.connect(addresses).await.map_err(|error| refused(&error.kind()))?;
        Ok(Self { client, state })
    }

    /// The epoch of the connection there is now, or the next one's if there is none.
    pub(crate) fn epoch(&self) -> u64 {
        self.state.borrow().epoch
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.state.borrow().connected
    }

    /// Ends when the connection of this epoch is lost.
    pub(crate) async fn lost(&self, epoch: u64) {
        let mut state = self.state.clone();
        if state.wait_for(|state| state.epoch != epoch).await.is_err() {
            // The connection's task is gone; nothing will be heard of it again.
        }
    }

    /// Ends when there is a connection. False when there won't be one again.
    pub(crate) async fn connected(&self) -> bool {
        self.state.clone().wait_for(|state| state.connected).await.is_ok()
    }
}

/// How long to wait before another try: longer each time, and not as long as anybody else who lost the same server.
fn pause(attempts: usize) -> Duration {
    let tries = u32::try_from(attempts).unwrap_or(u32::MAX).min(100);
    // The standard library seeds its hash maps from the system, which is all the randomness that is needed here.
    let chance = RandomState::new().hash_one(attempts) as f64 / u64::MAX as f64;
    LONGEST_PAUSE.min(Duration::from_millis(25) * tries).mul_f64(0.5 + 0.5 * chance)
}

fn note(told: &watch::Sender<State>, event: &Event) {
    match event {
        Event::Connected => {
            told.send_if_modified(|state| {
                let news = !state.connected;
                state.connected = true;
                if news {
                    tracing::info!("connected to NATS again");
                }
                news
            });
        }
        Event::Disconnected | Event::Closed => {
            told.send_modify(|state| {
                state.epoch += 1;
                state.connected = false;
            });
            tracing::warn!(%event, "the connection to NATS is lost");
        }
        Event::SlowConsumer(_) => tracing::error!("a reader of NATS was too slow, messages will come again"),
        Event::LameDuckMode | Event::Draining => tracing::info!(%event, "NATS"),
        Event::ServerError(_) | Event::ClientError(_) => tracing::warn!(%event, "NATS"),
    }
}

fn parse(url: &str) -> Result<Vec<ServerAddr>, BusError> {
    // The parser's own error would repeat the address, with the password in it.
    let refuse = || BusError::Unavailable("the address of NATS can't be understood".to_owned());
    let addresses: Vec<ServerAddr> =
        url.split(',').map(|one| one.trim().parse().map_err(|_| refuse())).collect::<Result<_, _>>()?;
    if addresses.is_empty() { Err(refuse()) } else { Ok(addresses) }
}

async fn authenticated(
    connect: ConnectOptions,
    options: &Options,
    addresses: &[ServerAddr],
) -> Result<ConnectOptions, BusError> {
    let mut connect = connect;
    let user = addresses.iter().find_map(|address| Some((decoded(address.username()?), address.password())));
    connect = match (user, &options.token) {
        (Some((user, Some(password))), _) => connect.user_and_password(user, decoded(password)),
        (Some((token, None)), _) => connect.token(token),
        (None, Some(token)) => connect.token(token.clone()),
        (None, None) => connect,
    };
    if let Some(path) = &options.credentials {
        let unreadable = |error: std::io::Error| {
            BusError::Unavailable(format!("the NATS credentials can't be read: {}", error.kind()))
        };
        connect = connect.credentials_file(path).await.map_err(unreadable)?;
    }
    if let Some(path) = &options.root_certificates {
        let unusable =
            |error: TlsError| BusError::Corrupt(format!("the roots that NATS is checked by: {error}"));
        // The library would believe these alone.
        let roots = Roots::load(Some(path)).and_then(|roots| roots.client_config());
        connect = connect.tls_client_config(roots.map_err(unusable)?);
    }
    Ok(connect)
}

/// What stands percent-encoded in an address, as it is meant.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escaped = (*first == b'%').then(|| after.get(..2)).flatten();
        let value = escaped.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        bytes.push(value.unwrap_or(*first));
        rest = if value.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn refused(kind: &ConnectErrorKind) -> BusError {
    BusError::Unavailable(format!("no connection to NATS: {kind}"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn what_is_encoded_in_an_address_is_decoded() {
        let check = |text: &str, expect: &str| assert_eq!(decoded(text), expect);
        check("plain", "plain");
        check("p%40ss%2Fword", "p@ss/word");
        check("100%", "100%");
        check("%zz%4", "%zz%4");
        check("%C3%BC", "ü");
    }

    #[test]
    fn processes_that_lost_the_same_server_come_back_one_by_one() {
        let pauses = |attempts| -> BTreeSet<Duration> { (0..100).map(|_| pause(attempts)).collect() };
        assert_eq!(pauses(0), BTreeSet::from([Duration::ZERO]));
        for (attempts, longest) in [(1, 25), (4, 100), (40, 1_000), (usize::MAX, 1_000)] {
            let (pauses, longest) = (pauses(attempts), Duration::from_millis(longest));
            assert!(pauses.len() > 50, "{pauses:?}");
            assert!(pauses.iter().all(|pause| (longest / 2..=longest).contains(pause)), "{pauses:?}");
        }
    }

    #[test]
    fn an_address_that_is_none_is_not_repeated() {
        let error = parse("nats://ecs:sesame@:not a port").err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), Some("the bus is unavailable: the address of NATS can't be understood"));
        assert_eq!(parse("nats://a:4222, tls://b").map(|addresses| addresses.len()).ok(), Some(2));
    }
}
