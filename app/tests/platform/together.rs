//! Everything at once: while requests run over two processes, Redis goes away, rights are changed, consent is withdrawn, a service key
//! and the signing key are replaced, and Redis comes back. What no longer holds ends within its time in both processes, and whoever
//! has what holds is served all along.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ecs::role::Role;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use crate::rights::is_refused;
use crate::support::deployment::{Process, Servers, free_address, owned};
use crate::support::edge::Edge;
use crate::support::http::{Answer, Http};
use crate::support::keys::KeyList;
use crate::support::{DEADLINE, PASSWORD, Person, SECRET, emotion, eventually};

/// The key that takes the place of the one that signs at first.
const NEXT_SECRET: &str = "the-next-secret-of-the-tests-32-bytes";
/// Within which what no longer holds has ended everywhere.
const PROMISED: Duration = Duration::from_secs(5);
/// Between two requests of one caller.
const PAUSE: Duration = Duration::from_millis(10);

#[tokio::test(flavor = "multi_thread")]
async fn rights_and_keys_change_in_two_processes_while_redis_is_away() {
    let Some(servers) = Servers::start("changes while Redis is away").await else { return };
    let mut scene = Scene::set(&servers).await;
    let (ana, carl) = (scene.here().person("ana").await, scene.here().person("carl").await);
    scene.here().live_well(&ana).await;
    scene.here().settled_books().await;
    let officer = scene.promoted(&carl).await;
    let callers = scene.callers().await;

    servers.redis.kill().await.unwrap();
    callers.get_through("Redis is away").await;
    scene.rights_end(&carl, &officer).await;
    scene.consent_ends(&ana).await;
    scene.service_key_is_replaced(&callers).await;
    callers.get_through("another service key holds").await;
    scene.signing_key_is_replaced(&callers).await;
    callers.get_through("another key signs").await;

    servers.redis.restart().await.unwrap();
    scene.is_as_before(&ana, &officer).await;
    callers.get_through("Redis is back").await;
    callers.stop().await;
    let books = scene.here().settled_books().await;
    assert_eq!(books["emotions"]["discarded"], 1, "{books}");
    for process in &scene.processes {
        process.stop().await;
    }
}

/// Two processes that do everything, over the same servers.
struct Scene {
    processes: Vec<Process>,
    settings: Vec<(String, String)>,
    keys: KeyList,
    _folder: TempDir,
}

