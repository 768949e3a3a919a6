//! TLS: of the listener, and towards everybody else.

use std::path::PathBuf;

use ecs_tls::{CertificateFiles, Roots, TlsError};

use super::reader::Reader;

/// What the settings say about TLS.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// What the listener shows; without it, it doesn't speak TLS.
    pub listener: Option<CertificateFiles>,
    /// A file of roots that are trusted beside the system's.
    pub roots: Option<PathBuf>,
}

impl Tls {
    /// How the address of the listener begins.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        if self.listener.is_some() { "https" } else { "http" }
    }

    /// Whom this process trusts to say who others are.
    ///
    /// # Errors
    /// The file of roots can't be used.
    pub fn roots(&self) -> Result<Roots, TlsError> {
        Roots::load(self.roots.as_deref())
    }

    /// The same for a command, which may call the listener of its own settings by an address that its certificate doesn't have.
    ///
    /// # Errors
    /// As above, and when the certificate can't be read.
    pub fn roots_of_commands(&self) -> Result<Roots, TlsError> {
        match &self.listener {
            Some(files) => self.roots()?.or_oneself(&files.certificate),
            None => self.roots(),
        }
    }
}

impl Reader<'_> {
    pub(super) fn tls(&mut self) -> Tls {
        let path = |name: &str| self.text(name).filter(|text| !text.is_empty()).map(PathBuf::from);
        let roots = path("ECS_TLS_ROOTS");
        let listener = match (path("ECS_TLS_CERTIFICATE"), path("ECS_TLS_KEY")) {
            (Some(certificate), Some(key)) => Some(CertificateFiles { certificate, key }),
            (None, None) => None,
            (Some(_), None) => {
                self.problem("ECS_TLS_KEY", "must name the key's file where ECS_TLS_CERTIFICATE names one");
                None
            }
            (None, Some(_)) => {
                self.problem(
                    "ECS_TLS_CERTIFICATE",
                    "must name the certificate's file where ECS_TLS_KEY names one",
                );
                None
            }
        };
        Tls { listener, roots }
    }
}
