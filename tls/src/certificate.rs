//! The certificate of a listener, which may be replaced while it serves.
//!
//! The files are read again every few seconds, as [`looks`](crate::looks) has it. What can't be used is told once, and the certificate
//! that was good stays.

use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::looks::{Found, Looks};
use crate::{TlsError, files, provider};

/// Where a certificate and its key are kept, both in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate, and behind it those that lead to an authority.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// What a listener shows. Clones are the same one.
#[derive(Clone)]
pub struct Certificate {
    files: Arc<CertificateFiles>,
    shown: Arc<Shown>,
}

/// The pair that new connections get.
struct Shown(RwLock<Arc<CertifiedKey>>);

/// What was found when the files were looked at again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// Nothing new.
    Same,
    /// They differ from the last look: perhaps one of them is yet to be replaced.
    Changing,
    /// New connections get the new certificate from now on.
    Replaced,
    /// They can't be used. The certificate stays, and this is told once for what they hold.
    Refused(TlsError),
}

/// Looks after the files of one certificate.
pub struct Follower {
    certificate: Certificate,
    looks: Looks<u64>,
}

impl Certificate {
    /// Reads both files, with what looks after them from then on.
    ///
    /// # Errors
    /// One of them can't be read or used, or they don't belong together.
    pub fn read(files: CertificateFiles) -> Result<(Self, Follower), TlsError> {
        let contents = Contents::read(&files);
        let looks = Looks::new(contents.fingerprint());
        let pair = contents.pair(&files)?;
        let shown = Arc::new(Shown(RwLock::new(Arc::new(pair))));
        let certificate = Self { files: Arc::new(files), shown };
        let follower = Follower { certificate: certificate.clone(), looks };
        Ok((certificate, follower))
    }

    /// How a listener with this certificate speaks: TLS 1.2 and 1.3, and HTTP/1.1 within.
    ///
    /// # Errors
    /// The library refuses its own settings.
    pub fn server_config(&self) -> Result<ServerConfig, TlsError> {
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError::Setup(error.to_string()))?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&self.shown) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Certificate").field(&self.files).finish()
    }
}

impl Shown {
    fn replace(&self, pair: CertifiedKey) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(pair);
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shown")
    }
}

impl ResolvesServerCert for Shown {
    /// Whichever name the client asks for: a listener has one certificate, which may have many names.
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Follower {
    /// Looks at the files every so often, for ever.
    pub async fn follow(mut self, every: Duration) {
        let files = Arc::clone(&self.certificate.files);
        let file = files.certificate.display();
        loop {
            tokio::time::sleep(every).await;
            match self.look().await {
                Look::Same | Look::Changing => {}
                Look::Replaced => tracing::info!(%file, "new connections get the new certificate"),
                Look::Refused(error) => {
                    tracing::error!(%error, "the new certificate can't be used, so the old one stays");
                }
            }
        }
    }

    /// Looks once.
    pub async fn look(&mut self) -> Look {
        let files = Arc::clone(&self.certificate.files);
        let read = tokio::task::spawn_blocking(move || Contents::read(&files));
        // Only a runtime that ends takes no such work.
        let Ok(contents) = read.await else { return Look::Same };
        match self.looks.found(contents.fingerprint()) {
            Found::Same => return Look::Same,
            Found::Changing => return Look::Changing,
            Found::New => {}
        }
        match contents.pair(&self.certificate.files) {
            Ok(pair) => {
                self.certificate.shown.replace(pair);
                Look::Replaced
            }
            Err(error) => Look::Refused(error),
        }
    }
}

/// What both files held at one time.
struct Contents {
    certificate: Result<Vec<u8>, TlsError>,
    key: Result<Vec<u8>, TlsError>,
}

impl Contents {
    fn read(from: &CertificateFiles) -> Self {
        Self { certificate: files::read(&from.certificate), key: files::read(&from.key) }
    }

    /// Tells contents apart without keeping the key a second time.
    fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for file in [&self.certificate, &self.key] {
            match file {
                Ok(bytes) => bytes.hash(&mut hasher),
                Err(error) => error.to_string().hash(&mut hasher),
            }
        }
        hasher.finish()
    }

    fn pair(self, from: &CertificateFiles) -> Result<CertifiedKey, TlsError> {
        files::pair(from, &self.certificate?, &self.key?, &provider())
    }
}