impl Scene {
    async fn set(servers: &Servers) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let keys = KeyList::within(folder.path());
        keys.of_emotions(&["old"]);
        let ours = [
            ("ECS_MODE", "testing"),
            ("ECS_BCRYPT_COST", "4"),
            ("ECS_DATABASE_CONNECTIONS", "4"),
            ("ECS_SERVICE_KEYS_FILE", keys.file()),
        ];
        let settings = [servers.settings(), owned(&ours)].concat();
        let mut scene = Self { processes: Vec::new(), settings, keys, _folder: folder };
        for _ in 0..2 {
            let process = scene.started(free_address(), &[]).await;
            scene.processes.push(process);
        }
        scene
    }

    /// A process at this address that is ready, with settings that take the place of the others.
    async fn started(&self, address: SocketAddr, more: &[(&str, &str)]) -> Process {
        let settings = [self.settings.clone(), owned(more)].concat();
        let process = Process::start(Role::ALL.to_vec(), address, &settings);
        process.is_ready().await;
        process
    }

    fn here(&self) -> &Edge {
        &self.processes[0].edge
    }

    fn there(&self) -> &Edge {
        &self.processes[1].edge
    }

    /// A session of somebody who has just been made an operator, of whom both processes have heard.
    async fn promoted(&self, person: &Person) -> Value {
        let session = eventually("the right is granted", async || {
            self.here().operator().change_access(person.id, &["operator"], &[]).await.ok()?;
            Some(log_in(self.here(), "carl").await)
        });
        let session = session.await;
        for edge in [self.here(), self.there()] {
            let bearer = format!("Bearer {}", session["access_token"].as_str().unwrap());
            let counted = edge.http.get(COUNTED, &[("authorization", &bearer)]).await;
            counted.expect_status(200);
        }
        session
    }

    async fn callers(&self) -> Callers {
        let ben = self.here().person("ben").await;
        let addresses = self.processes.iter().map(|process| process.address).collect();
        Callers::start(addresses, &ben)
    }

    async fn rights_end(&self, person: &Person, session: &Value) {
        self.here().operator().change_access(person.id, &[], &[]).await.unwrap();
        let changed = Instant::now();
        for edge in [self.here(), self.there()] {
            is_refused(edge, "GET", COUNTED, session, None, changed).await;
        }
    }

    /// From the answer on, nothing of what was felt before is used, and nothing of what is felt afterwards is kept, wherever it
    /// comes in.
    async fn consent_ends(&self, person: &Person) {
        let path = format!("/v1/users/{}/consents/emotion-analysis", person.id);
        self.here().as_person(person, "DELETE", &path, None).await.expect_status(204);
        let decision = self.there().analyse(person).await;
        assert_eq!(decision["emotion_data_used"], false, "{decision}");
        let felt = emotion(person.id, ecs_domain::Clock::now(&self.there().clock), "after", (0.9, 0.1, 0.1));
        self.there().emotion(&felt).await.expect_status(202);
        eventually("it is discarded", async || {
            let books = self.here().operator().books().await.ok()?;
            (books["emotions"]["discarded"] == 1).then_some(())
        })
        .await;
    }

    async fn service_key_is_replaced(&self, callers: &Callers) {
        self.keys.of_emotions(&["old", "new"]);
        let felt = self.felt_by_nobody();
        for edge in [self.here(), self.there()] {
            eventually("the new service key holds", async || {
                (self.sent(edge, "new", &felt).await == 202).then_some(())
            })
            .await;
        }
        callers.show("new");
        callers.get_through("all show the new key").await;
        self.keys.of_emotions(&["new"]);
        let changed = Instant::now();
        for edge in [self.here(), self.there()] {
            eventually("the old service key is refused", async || {
                let asked = Instant::now();
                let status = self.sent(edge, "old", &felt).await;
                assert!(status == 401 || asked < changed + PROMISED, "let in after {:?}", asked - changed);
                (status == 401).then_some(())
            })
            .await;
        }
    }

    /// One process after the other, as the documentation has it: accept, sign, forget.
    async fn signing_key_is_replaced(&mut self, callers: &Callers) {
        let before = log_in(self.here(), "ben").await;
        self.restart_each(&[("SECRET_KEYS_ACCEPTED", NEXT_SECRET)]).await;
        callers.get_through("the next key is accepted").await;
        self.restart_each(&[("SECRET_KEY", NEXT_SECRET), ("SECRET_KEYS_ACCEPTED", SECRET)]).await;
        let after = log_in(self.here(), "ben").await;
        for edge in [self.here(), self.there()] {
            for session in [&before, &after] {
                let bearer = format!("Bearer {}", session["access_token"].as_str().unwrap());
                edge.http.get("/v1/roles", &[("authorization", &bearer)]).await.expect_status(200);
            }
        }
        callers.bear(after["access_token"].as_str().unwrap());
    }

    async fn restart_each(&mut self, settings: &[(&str, &str)]) {
        for number in 0..self.processes.len() {
            let address = self.processes[number].address;
            self.processes[number].stop().await;
            self.processes[number] = self.started(address, settings).await;
            self.processes[number].edge.knows_what_holds().await;
        }
    }

    /// What ended while Redis was away didn't come back with it.
    async fn is_as_before(&self, ana: &Person, officer: &Value) {
        for edge in [self.here(), self.there()] {
            let bearer = format!("Bearer {}", officer["access_token"].as_str().unwrap());
            edge.http.get(COUNTED, &[("authorization", &bearer)]).await.expect_problem(401, &[]);
            assert_eq!(self.sent(edge, "old", &self.felt_by_nobody()).await, 401);
            let decision = edge.analyse(ana).await;
            assert_eq!(decision["emotion_data_used"], false, "{decision}");
        }
    }

    /// What gets its 202 and changes nothing.
    fn felt_by_nobody(&self) -> Value {
        let nobody = ecs_domain::UserId::new(uuid::Uuid::from_u128(7));
        emotion(nobody, ecs_domain::Clock::now(&self.here().clock), "nobody's", (0.5, 0.5, 0.5))
    }

    async fn sent(&self, edge: &Edge, key: &str, body: &Value) -> u16 {
        edge.http.post("/v1/emotions/stream", &[("x-internal-key", key)], body).await.status.as_u16()
    }
}

