//! TLS as all of the platform speaks it: 1.2 and 1.3, by rustls over ring.
//!
//! - [`Certificate`] is what a listener shows. Its files are looked at again while it serves, so that a new certificate
//!   needs no restart.
//! - [`Roots`] are the authorities that callers trust: those of the system, and those of one file.
//! - [`looks`] is how files are followed that are replaced: those of certificates here, and others elsewhere.
//! - [`Connector`] makes the connections of HTTP clients, with TLS where an address begins with `https://`.
//!
//! Errors name files and never what is in them.

mod certificate;
mod connector;
mod error;
mod files;
pub mod looks;
mod roots;
mod stream;
mod verifier;

pub use certificate::{Certificate, CertificateFiles, Follower, Look};
pub use connector::Connector;
pub use error::TlsError;
pub use roots::Roots;
pub use rustls::ClientConfig;
pub use stream::Stream;

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

/// The one that is used everywhere. It is named at each use, for a process-wide default would be global state.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
