//! What can be wrong with files of certificates and keys.

use std::io;
use std::path::PathBuf;

/// Why TLS can't be spoken with these files. The texts name files and never what is in them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// The file isn't there, or isn't ours to read.
    #[error("{} can't be read: {reason}", file.display())]
    Unreadable {
        /// Which file.
        file: PathBuf,
        /// Why.
        reason: io::ErrorKind,
    },
    /// The file holds no certificate.
    #[error("{} holds no certificate in PEM", .0.display())]
    NoCertificate(PathBuf),
    /// A certificate in the file is damaged, or of a kind that can't be used.
    #[error("{} holds a certificate that can't be used", .0.display())]
    BadCertificate(PathBuf),
    /// The file holds no private key, or one of a kind that can't be used.
    #[error("{} holds no private key in PEM that can be used", .0.display())]
    BadKey(PathBuf),
    /// The two files don't belong together.
    #[error("the key in {} is not that of the first certificate in {}", key.display(), certificate.display())]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// Neither the system nor a file names an authority.
    #[error("no authority is trusted: the system has no root certificates, and no file of them is named")]
    NoRoots,
    /// The library refuses its own settings.
    #[error("TLS can't be set up: {0}")]
    Setup(String),
}
