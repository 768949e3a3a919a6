//! The role over a store in a folder of its own, actors who call it, and the events that users leave behind.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use ecs_bus_embedded::{EmbeddedBus, Options as BusOptions};
use ecs_cache::{Cache, Options as CacheOptions, Scope};
use ecs_credit_analysis::{CreditAnalysis, Places, Random};
use ecs_domain::consent::ConsentRule;
use ecs_domain::emotion::{EmotionEvent, EmotionKind, Metrics, StressThreshold, Unit};
use ecs_domain::evaluation::Materiality;
use ecs_domain::permission::Permission;
use ecs_domain::transaction::Transaction;
use ecs_domain::{Clock, EventId, Money, Timestamp, TransactionId, UserId, utc_day};
use ecs_metrics::read::Exposition;
use ecs_store::{EmotionRules, Folds as _};
use ecs_store_sqlite::{Options as StoreOptions, SqliteStore};
use ecs_user_and_credit::{Deps, UserAndCredit};
use ecs_vault::Keyring;
use ecs_web::auth::{SecretKey, Tokens};
use ecs_web::{Auth, Identity, Secret, handles};
use ecs_work::policies::{Written, built_in, default_policy};
use ecs_work::{Finisher, Policies, Supervisor, Wake};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt as _;
use uuid::Uuid;

pub(crate) const INTERNAL_KEY: &str = "the service key of these tests, which is long";
pub(crate) const PASSWORD: &str = "correct horse battery staple";

/// A clock that tests move.
pub(crate) struct TestClock(Mutex<Timestamp>);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

/// Who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Actor {
    /// Nobody in particular.
    Anonymous,
    /// A user.
    User(UserId),
    /// Somebody with every permission and no account.
    Operator,
    /// Somebody with one permission and no account.
    Holding(Permission),
    /// The same, and who it is.
    Staff(UserId, Permission),
    /// A user with every permission.
    Officer(UserId),
    /// A service with its key, which opens none of this role's doors.
    Service,
}

/// How long a session can be refreshed.
pub(crate) const SESSION: Duration = Duration::from_secs(30 * 24 * 3600);

/// How an [`App`] is made.
pub(crate) struct Setup {
    pub(crate) cache: Cache,
    pub(crate) consent: ConsentRule,
    pub(crate) model: Option<Arc<dyn handles::CreditAnalysis>>,
    pub(crate) bcrypt_cost: u32,
    /// The policy behind which those of the store come; without it, the one that is built in.
    pub(crate) policy: Option<Written>,
}

impl Default for Setup {
    fn default() -> Self {
        let cache = Cache::in_process(CacheOptions::default());
        Self { cache, consent: ConsentRule::Assumed, model: None, bcrypt_cost: 4, policy: None }
    }
}

/// How long the bus keeps events.
pub(crate) const BUS_RETENTION: Duration = Duration::from_secs(30 * 24 * 3600);

/// What the role stands on.
struct Below {
    folder: TempDir,
    store: Arc<SqliteStore>,
    keyring: Keyring,
    bus: Arc<EmbeddedBus>,
    clock: Arc<TestClock>,
    metrics: ecs_metrics::Metrics,
}

/// The role and what it stands on.
pub(crate) struct App {
    pub(crate) store: Arc<SqliteStore>,
    pub(crate) keyring: Keyring,
    pub(crate) bus: Arc<EmbeddedBus>,
    pub(crate) role: UserAndCredit,
    pub(crate) wake: Wake,
    pub(crate) metrics: ecs_metrics::Metrics,
    cache: Cache,
    clock: Arc<TestClock>,
    auth: Arc<Auth>,
    routes: Router,
    _folder: TempDir,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
    pub(crate) bytes: Bytes,
}

impl Reply {
    /// The body, when the status is the expected one.
    pub(crate) fn expect(self, status: StatusCode) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }

    /// The fields that a 422 names.
    pub(crate) fn invalid_fields(self) -> Vec<String> {
        let body = self.expect(StatusCode::UNPROCESSABLE_ENTITY);
        let errors = body["errors"].as_array().unwrap();
        errors.iter().map(|error| error["field"].as_str().unwrap().to_owned()).collect()
    }
}

