//! Handshakes in memory.

use std::path::Path;
use std::sync::Arc;

use ecs_servers::Issued;
use ecs_tls::{Certificate, CertificateFiles, ClientConfig, Roots};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::{TlsAcceptor, TlsConnector};

pub(crate) fn files(folder: &Path) -> CertificateFiles {
    CertificateFiles { certificate: folder.join("server.pem"), key: folder.join("server-key.pem") }
}

pub(crate) fn der(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
}

/// A client that trusts this authority beside the system's.
pub(crate) fn trusting(folder: &Path, authority: &str) -> Arc<ClientConfig> {
    let file = folder.join("roots.pem");
    std::fs::write(&file, authority).unwrap();
    Arc::new(Roots::load(Some(&file)).unwrap().client_config().unwrap())
}

/// The certificate that a client of `name` is shown and believes.
pub(crate) async fn shown(
    certificate: &Certificate,
    client: &Arc<ClientConfig>,
    name: &str,
) -> std::io::Result<CertificateDer<'static>> {
    let (here, there) = tokio::io::duplex(16 * 1024);
    let acceptor = TlsAcceptor::from(Arc::new(certificate.server_config().unwrap()));
    let serving = tokio::spawn(async move { acceptor.accept(there).await.map(drop) });
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let connected = TlsConnector::from(Arc::clone(client)).connect(name, here).await;
    let believed = connected.map(|stream| {
        let shown = stream.get_ref().1.peer_certificates().unwrap();
        shown[0].clone().into_owned()
    });
    serving.abort();
    believed
}

/// Writes one pair where a listener reads it.
pub(crate) fn put(issued: &Issued, folder: &Path) {
    issued.write(folder, "server").unwrap();
}
