//! A platform as it is seen from outside, whatever is behind it: what customers, partners and operators do over HTTP.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ecs_client::{Client, Credentials};
use ecs_domain::permission::Permission;
use ecs_domain::{Clock as _, UserId};
use ecs_tls::Roots;
use ecs_web::auth::{SecretKey, Tokens};
use ecs_web::{Identity, Secret};
use serde_json::{Value, json};

use super::http::{Answer, Http};
use super::{INTERNAL_KEY, MovableClock, PASSWORD, SECRET, emotion, eventually};

/// One address of a platform.
pub(crate) struct Edge {
    pub(crate) http: Http,
    pub(crate) url: String,
    pub(crate) clock: MovableClock,
    /// Whom its clients trust, where it is encrypted.
    roots: Option<PathBuf>,
}

/// Somebody with an account.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) id: UserId,
    pub(crate) token: String,
}

impl Edge {
    pub(crate) fn new(address: SocketAddr, clock: MovableClock) -> Self {
        Self { http: Http::new(address), url: format!("http://{address}"), clock, roots: None }
    }

    /// One that speaks TLS, whose authority is in this file.
    pub(crate) fn encrypted(address: SocketAddr, clock: MovableClock, roots: &Path) -> Self {
        let url = format!("https://{address}");
        Self { http: Http::at(&url, Some(roots)), url, clock, roots: Some(roots.to_owned()) }
    }

    pub(crate) fn client(&self, credentials: &Credentials) -> Client {
        Client::trusting(&self.url, credentials, || Ok(Roots::load(self.roots.as_deref())?)).unwrap()
    }

    /// A token that holds for an hour of the test's clock, whatever changes meanwhile.
    pub(crate) fn token(&self, user: UserId, permissions: &[Permission]) -> String {
        let tokens = Tokens::new(&SecretKey::new(Secret::new(SECRET)).unwrap());
        let version = i64::MAX.unsigned_abs();
        let identity = Identity { version, ..Identity::with(user, permissions.iter().copied()) };
        tokens.issue(&identity, self.clock.now(), Duration::from_secs(3600)).unwrap()
    }

    /// Waits until it has heard what tokens hold: those who tell may have started after it.
    pub(crate) async fn knows_what_holds(&self) {
        let bearer = format!("Bearer {}", self.token(UserId::new(uuid::Uuid::nil()), &[]));
        let ask = async || {
            (self.http.get("/v1/roles", &[("authorization", &bearer)]).await.status == 200).then_some(())
        };
        eventually("the gateway knows what holds", ask).await;
    }

    /// A client that may do everything.
    pub(crate) fn operator(&self) -> Client {
        let token = self.token(UserId::new(uuid::Uuid::nil()), Permission::ALL);
        let credentials = Credentials { internal_key: Some(INTERNAL_KEY.to_owned()), token: Some(token) };
        self.client(&credentials)
    }

    pub(crate) fn client_of(&self, person: &Person) -> Client {
        let credentials = Credentials { internal_key: None, token: Some(person.token.clone()) };
        self.client(&credentials)
    }

    /// Registers and logs in.
    pub(crate) async fn person(&self, name: &str) -> Person {
        let login = json!({"email": format!("{name}@example.com"), "password": PASSWORD});
        let registered = self.http.post("/v1/auth/register", &[], &login).await.expect_status(201);
        let session = self.http.post("/v1/auth/login", &[], &login).await.expect_status(200);
        Person {
            id: registered["id"].as_str().unwrap().parse().unwrap(),
            token: session["access_token"].as_str().unwrap().to_owned(),
        }
    }

    pub(crate) async fn emotion(&self, body: &Value) -> Answer {
        self.http.post("/v1/emotions/stream", &[("x-internal-key", INTERNAL_KEY)], body).await
    }

