//! Calls of receivers on this machine, which answer what a test wants.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use ecs_domain::{Clock, Timestamp, WebhookId};
use ecs_store::{AddedWebhook, NewWebhook, WebhookAddress, WebhookRotation, Webhooks as _};
use ecs_web::auth::{SecretKey, Tokens};
use ecs_web::peer::Network;
use ecs_web::{Auth, Secret};
use ecs_work_testkit::platform::Platform;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;
use tokio_rustls::rustls::{RootCertStore, ServerConfig, crypto};
use uuid::Uuid;

use super::call::{Caller, Message, Resolve};
use super::guard::{Guard, Reach};
use super::secrets::Secrets;
use super::signature::SigningSecret;
use super::target::Target;
use super::upkeep::Upkeep;
use super::verdict::{Answer, Trouble};

struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        "2026-11-20T12:00:00Z".parse().unwrap()
    }
}

/// Tells the same of every name.
struct Told(&'static [&'static str]);

#[async_trait]
impl Resolve for Told {
    async fn resolve(&self, _: &str) -> std::io::Result<Vec<IpAddr>> {
        Ok(self.0.iter().map(|address| address.parse().unwrap()).collect())
    }
}

fn caller(reach: Reach, told: &'static [&'static str], roots: RootCertStore) -> Caller {
    Caller::new(Guard::new(reach, &[]), Arc::new(Told(told)), roots, Duration::from_secs(10)).unwrap()
}

async fn post(caller: &Caller, url: &str) -> Result<Answer, Trouble> {
    // Judged as a demonstration would, so that what is left is the judgement of the call itself.
    let target = Target::parse(url, &Guard::new(Reach::Anywhere, &[])).unwrap();
    let message = Message { headers: Vec::new(), body: Bytes::from_static(b"{}") };
    caller.post(&target, message, &Noon).await
}

/// Answers each connection with these bytes, once it has the request, and leaves it open.
async fn receiver(answer: Vec<u8>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut held = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4_096];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(&answer).await;
            held.push(stream);
        }
    });
    address
}

/// Whatever a name told before, what counts is what it tells now, and one address that isn't public is one too many.
#[tokio::test]
async fn no_name_leads_to_an_address_that_is_not_public() {
    let address = receiver(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()).await;
    let inside: [&'static [&'static str]; 6] = [
        &["127.0.0.1"],
        &["::1"],
        &["::ffff:127.0.0.1"],
        &["169.254.169.254"],
        &["1.1.1.1", "127.0.0.1"],
        &[],
    ];
    for told in inside {
        let caller = caller(Reach::Public, told, RootCertStore::empty());
        let url = format!("http://hooks.example.com:{}/", address.port());
        assert_eq!(post(&caller, &url).await, Err(Trouble::NoAddress), "{told:?}");
    }
    let caller = caller(Reach::Public, &["1.1.1.1"], RootCertStore::empty());
    assert_eq!(post(&caller, &format!("http://{address}/")).await, Err(Trouble::NoAddress), "no name at all");
}

/// Also where the name was taken for a good one, and by whatever address family the way there leads.
#[tokio::test]
async fn no_name_leads_into_a_network_that_is_denied() {
    let address = receiver(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()).await;
    let denied = ["127.0.0.0/8", "::1"].map(|network| network.parse().unwrap());
    let check = async |told: &'static [&'static str], denied: &[Network], expect: Option<Trouble>| {
        let guard = Guard::new(Reach::Anywhere, denied);
        let patience = Duration::from_secs(10);
        let caller = Caller::new(guard, Arc::new(Told(told)), RootCertStore::empty(), patience).unwrap();
        let answer = post(&caller, &format!("http://hooks.example.com:{}/", address.port())).await;
        assert_eq!(answer.err(), expect, "{told:?}");
    };
    check(&["127.0.0.1"], &[], None).await;
    for told in [&["127.0.0.1"] as &[&str], &["::1"], &["::ffff:127.0.0.1"], &["1.1.1.1", "127.0.0.1"]] {
        check(told, &denied, Some(Trouble::NoAddress)).await;
    }
}