/// What only operators read.
const COUNTED: &str = "/v1/operations/books/counted?ledger=emotions";

async fn log_in(edge: &Edge, name: &str) -> Value {
    let login = json!({"email": format!("{name}@example.com"), "password": PASSWORD});
    edge.http.post("/v1/auth/login", &[], &login).await.expect_status(200)
}

/// A person and a sender of emotions who call all the time, as behind a load balancer: at the other process when one isn't there.
struct Callers {
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<()>>,
}

struct Shared {
    addresses: Vec<SocketAddr>,
    ben: Person,
    token: Mutex<String>,
    key: Mutex<String>,
    done: AtomicBool,
    /// Of each caller, how many calls were answered as they should be.
    fine: [AtomicU64; 2],
}

impl Callers {
    fn start(addresses: Vec<SocketAddr>, ben: &Person) -> Self {
        let shared = Arc::new(Shared {
            addresses,
            token: Mutex::new(ben.token.clone()),
            ben: ben.clone(),
            key: Mutex::new("old".to_owned()),
            done: AtomicBool::new(false),
            fine: Default::default(),
        });
        let tasks = [0, 1].map(|caller| tokio::spawn(Arc::clone(&shared).call_on(caller)));
        Self { shared, tasks: tasks.into() }
    }

    fn show(&self, key: &str) {
        *self.shared.key.lock().unwrap() = key.to_owned();
    }

    fn bear(&self, token: &str) {
        *self.shared.token.lock().unwrap() = token.to_owned();
    }

    /// Waits until each of them was served some more times, and none was refused.
    async fn get_through(&self, when: &str) {
        let counts = || self.shared.fine.each_ref().map(|fine| fine.load(Ordering::SeqCst));
        let before = counts();
        eventually(when, async || {
            assert!(self.tasks.iter().all(|task| !task.is_finished()), "a caller was refused: {when}");
            counts().iter().zip(before).all(|(now, before)| *now >= before + 20).then_some(())
        })
        .await;
    }

    async fn stop(self) {
        self.shared.done.store(true, Ordering::SeqCst);
        for task in self.tasks {
            timeout(DEADLINE, task).await.expect("it ends in time").unwrap();
        }
    }
}

impl Shared {
    async fn call_on(self: Arc<Self>, caller: usize) {
        let https: Vec<Http> = self.addresses.iter().map(|address| Http::new(*address)).collect();
        for turn in 0.. {
            if self.done.load(Ordering::SeqCst) {
                return;
            }
            // Who isn't there answers nothing, and the other one is asked in the next turn.
            if let Some(answer) = self.call(&https[turn % https.len()], caller).await {
                match answer.status.as_u16() {
                    200 | 202 => drop(self.fine[caller].fetch_add(1, Ordering::SeqCst)),
                    503 => assert!(answer.headers.contains_key("retry-after"), "{answer:?}"),
                    _ => panic!("caller {caller} is refused: {answer:?}"),
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn call(&self, http: &Http, caller: usize) -> Option<Answer> {
        if caller == 0 {
            let bearer = format!("Bearer {}", self.token.lock().unwrap());
            let path = format!("/v1/users/{}/offers", self.ben.id);
            return http.try_send("GET", &path, &[("authorization", &bearer)], "").await;
        }
        let key = self.key.lock().unwrap().clone();
        let at = ecs_domain::Clock::now(&ecs::platform::SystemClock);
        let body = emotion(self.ben.id, at, &uuid::Uuid::new_v4().to_string(), (0.5, 0.5, 0.5));
        let headers = [("x-internal-key", key.as_str()), ("content-type", "application/json")];
        http.try_send("POST", "/v1/emotions/stream", &headers, body.to_string()).await
    }
}
