//! The authorities that callers trust.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};

use crate::verifier::OrOneself;
use crate::{TlsError, files, provider};

/// The length of a line in PEM.
const LINE: usize = 64;

/// Root certificates: the system's, and those of a file beside them.
#[derive(Debug, Clone)]
pub struct Roots {
    certificates: Vec<CertificateDer<'static>>,
    store: RootCertStore,
    own: Option<CertificateDer<'static>>,
}

impl Roots {
    /// What the system trusts (`SSL_CERT_FILE` and `SSL_CERT_DIR` say otherwise), and every certificate of this file.
    ///
    /// # Errors
    /// The file can't be read, or holds something else than certificates of authorities. What the system has and can't be
    /// used is left out.
    pub fn load(file: Option<&Path>) -> Result<Self, TlsError> {
        let mut roots = Self { certificates: Vec::new(), store: RootCertStore::empty(), own: None };
        for certificate in rustls_native_certs::load_native_certs().certs {
            roots.add(certificate);
        }
        if let Some(file) = file {
            for certificate in files::certificates(file, &files::read(file)?)? {
                if !roots.add(certificate) {
                    return Err(TlsError::BadCertificate(file.to_owned()));
                }
            }
        }
        Ok(roots)
    }

    /// The same, and whoever shows the first certificate of this file, whatever names it has and whoever signed it.
    ///
    /// That is for a process which talks to its own listener: it does so by an address that need not be a name of the
    /// certificate, and who holds the key is itself.
    ///
    /// # Errors
    /// The file can't be read or holds no certificate.
    pub fn or_oneself(mut self, certificate: &Path) -> Result<Self, TlsError> {
        let chain = files::certificates(certificate, &files::read(certificate)?)?;
        self.own = chain.into_iter().next();
        Ok(self)
    }

    /// How a client speaks that trusts these: TLS 1.2 and 1.3, to servers that prove their name.
    ///
    /// # Errors
    /// There is nobody to trust.
    pub fn client_config(&self) -> Result<ClientConfig, TlsError> {
        let setup = |error: rustls::Error| TlsError::Setup(error.to_string());
        if self.store.is_empty() && self.own.is_none() {
            return Err(TlsError::NoRoots);
        }
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(setup)?;
        let config = match &self.own {
            None => builder.with_root_certificates(self.store.clone()),
            Some(own) => {
                let verifier = OrOneself::new(self.store.clone(), own.clone(), provider())?;
                builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
            }
        };
        Ok(config.with_no_client_auth())
    }

    /// All of them in PEM, for libraries that take nothing else.
    #[must_use]
    pub fn pem(&self) -> String {
        let mut pem = String::new();
        for certificate in &self.certificates {
            pem.push_str("-----BEGIN CERTIFICATE-----\n");
            let text = STANDARD.encode(certificate);
            for line in text.as_bytes().chunks(LINE) {
                // Base64 is ASCII, and writing to a text doesn't fail.
                let _ = writeln!(pem, "{}", str::from_utf8(line).unwrap_or_default());
            }
            pem.push_str("-----END CERTIFICATE-----\n");
        }
        pem
    }

    /// Whether it is the certificate of an authority that can be trusted at all.
    fn add(&mut self, certificate: CertificateDer<'static>) -> bool {
        let good = self.store.add(certificate.clone()).is_ok();
        if good {
            self.certificates.push(certificate);
        }
        good
    }
}
