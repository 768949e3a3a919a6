//! What `sslmode` promises, against a server that speaks just enough to tell whether the client came through: it greets whoever
//! does with SQLSTATE 3D000, "no such database".

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::thread;

use ecs_store_postgres::{Options, PostgresStore};
use ecs_vault::Keyring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, Stream};

const ASKS_FOR_TLS: u32 = 80_877_103;

/// A server's certificate, and the file with the root to trust it by: itself.
struct Certificate {
    config: Arc<ServerConfig>,
    root: tempfile::NamedTempFile,
}

fn certificate(name: &str) -> Certificate {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let root = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&root, made.cert.pem()).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let chain: Vec<CertificateDer<'static>> = vec![made.cert.der().clone()];
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    Certificate { config: Arc::new(config), root }
}

/// Serves connections one after the other, with TLS when there is a certificate.
fn serve(tls: Option<Arc<ServerConfig>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for connection in listener.incoming() {
            // A client that breaks off is what some of these tests are about.
            let _ = greet(connection.unwrap(), tls.as_ref());
        }
    });
    address
}

fn greet(mut plain: TcpStream, tls: Option<&Arc<ServerConfig>>) -> std::io::Result<()> {
    let first = startup(&mut plain)?;
    if !first.starts_with(&ASKS_FOR_TLS.to_be_bytes()) {
        return refuse(&mut plain);
    }
    let Some(config) = tls else {
        plain.write_all(b"N")?;
        startup(&mut plain)?;
        return refuse(&mut plain);
    };
    plain.write_all(b"S")?;
    let mut server = ServerConnection::new(Arc::clone(config)).unwrap();
    let mut secret = Stream::new(&mut server, &mut plain);
    startup(&mut secret)?;
    refuse(&mut secret)
}

/// A message without a type: its length, and the rest.
fn startup(from: &mut impl Read) -> std::io::Result<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let mut rest = vec![0; usize::try_from(u32::from_be_bytes(length)).unwrap() - 4];
    from.read_exact(&mut rest)?;
    Ok(rest)
}

fn refuse(to: &mut impl Write) -> std::io::Result<()> {
    let fields = b"SFATAL\0VFATAL\0C3D000\0Mno such database\0\0";
    let length = u32::try_from(fields.len() + 4).unwrap();
    to.write_all(&[b"E", &length.to_be_bytes()[..], fields].concat())?;
    to.flush()
}

/// Whether a client with these settings gets through to the server.
async fn gets_through(address: SocketAddr, settings: &str, roots: Option<&Path>) -> bool {
    let url = format!("postgres://ecs:secret@localhost:{}/ecs?{settings}", address.port());
    let options = Options { root_certificates: roots.map(Path::to_owned), ..Options::new(url) };
    let refused = PostgresStore::open(options, Keyring::in_memory()).await.err().unwrap().to_string();
    assert!(!refused.contains("secret"), "{refused}");
    refused.contains("3D000")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sslmode_means_what_is_documented() {
    let (good, other_name) = (certificate("localhost"), certificate("elsewhere"));
    let trusted = |certificate: &Certificate| format!("sslrootcert={}", certificate.root.path().display());
    let with_tls = serve(Some(Arc::clone(&good.config)));
    let with_other_name = serve(Some(Arc::clone(&other_name.config)));
    let without_tls = serve(None);
    for (server, settings, expect) in [
        (with_tls, "sslmode=disable".to_owned(), true),
        (with_tls, String::new(), true),
        (with_tls, "sslmode=prefer".to_owned(), true),
        (with_tls, format!("sslmode=require&{}", trusted(&good)), true),
        (with_tls, format!("sslmode=verify-full&{}", trusted(&good)), true),
        (with_tls, format!("sslmode=require&{}", trusted(&other_name)), false),
        (with_tls, "sslmode=verify-full".to_owned(), false),
        (with_other_name, "sslmode=prefer".to_owned(), true),
        (with_other_name, format!("sslmode=verify-full&{}", trusted(&other_name)), false),
        (without_tls, "sslmode=prefer".to_owned(), true),
        (without_tls, format!("sslmode=require&{}", trusted(&good)), false),
    ] {
        assert_eq!(gets_through(server, &settings, None).await, expect, "{settings} at {server}");
    }
}

/// The file that everything trusts counts for addresses that name none, and for those alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_roots_of_all_count_where_an_address_names_none() {
    let (good, foreign) = (certificate("localhost"), certificate("localhost"));
    let server = serve(Some(Arc::clone(&good.config)));
    let named = |certificate: &Certificate| format!("&sslrootcert={}", certificate.root.path().display());
    for (settings, roots, expect) in [
        (String::new(), &good, true),
        (String::new(), &foreign, false),
        (named(&good), &foreign, true),
        (named(&foreign), &good, false),
    ] {
        let settings = format!("sslmode=verify-full{settings}");
        let through = gets_through(server, &settings, Some(roots.root.path())).await;
        assert_eq!(through, expect, "{settings}");
    }
}
