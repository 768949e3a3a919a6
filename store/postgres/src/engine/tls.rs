//! TLS: what `sslmode` and `sslrootcert` mean here.
//!
//! `disable` never encrypts. `prefer`, the default, encrypts when the server can, and believes whatever certificate it shows:
//! whoever can change the traffic could take the encryption away altogether, so a check would promise too much.
//! `require`, `verify-ca` and `verify-full` all mean what libpq calls `verify-full`: encrypted, the certificate signed by
//! a root in `sslrootcert` (else by one that the system trusts or the platform's own file of roots has) and made out to
//! the host. That is stricter than libpq's `require`, which believes everybody.

use std::path::Path;
use std::sync::Arc;

use ecs_store::StoreError;
use ecs_tls::Roots;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres::config::SslMode;
use tokio_postgres_rustls::MakeRustlsConnect;

/// How much an address wants of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TlsMode {
    /// None.
    Disable,
    /// Encryption where the server offers it.
    Prefer,
    /// Encryption to a server that proves who it is.
    Verify,
}

impl TlsMode {
    /// The mode with one of libpq's names.
    pub(super) fn parse(name: &str) -> Result<Self, StoreError> {
        match name {
            "disable" => Ok(Self::Disable),
            "prefer" => Ok(Self::Prefer),
            "require" | "verify-ca" | "verify-full" => Ok(Self::Verify),
            _ => Err(StoreError::Corrupt(
                "sslmode must be one of disable, prefer, require, verify-ca, verify-full".to_owned(),
            )),
        }
    }
}

/// Whom an address trusts to say who a server is.
#[derive(Debug, Clone, Copy)]
pub(super) enum TrustedRoots<'a> {
    /// The certificates in this file and nobody else, as libpq has it.
    Only(&'a str),
    /// The system's, and those in this file if there is one.
    Beside(Option<&'a Path>),
}

/// Makes the encrypted side of connections.
#[derive(Clone)]
pub(crate) struct Tls {
    mode: TlsMode,
    pub(super) connector: MakeRustlsConnect,
}

impl Tls {
    pub(super) fn new(mode: TlsMode, roots: TrustedRoots<'_>) -> Result<Self, StoreError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| StoreError::Corrupt(format!("TLS can't be set up: {error}")))?;
        let config = match (mode, roots) {
            (TlsMode::Verify, TrustedRoots::Only(path)) => {
                builder.with_root_certificates(root_certificates(path)?).with_no_client_auth()
            }
            (TlsMode::Verify, TrustedRoots::Beside(file)) => {
                let refused = |error: ecs_tls::TlsError| StoreError::Corrupt(error.to_string());
                Roots::load(file).and_then(|roots| roots.client_config()).map_err(refused)?
            }
            (TlsMode::Prefer | TlsMode::Disable, _) => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
                .with_no_client_auth(),
        };
        Ok(Self { mode, connector: MakeRustlsConnect::new(config) })
    }

    /// What the driver calls it.
    pub(super) fn ssl_mode(&self) -> SslMode {
        match self.mode {
            TlsMode::Disable => SslMode::Disable,
            TlsMode::Prefer => SslMode::Prefer,
            TlsMode::Verify => SslMode::Require,
        }
    }
}

fn root_certificates(path: &str) -> Result<RootCertStore, StoreError> {
    let mut store = RootCertStore::empty();
    let found: Result<Vec<CertificateDer<'static>>, _> =
        CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    let found = found.map_err(|_| {
        StoreError::Corrupt("the file that sslrootcert names holds no certificates".to_owned())
    })?;
    let (added, _) = store.add_parsable_certificates(found);
    if added == 0 {
        return Err(StoreError::Corrupt("there is no root certificate to trust: set sslrootcert".to_owned()));
    }
    Ok(store)
}

/// Believes every certificate, and still has the handshake signed by its key.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_have_the_names_that_libpq_gives_them() {
        let check = |name, expect| assert_eq!(TlsMode::parse(name).ok(), expect, "{name}");
        check("disable", Some(TlsMode::Disable));
        check("prefer", Some(TlsMode::Prefer));
        check("require", Some(TlsMode::Verify));
        check("verify-full", Some(TlsMode::Verify));
        check("allow", None);
        check("", None);
    }
}