    pub(crate) async fn as_person(
        &self,
        person: &Person,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Answer {
        self.http.call(method, path, &[("authorization", &format!("Bearer {}", person.token))], body).await
    }

    /// Ten transactions of 300, for which there is an offer whatever is felt, and as many calm, positive emotions.
    pub(crate) async fn live_well(&self, person: &Person) {
        for n in 0..10 {
            let body = json!({"userId": person.id, "amount": 300.00, "transactionId": format!("t{n}")});
            self.as_person(person, "POST", "/v1/transactions", Some(&body)).await.expect_status(202);
            let body = emotion(person.id, self.clock.now(), &format!("e{n}"), (0.85, 0.4, 0.1));
            self.emotion(&body).await.expect_status(202);
        }
    }

    pub(crate) async fn analyse(&self, person: &Person) -> Value {
        let path = format!("/v1/users/{}/credit-analysis", person.id);
        self.as_person(person, "POST", &path, None).await.expect_status(200)
    }

    pub(crate) async fn offer(&self, person: &Person) -> String {
        let answer = self.analyse(person).await;
        answer["offer"]["offer_id"].as_str().unwrap_or_else(|| panic!("no offer: {answer}")).to_owned()
    }

    pub(crate) async fn accept(&self, person: &Person, offer: &str) -> Answer {
        let path = format!("/v1/credit-offers/{offer}/accept");
        self.as_person(person, "POST", &path, Some(&json!({"userId": person.id}))).await
    }

    pub(crate) async fn notifications(&self, person: &Person) -> Vec<Value> {
        let path = format!("/v1/users/{}/notifications", person.id);
        let page = self.as_person(person, "GET", &path, None).await.expect_status(200);
        page["items"].as_array().cloned().unwrap_or_default()
    }

    /// The receipt of somebody who asked to be erased.
    pub(crate) async fn receipt_of_somebody(&self) -> String {
        let gone = self.person("gone").await;
        let path = format!("/v1/users/{}/erasure", gone.id);
        let asked = self.as_person(&gone, "POST", &path, Some(&json!({"password": PASSWORD}))).await;
        asked.expect_status(202)["receipt"].as_str().unwrap().to_owned()
    }

    /// Drafts a policy of this version, which somebody else than an operator may approve. Returns the version.
    pub(crate) async fn draft_policy(&self, version: &str) -> String {
        let bands = "[[bands]]\nmax_risk = 0.5\ncredit_limit = \"900.00\"\ninterest_rate = \"20.00\"\n";
        let text = format!("version = \"{version}\"\ncut_off = 0.5\n{bands}credit_type = \"SHORT_TERM\"\n");
        let (bearer, body) = (self.bearer_of_an_operator(), json!({"text": text}));
        let drafted = self.http.post("/v1/policies", &[("authorization", &bearer)], &body).await;
        drafted.expect_status(201)["version"].as_str().unwrap().to_owned()
    }

    /// Has a policy asked of the decisions of these days, and waits until it is. Returns the backtest.
    pub(crate) async fn backtest(&self, version: &str, from: &str, to: &str) -> Value {
        let bearer = self.bearer_of_an_operator();
        let (path, body) = (format!("/v1/policies/{version}/backtests"), json!({"from": from, "to": to}));
        let headers = [("authorization", bearer.as_str())];
        let asked = self.http.post(&path, &headers, &body).await.expect_status(202);
        let path = format!("/v1/backtests/{}", asked["id"].as_str().unwrap());
        eventually("the backtest is finished", async || {
            let shown = self.http.get(&path, &headers).await.expect_status(200);
            assert_ne!(shown["state"], "failed", "{shown}");
            (shown["state"] == "finished").then_some(shown)
        })
        .await
    }

    /// What an operator with every permission sends.
    pub(crate) fn bearer_of_an_operator(&self) -> String {
        format!("Bearer {}", self.token(UserId::new(uuid::Uuid::nil()), Permission::ALL))
    }

    /// Asks for everything that is held on a person, and waits until the archive can be fetched.
    pub(crate) async fn export(&self, person: &Person) -> Value {
        let path = format!("/v1/users/{}/exports", person.id);
        let asked = self.as_person(person, "POST", &path, None).await.expect_status(202);
        let path = format!("{path}/{}", asked["id"].as_str().unwrap());
        eventually("the archive is ready", async || {
            let shown = self.as_person(person, "GET", &path, None).await.expect_status(200);
            assert_ne!(shown["state"], "failed", "{shown}");
            (shown["state"] == "ready").then_some(shown)
        })
        .await
    }

    /// What the books say once nothing is pending: every accepted event has its place in them.
    pub(crate) async fn settled_books(&self) -> Value {
        let operator = self.operator();
        eventually("every event is settled", async || {
            let books = operator.books().await.unwrap();
            let open = ["/emotions/pending", "/transactions/pending", "/offers/pending", "/offers/outbox"];
            open.iter().all(|at| books.pointer(at) == Some(&json!(0))).then_some(books)
        })
        .await
    }
}
