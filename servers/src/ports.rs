//! Free ports and unguessable words.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::net::TcpListener;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};

/// Below the range that systems take the ports of outgoing connections from: a server that is down for a moment must find
/// its port free when it comes back, and a client that keeps trying must not end up connected to itself.
const PORTS: std::ops::Range<u64> = 15_000..32_000;
const TRIES: usize = 5;

/// A port of 127.0.0.1 that was free a moment ago and that this process was never given before. Another process may be faster:
/// whoever starts a server on it tries again then.
///
/// # Errors
/// None is free.
pub fn free() -> Result<u16> {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    let port = (0..1_000).filter_map(|_| candidate()).find(|port| !given.contains(port));
    let port = port.context("no free port was found")?;
    given.insert(port);
    Ok(port)
}

fn candidate() -> Option<u16> {
    let port = u16::try_from(PORTS.start + random() % (PORTS.end - PORTS.start)).ok()?;
    TcpListener::bind(("127.0.0.1", port)).ok().map(|_| port)
}

/// The standard library seeds its hash maps from the system, which is all the randomness that is needed here.
pub(crate) fn random() -> u64 {
    RandomState::new().hash_one(std::process::id())
}

/// A password for a server that lives as long as a test.
pub(crate) fn password() -> String {
    format!("{:016x}{:016x}", random(), random())
}

/// Tries again, with another port, when somebody else took the free port in the moment before the server did.
pub(crate) async fn until_bound<T, Attempt>(start: impl Fn(u16) -> Attempt) -> Result<T>
where
    Attempt: Future<Output = Result<T>>,
{
    let mut tries = 1;
    loop {
        match start(free()?).await {
            Err(reason) if tries < TRIES && is_collision(&reason) => tries += 1,
            done => return done,
        }
    }
}

/// All three servers show the system's words for it in their logs, whose end is in the error.
fn is_collision(reason: &anyhow::Error) -> bool {
    format!("{reason:#}").to_lowercase().contains("address already in use")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_port_is_given_twice() {
        let mut ports: Vec<u16> = (0..500).map(|_| free().expect("there are thousands")).collect();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 500);
    }
}