fn key(number: u32) -> SecretKey {
    SecretKey::new(Secret::new(format!("signing key {number} of more than 32 bytes, for tests"))).unwrap()
}

impl App {
    pub(crate) fn start() -> Self {
        Self::with(Setup::default())
    }

    pub(crate) fn with(setup: Setup) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let keyring = Keyring::in_memory();
        let metrics = ecs_metrics::Metrics::new();
        let options = StoreOptions { metrics: metrics.clone(), ..StoreOptions::default() };
        let store = SqliteStore::open(folder.path().join("store.db"), keyring.clone(), options);
        let store = Arc::new(store.unwrap());
        let clock = Arc::new(TestClock(Mutex::new("2026-11-20T12:00:00.123456789Z".parse().unwrap())));
        let bus = EmbeddedBus::open(folder.path().join("bus.db"), BusOptions::new(Arc::clone(&clock) as _));
        let below = Below { folder, store, keyring, bus: Arc::new(bus.unwrap()), clock, metrics };
        Self::over(below, Tokens::new(&key(1)), setup)
    }

    /// The same, started again with another key that accepts the one from before.
    pub(crate) fn with_another_key(self) -> Self {
        self.again(Tokens::with_keys(&key(2), &[key(1)]), 4)
    }

    /// The same, started again with another cost of passwords.
    pub(crate) fn with_cost(self, bcrypt_cost: u32) -> Self {
        self.again(Tokens::new(&key(1)), bcrypt_cost)
    }

    fn again(self, tokens: Tokens, bcrypt_cost: u32) -> Self {
        let Self { store, keyring, bus, cache, clock, metrics, _folder: folder, .. } = self;
        let below = Below { folder, store, keyring, bus, clock, metrics };
        Self::over(below, tokens, Setup { cache, bcrypt_cost, ..Setup::default() })
    }

    fn over(below: Below, tokens: Tokens, setup: Setup) -> Self {
        let Below { folder, store, keyring, bus, clock, metrics } = below;
        let auth =
            Arc::new(Auth::alone(tokens, Secret::new(INTERNAL_KEY), Arc::clone(&clock) as Arc<dyn Clock>));
        let wake = Wake::new();
        let model = setup.model.unwrap_or_else(|| models_in_charge(&auth));
        let role = UserAndCredit::create(Deps {
            auth: Arc::clone(&auth),
            store: Arc::clone(&store) as _,
            keyring: keyring.clone(),
            bus: Arc::clone(&bus) as _,
            bus_retention: BUS_RETENTION,
            cache: setup.cache.clone(),
            clock: Arc::clone(&clock) as _,
            credit_analysis: model,
            policies: Arc::new(Policies::new(Arc::clone(&store) as _, setup.policy).unwrap()),
            consent: setup.consent,
            materiality: Materiality::new(0.25).unwrap(),
            delivery_limit: 10,
            bcrypt_cost: setup.bcrypt_cost,
            limiter: Arc::new(ecs_limits::InProcess::default()),
            token_lifetime: Duration::from_secs(3600),
            session_lifetime: SESSION,
            outbox: wake.clone(),
            finisher: Finisher::default(),
            metrics: metrics.clone(),
        });
        let (routes, cache) = (role.routes(), setup.cache);
        Self { store, keyring, bus, wake, metrics, cache, clock, auth, role, routes, _folder: folder }
    }

    /// Starts what the role does behind its calls.
    pub(crate) fn work(&self) -> Supervisor {
        let supervisor = Supervisor::new();
        self.role.start(&supervisor);
        supervisor
    }

    /// Where the store's file is.
    pub(crate) fn database(&self) -> PathBuf {
        self._folder.path().join("store.db")
    }

    /// What was counted under this name, and these labels.
    pub(crate) fn counted(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        Exposition::read(&self.metrics.render()).unwrap().sum(name, labels)
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock) as _
    }

    /// Now as the store keeps it.
    pub(crate) fn now_in_micros(&self) -> Timestamp {
        Timestamp::from_microsecond(self.now().as_microsecond()).unwrap()
    }

    pub(crate) fn pass(&self, time: Duration) {
        *self.clock.0.lock().unwrap() += time;
    }

    pub(crate) async fn call(&self, actor: Actor, method: Method, path: &str, body: Option<Value>) -> Reply {
        self.send(actor, method, path, body.map(|body| body.to_string())).await
    }

    /// The same with a body that need not be JSON.
    pub(crate) async fn send(&self, actor: Actor, method: Method, path: &str, body: Option<String>) -> Reply {
        self.reply(self.request(actor, method, path, body)).await
    }

    /// A POST with an `Idempotency-Key`.
    pub(crate) async fn keyed(&self, actor: Actor, path: &str, key: &str, body: &Value) -> Reply {
        let mut request = self.request(actor, Method::POST, path, Some(body.to_string()));
        request.headers_mut().insert("idempotency-key", key.parse().unwrap());
        self.reply(request).await
    }

    /// A call of somebody who reads these languages, with an `Idempotency-Key` if they name one.
    pub(crate) async fn speaking(
        &self,
        actor: Actor,
        method: Method,
        path: &str,
        languages: &str,
        key: Option<&str>,
    ) -> Reply {
        let mut request = self.request(actor, method, path, None);
        request.headers_mut().insert("accept-language", languages.parse().unwrap());
        if let Some(key) = key {
            request.headers_mut().insert("idempotency-key", key.parse().unwrap());
        }
        self.reply(request).await
    }

    /// A call with a token that the platform gave out.
    pub(crate) async fn bearing(&self, token: &Value, method: Method, path: &str) -> Reply {
        let bearer = format!("Bearer {}", token["access_token"].as_str().unwrap());
        let request = Request::builder().method(method).uri(path).header("authorization", bearer);
        self.reply(request.body(Body::empty()).unwrap()).await
    }

    fn request(&self, actor: Actor, method: Method, path: &str, body: Option<String>) -> Request<Body> {
        let token = |identity: Identity| {
            let token = self.auth.tokens.issue(&identity, self.now(), Duration::from_secs(60)).unwrap();
            ("authorization", format!("Bearer {token}"))
        };
        let credentials = match actor {
            Actor::Anonymous => None,
            Actor::User(user) => Some(token(Identity::of(user))),
            Actor::Operator => Some(token(Identity::with(new_user_id(), Permission::ALL.iter().copied()))),
            Actor::Officer(user) => Some(token(Identity::with(user, Permission::ALL.iter().copied()))),
            Actor::Holding(permission) => Some(token(Identity::with(new_user_id(), [permission]))),
            Actor::Staff(who, permission) => Some(token(Identity::with(who, [permission]))),
            Actor::Service => Some(("x-internal-key", INTERNAL_KEY.to_owned())),
        };
        let mut request = Request::builder().method(method).uri(path);
        if let Some((name, value)) = credentials {
            request = request.header(name, value);
        }
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        request.body(Body::from(body.unwrap_or_default())).unwrap()
    }

    /// An answer whose body was not read yet.
    pub(crate) async fn begin(&self, actor: Actor, path: &str) -> Response<Body> {
        let request = self.request(actor, Method::GET, path, None);
        self.routes.clone().oneshot(request).await.unwrap()
    }

    pub(crate) async fn reply(&self, request: Request<Body>) -> Reply {
        let response = self.routes.clone().oneshot(request).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        let is_json =
            headers.get("content-type").is_some_and(|kind| kind.to_str().unwrap().ends_with("json"));
        let body = if is_json { serde_json::from_slice(&bytes).unwrap() } else { Value::Null };
        Reply { status, headers, body, bytes }
    }

    pub(crate) async fn post(&self, actor: Actor, path: &str, body: Value) -> Reply {
        self.call(actor, Method::POST, path, Some(body)).await
    }

    pub(crate) async fn get(&self, actor: Actor, path: &str) -> Reply {
        self.call(actor, Method::GET, path, None).await
    }

    /// Registers a user under this address.
    pub(crate) async fn register(&self, email: &str) -> UserId {
        let body = json!({"email": email, "password": PASSWORD});
        let user = self.post(Actor::Anonymous, "/v1/auth/register", body).await.expect(StatusCode::CREATED);
        user["id"].as_str().unwrap().parse().unwrap()
    }

    /// The user asks for credit themselves.
    pub(crate) async fn analyse(&self, user: UserId) -> Reply {
        self.call(Actor::User(user), Method::POST, &format!("/v1/users/{user}/credit-analysis"), None).await
    }

    pub(crate) async fn accept(&self, actor: Actor, user: UserId, offer: &str) -> Reply {
        self.post(actor, &format!("/v1/credit-offers/{offer}/accept"), json!({"userId": user})).await
    }

    /// Transactions of today, folded as the worker folds them.
    pub(crate) async fn transactions(&self, user: UserId, count: usize, amount: i64) {
        let transaction = || Transaction {
            id: TransactionId::new(Uuid::now_v7()),
            user,
            amount: Money::from_minor_units(amount),
            currency: "BRL".parse().unwrap(),
            occurred_at: self.now(),
            merchant: None,
            category: None,
            channel: None,
            client_id: None,
        };
        let transactions: Vec<_> = std::iter::repeat_with(transaction).take(count).collect();
        self.store.fold_transactions(&transactions, self.now()).await.unwrap();
        self.cache.invalidate([Scope::User(user)]).await;
    }

    /// Emotions of today with these metrics, folded as the worker folds them.
    pub(crate) async fn emotions(
        &self,
        user: UserId,
        count: usize,
        [positivity, intensity, stress]: [f64; 3],
    ) {
        let unit = |fraction| Unit::new(fraction).unwrap();
        let event = || EmotionEvent {
            id: EventId::new(Uuid::now_v7()),
            user,
            occurred_at: self.now(),
            kind: EmotionKind::new("of these tests".to_owned()).unwrap(),
            metrics: Metrics {
                positivity: unit(positivity),
                intensity: unit(intensity),
                stress: unit(stress),
            },
        };
        let rules = EmotionRules {
            consent: ConsentRule::Assumed,
            stress: StressThreshold(unit(0.8)),
            raw_floor: utc_day(self.now()),
        };
        let events: Vec<_> = std::iter::repeat_with(event).take(count).collect();
        self.store.fold_emotions(&events, rules, self.now()).await.unwrap();
        self.cache.invalidate([Scope::User(user)]).await;
    }

    /// A user who will be approved, and who would not be without what they feel.
    pub(crate) async fn busy_and_calm(&self, email: &str) -> UserId {
        let user = self.register(email).await;
        self.transactions(user, 10, 50_000).await;
        self.emotions(user, 5, [0.8, 0.4, 0.1]).await;
        user
    }

    /// An offer made to such a user.
    pub(crate) async fn offer_to(&self, user: UserId) -> String {
        let answer = self.analyse(user).await.expect(StatusCode::OK);
        answer["offer"]["offer_id"].as_str().unwrap().to_owned()
    }
}

pub(crate) fn new_user_id() -> UserId {
    UserId::new(Uuid::now_v7())
}

/// A policy that is built in.
pub(crate) fn built_in_policy(version: &str) -> Written {
    built_in().unwrap().into_iter().find(|written| written.policy.version == version).unwrap()
}

/// The policy that decides by default, but that a denial denies nothing else.
pub(crate) fn without_cool_down() -> Written {
    let text = default_policy().unwrap().text.replace("[cool_down]\ndays = 7\n", "");
    let written = Written::read(text.replace("version = \"policy-3\"", "version = \"at-once\"")).unwrap();
    assert_eq!((written.policy.cool_down, written.policy.version.as_str()), (None, "at-once"));
    written
}

fn models_in_charge(auth: &Arc<Auth>) -> Arc<dyn handles::CreditAnalysis> {
    let models = Places { file: None, folder: None, random: Random::Refused };
    let deps =
        ecs_credit_analysis::Deps { auth: Arc::clone(auth), models, metrics: ecs_metrics::Metrics::new() };
    CreditAnalysis::create(deps).unwrap().handle()
}