#[tokio::test]
async fn only_the_head_of_an_answer_counts() {
    let check = async |answer: &[u8], expect: Result<Answer, Trouble>| {
        let address = receiver(answer.to_vec()).await;
        let caller = caller(Reach::Anywhere, &["127.0.0.1"], RootCertStore::empty());
        let got = post(&caller, &format!("http://hooks.example.com:{}/", address.port())).await;
        assert_eq!(got, expect, "{}", String::from_utf8_lossy(&answer[..answer.len().min(60)]));
    };
    let answered =
        |status, wish: Option<u64>| Ok(Answer { status, retry_after: wish.map(Duration::from_secs) });
    check(b"HTTP/1.1 204 No Content\r\n\r\n", answered(204, None)).await;
    check(b"HTTP/1.1 503 Wait\r\nretry-after: 30\r\ncontent-length: 0\r\n\r\n", answered(503, Some(30)))
        .await;
    check(b"HTTP/1.1 429 Wait\r\nretry-after: Fri, 20 Nov 2026 12:00:07 GMT\r\n\r\n", answered(429, Some(7)))
        .await;
    check(
        b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1/\r\ncontent-length: 0\r\n\r\n",
        answered(302, None),
    )
    .await;
    check(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\nnever all of it", answered(200, None)).await;
    check(b"nonsense\r\n\r\n", Err(Trouble::Broken)).await;
    let endless = [b"HTTP/1.1 200 OK\r\nx: ".to_vec(), vec![b'a'; 100_000]].concat();
    check(&endless, Err(Trouble::Broken)).await;
}

#[tokio::test]
async fn who_does_not_answer_in_time_has_not_answered() {
    let address = receiver(Vec::new()).await;
    let told = Arc::new(Told(&["127.0.0.1"]));
    let patience = Duration::from_millis(50);
    let guard = Guard::new(Reach::Anywhere, &[]);
    let caller = Caller::new(guard, told, RootCertStore::empty(), patience).unwrap();
    assert_eq!(post(&caller, &format!("http://{address}/")).await, Err(Trouble::Timeout));
}

#[tokio::test]
async fn nobody_listening_is_no_answer() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let caller = caller(Reach::Anywhere, &["127.0.0.1"], RootCertStore::empty());
    assert_eq!(post(&caller, &format!("http://{free}/")).await, Err(Trouble::Connect));
}

/// A certificate for `hooks.example.com`, and a receiver that has it.
async fn encrypted_receiver() -> (SocketAddr, RootCertStore) {
    let own = rcgen::generate_simple_self_signed(["hooks.example.com".to_owned()]).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(own.cert.der().clone()).unwrap();
    let key = PrivatePkcs8KeyDer::from(own.signing_key.serialize_der());
    let config = ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key.into())
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        let mut held = Vec::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let _ = stream.read(&mut [0; 4_096]).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
            held.push(stream);
        }
    });
    (address, roots)
}

#[tokio::test]
async fn a_certificate_must_be_trusted_and_the_hosts() {
    let (address, roots) = encrypted_receiver().await;
    let check = async |roots: RootCertStore, host: &str, expect: Result<u16, Trouble>| {
        let caller = caller(Reach::Anywhere, &["127.0.0.1"], roots);
        let got = post(&caller, &format!("https://{host}:{}/", address.port())).await;
        assert_eq!(got.map(|answer| answer.status), expect, "{host}");
    };
    check(roots.clone(), "hooks.example.com", Ok(200)).await;
    check(roots.clone(), "other.example.com", Err(Trouble::Tls)).await;
    check(roots, "127.0.0.1", Err(Trouble::Tls)).await;
    check(RootCertStore::empty(), "hooks.example.com", Err(Trouble::Tls)).await;
}

fn secrets(signing: &str, accepted: &[&str]) -> Arc<Secrets> {
    let key = |letter: &str| SecretKey::new(Secret::new(letter.repeat(32))).unwrap();
    let accepted: Vec<_> = accepted.iter().map(|letter| key(letter)).collect();
    let tokens = Tokens::with_keys(&key(signing), &accepted);
    let auth = Auth::alone(tokens, Secret::new("internal"), Arc::new(Noon));
    Arc::new(Secrets::new(&auth).unwrap())
}

/// A key that is replaced is forgotten a day later. Until then what it has sealed is put under the new one.
#[tokio::test]
async fn secrets_outlive_the_key_that_they_were_sealed_under() {
    let platform = Platform::open();
    let (user, id, old) = (platform.user().await, WebhookId::new(Uuid::new_v4()), secrets("a", &[]));
    let [first, second] = [(); 2].map(|()| SigningSecret::generate().unwrap());
    let at = WebhookAddress { url: "https://example.com/".to_owned(), host: "example.com".to_owned() };
    let new = NewWebhook { id, user, at, secret: old.seal(id, &first).unwrap(), now: Noon.now() };
    assert!(matches!(platform.store.add_webhook(new, 5).await, Ok(AddedWebhook::Added(_))));
    let until = Noon.now() + Duration::from_secs(3_600);
    let rotation =
        WebhookRotation { id, user, secret: old.seal(id, &second).unwrap(), previous_until: until };
    platform.store.rotate_webhook(rotation).await.unwrap().unwrap();

    let upkeep = |secrets| Upkeep { store: platform.store.clone(), clock: Arc::new(Noon), secrets }.run();
    upkeep(secrets("b", &["a"])).await.unwrap();
    let webhook = platform.store.webhook(user, id).await.unwrap().unwrap();
    assert!(old.open(&webhook, Noon.now()).is_none(), "the old key is not needed any more");
    let open = |now| secrets("b", &[]).open(&webhook, now).unwrap();
    assert!(open(Noon.now()) == [second.clone(), first]);
    assert!(open(until) == [second], "the one before holds for a while");
    upkeep(secrets("c", &[])).await.unwrap();
    assert_eq!(platform.store.webhook(user, id).await.unwrap(), Some(webhook), "what can't be opened stays");
}
