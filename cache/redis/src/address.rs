//! The address of Redis, and who is believed to be there.

use std::path::Path;

use ecs_tls::Roots;
use redis::{Client, TlsCertificates};

use crate::OpenError;

/// A client of the Redis at this address, which connects to nothing yet. Behind `rediss://` the server must prove its name to
/// an authority that the system trusts or that this file has.
///
/// # Errors
/// The address isn't one of Redis, or the file can't be used.
pub fn client(url: &str, root_certificates: Option<&Path>) -> Result<Client, OpenError> {
    let built = match root_certificates {
        // The library believes what it is given instead of what the system has, so it is given both.
        Some(file) if url.starts_with("rediss://") => {
            let root_cert = Some(Roots::load(Some(file))?.pem().into_bytes());
            Client::build_with_tls(url, TlsCertificates { client_tls: None, root_cert })
        }
        Some(_) | None => Client::open(url),
    };
    built.map_err(|_| OpenError::Address)
}
