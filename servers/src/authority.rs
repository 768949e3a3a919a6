//! An authority for development and tests, and the certificates that it signs.
//!
//! What the platform is tested with is what a developer gets: no command line of another program is needed for either.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long the authority and what it signs are good for.
const OF_AUTHORITY: u32 = 10 * 365;
const OF_CERTIFICATE: u32 = 365;

/// The authority's files in a folder.
const ROOT: &str = "authority.pem";
const ROOT_KEY: &str = "authority-key.pem";

/// An authority that nobody trusts who isn't told to.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

/// A certificate with its key, both in PEM.
#[derive(Clone)]
pub struct Issued {
    /// The certificate.
    pub certificate: String,
    /// Its private key.
    pub key: String,
}

/// Where a certificate and its key were written.
#[derive(Debug, Clone)]
pub struct IssuedFiles {
    /// The certificate's file.
    pub certificate: PathBuf,
    /// The key's file, which only its owner may read.
    pub key: PathBuf,
}

impl Authority {
    /// A new one, which is written nowhere.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn new() -> Result<Self> {
        let key = KeyPair::generate().context("can't make a key")?;
        let certificate = root()?.self_signed(&key).context("can't sign the authority's certificate")?.pem();
        Ok(Self { issuer: Issuer::new(root()?, key), certificate })
    }

    /// The one that is kept in this folder as `authority.pem` and `authority-key.pem`, made on the first call.
    ///
    /// # Errors
    /// The folder can't be written to, or holds something else under these names.
    pub fn in_folder(folder: &Path) -> Result<Self> {
        let (path, key_path) = (folder.join(ROOT), folder.join(ROOT_KEY));
        if path.exists() {
            let read = |path: &Path| {
                std::fs::read_to_string(path).with_context(|| format!("can't read {}", path.display()))
            };
            let key = KeyPair::from_pem(&read(&key_path)?)
                .with_context(|| format!("{} holds no key of an authority", key_path.display()))?;
            return Ok(Self { issuer: Issuer::new(root()?, key), certificate: read(&path)? });
        }
        let made = Self::new()?;
        write(&key_path, &made.issuer.key().serialize_pem(), 0o600)?;
        write(&path, &made.certificate, 0o644)?;
        Ok(made)
    }

    /// Its certificate in PEM: what must be trusted.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// A certificate for a server with these names, which may be addresses.
    ///
    /// # Errors
    /// A name isn't one.
    pub fn issue(&self, names: &[&str]) -> Result<Issued> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).context("a name that no certificate can hold")?;
        params.distinguished_name.push(DnType::CommonName, "ECS development");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        valid_for(&mut params, OF_CERTIFICATE)?;
        let key = KeyPair::generate().context("can't make a key")?;
        let certificate = params.signed_by(&key, &self.issuer).context("can't sign a certificate")?;
        Ok(Issued { certificate: certificate.pem(), key: key.serialize_pem() })
    }
}

impl Issued {
    /// Writes both as `name.pem` and `name-key.pem`, each in one step, so that who reads finds the old file or the new one.
    ///
    /// # Errors
    /// The folder can't be written to.
    pub fn write(&self, folder: &Path, name: &str) -> Result<IssuedFiles> {
        let files = IssuedFiles::at(folder, name);
        write(&files.key, &self.key, 0o600)?;
        write(&files.certificate, &self.certificate, 0o644)?;
        Ok(files)
    }
}

impl IssuedFiles {
    /// Where they are in this folder.
    pub(crate) fn at(folder: &Path, name: &str) -> Self {
        Self { certificate: folder.join(format!("{name}.pem")), key: folder.join(format!("{name}-key.pem")) }
    }
}

/// Shows no key.
impl std::fmt::Debug for Issued {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issued").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

/// The authority itself. Its name and its key are all that what it signs refers to, so it can be put together again.
fn root() -> Result<CertificateParams> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "ECS development authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    valid_for(&mut params, OF_AUTHORITY)?;
    Ok(params)
}

/// From a day ago, for machines whose clocks are behind.
fn valid_for(params: &mut CertificateParams, days: u32) -> Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
    let epoch = date_time_ymd(1970, 1, 1);
    params.not_before = epoch + now.saturating_sub(DAY);
    params.not_after = epoch + now + DAY * days;
    Ok(())
}

/// Written beside its place and renamed, with its rights from the first byte on.
fn write(path: &Path, text: &str, mode: u32) -> Result<()> {
    let cannot = || format!("can't write {}", path.display());
    let draft = path.with_extension("new");
    // One that a broken run left would keep its rights.
    if draft.exists() {
        std::fs::remove_file(&draft).with_context(cannot)?;
    }
    let mut file =
        OpenOptions::new().create_new(true).write(true).mode(mode).open(&draft).with_context(cannot)?;
    file.write_all(text.as_bytes()).with_context(cannot)?;
    std::fs::rename(&draft, path).with_context(cannot)
}
