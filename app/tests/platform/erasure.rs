//! People who want to be forgotten: what is left of them in files and tables, and what copies from before bring back.

use std::path::Path;
use std::time::Duration;

use ecs_domain::Timestamp;
use ecs_servers::{Engine, Postgres, PostgresOptions, did_not_run, unavailable_privately};
use ecs_store::ErasureDue;
use ecs_vault::Kept;
use rusqlite::types::Value as Column;
use serde_json::{Value, json};

use crate::support::{PASSWORD, Person, TestApp, emotion, eventually};

/// What nobody else says, pays or feels.
const NAME: &str = "mark-7f3a";
const FEELING: &str = "mark-feeling-7f3a";
const MERCHANT: &str = "mark-merchant-7f3a";
const AMOUNT: f64 = 7_654_321.09;
const AMOUNT_MINOR: i64 = 765_432_109;
const METRIC: f64 = 0.123_456_789;
const METRIC_BILLIONTHS: i64 = 123_456_789;
/// When every statement that was under way has ended.
const SETTLED: Duration = Duration::from_secs(91);
const MONTH: Duration = Duration::from_secs(31 * 24 * 60 * 60);

#[tokio::test]
async fn nothing_of_a_person_is_left_in_any_file() {
    let app = TestApp::start().await;
    let (ana, bia) = (lives(&app).await, app.person("bia").await);
    app.live_well(&bia).await;
    app.settled().await;
    assert!(!files(&app, "").holds(NAME), "an address stands nowhere as it is");
    assert!(files(&app, "store").holds(MERCHANT) && files(&app, "bus").holds(FEELING));
    assert!(numbers(&app, AMOUNT_MINOR) > 0 && numbers(&app, METRIC_BILLIONTHS) > 0);

    let receipt = erase(&app, &ana).await;
    for mark in [NAME, FEELING, MERCHANT] {
        assert!(!files(&app, "store").holds(mark), "{mark} is still in the store");
    }
    assert_eq!((numbers(&app, AMOUNT_MINOR), numbers(&app, METRIC_BILLIONTHS)), (0, 0));
    let login = json!({"email": format!("{NAME}@example.com"), "password": PASSWORD});
    app.http.post("/v1/auth/login", &[], &login).await.expect_status(401);
    assert_eq!(app.notifications(&bia).await.len(), 0, "others go on");
    let offer = app.analyse(&bia).await;
    assert_eq!(offer["approved"], true, "{offer}");
    let books = app.settled_books().await;
    assert_eq!(books["emotions"]["erased"], 13);
    assert_eq!((&books["emotions"]["missing"], &books["transactions"]["missing"]), (&json!(0), &json!(0)));

    // What partners still send of them is taken in and leaves nothing.
    app.emotion(&feeling(&app, &ana, "late")).await.expect_status(202);
    app.settled().await;
    assert!(!files(&app, "store").holds(FEELING));
    assert_eq!(app.operator().books().await.unwrap()["emotions"]["deadLettered"], 0);

    // The bus forgets by its retention, and that is when the receipt is closed.
    app.clock.advance(MONTH);
    let app = app.restart().await;
    reaches(&app, &receipt, "closed").await;
    let left = files(&app, "");
    for mark in [NAME, FEELING, MERCHANT, "7654321.09", "0.123456789"] {
        assert!(!left.holds(mark), "{mark} is left");
    }
    app.stop().await;
}

#[tokio::test]
async fn a_copy_of_the_store_from_before_is_erased_again_before_it_serves() {
    let app = TestApp::start().await;
    let ana = lives(&app).await;
    let app = app.restart_after(async |folder| copy(folder, "store.sqlite", "store.before")).await;
    erase(&app, &ana).await;
    let app = app.restart_after(async |folder| copy(folder, "store.before", "store.sqlite")).await;
    forgotten(&app, &ana).await;
    assert_eq!((numbers(&app, AMOUNT_MINOR), numbers(&app, METRIC_BILLIONTHS)), (0, 0));
    let app = app
        .restart_after(async |folder| {
            std::fs::remove_file(folder.join("store.before")).unwrap();
        })
        .await;
    assert!(!files(&app, "store").holds(MERCHANT), "the log was moved into the file and cut");
    app.stop().await;
}

#[tokio::test]
async fn a_dump_of_postgresql_from_before_is_erased_again_before_it_serves() {
    if let Some(reason) = unavailable_privately(Engine::Postgres) {
        return did_not_run("a dump that is older than an erasure", &reason);
    }
    let postgres = Postgres::start(PostgresOptions::default()).await.unwrap();
    for database in ["ecs", "vault"] {
        postgres.execute(&format!("CREATE DATABASE {database}")).await.unwrap();
    }
    let addresses = [("DATABASE_URL", postgres.url("ecs")), ("ECS_VAULT_URL", postgres.url("vault"))];
    let app = TestApp::with(&addresses.each_ref().map(|(name, value)| (*name, value.as_str()))).await;
    let ana = lives(&app).await;
    let dump = async |_: &Path| postgres.execute("CREATE DATABASE before TEMPLATE ecs").await.unwrap();
    let app = app.restart_after(dump).await;
    erase(&app, &ana).await;
    let restore = async |_: &Path| {
        postgres.execute("DROP DATABASE ecs").await.unwrap();
        postgres.execute("ALTER DATABASE before RENAME TO ecs").await.unwrap();
    };
    let app = app.restart_after(restore).await;
    forgotten(&app, &ana).await;
    app.stop().await;
}

/// A vault that was restored has keys again which were destroyed. They are destroyed again.
#[tokio::test]
async fn a_copy_of_the_vault_from_before_gives_no_key_back() {
    let app = TestApp::start().await;
    let ana = lives(&app).await;
    let app = app.restart_after(async |folder| copy(folder, "vault.sqlite", "vault.before")).await;
    erase(&app, &ana).await;
    let app = app.restart_after(async |folder| copy(folder, "vault.before", "vault.sqlite")).await;
    let keyring = app.platform.storage().keyring().unwrap();
    assert!(keyring.vault().kept(&[ana.id]).await.unwrap() == [Kept::Tombstone]);
    forgotten(&app, &ana).await;
    app.stop().await;
}

/// Without the keys nothing personal could be read, so nothing is begun with others.
#[tokio::test]
async fn another_vault_is_refused() {
    let app = TestApp::start().await;
    lives(&app).await;
    let (settings, clock) = (app.settings.clone(), app.clock.clone());
    let folder = app.end().await;
    std::fs::remove_file(folder.path().join("vault.sqlite")).unwrap();
    let refused = ecs::platform::Platform::start(&settings, std::sync::Arc::new(clock)).await.err().unwrap();
    assert!(format!("{refused:#}").contains("keys of another vault"), "{refused:#}");
}

/// Registers with a key, feels and buys what nobody else does, and has an offer, a credit, a notification and an archive.
async fn lives(app: &TestApp) -> Person {
    let login = json!({"email": format!("{NAME}@example.com"), "password": PASSWORD});
    let key = [("idempotency-key", "once")];
    let registered = app.http.post("/v1/auth/register", &key, &login).await.expect_status(201);
    let again = app.http.post("/v1/auth/register", &key, &login).await.expect_status(201);
    assert_eq!(again, registered, "an answer that stands sealed is the same again");
    let session = app.http.post("/v1/auth/login", &[], &login).await.expect_status(200);
    let id = registered["id"].as_str().unwrap().parse().unwrap();
    let person = Person { id, token: session["access_token"].as_str().unwrap().to_owned() };
    for n in 0..3 {
        app.emotion(&feeling(app, &person, &format!("f{n}"))).await.expect_status(202);
        // So long ago that no decision looks at it: there would be no offer.
        let bought = app.platform_now() - 2 * MONTH;
        let body = json!({"userId": id, "amount": AMOUNT, "transactionId": format!("m{n}"), "merchant": MERCHANT, "occurredAt": bought});
        app.as_person(&person, "POST", "/v1/transactions", Some(&body)).await.expect_status(202);
    }
    app.live_well(&person).await;
    app.settled().await;
    let offer = app.offer(&person).await;
    app.accept(&person, &offer).await.expect_status(202);
    eventually("the credit is told of", async || app.notifications(&person).await.pop()).await;
    app.export(&person).await;
    app.settled().await;
    person
}

fn feeling(app: &TestApp, person: &Person, id: &str) -> Value {
    let mut body = emotion(person.id, app.platform_now(), id, (0.9, 0.4, METRIC));
    body["emotionEvent"]["type"] = json!(FEELING);
    body
}

/// An officer lets the credit go along. Returns the receipt once nothing is left in the store.
async fn erase(app: &TestApp, person: &Person) -> String {
    let officer = app.bearer_of_an_operator();
    let path = format!("/v1/users/{}/erasure", person.id);
    let headers = [("authorization", officer.as_str())];
    let asked = app.http.post(&path, &headers, &json!({"with_credit": true})).await.expect_status(202);
    let receipt = asked["receipt"].as_str().unwrap().to_owned();
    let path = format!("/v1/erasures/{receipt}");
    // The second look is counted from when it is noted that nothing is left, which is after the account is gone.
    let store = app.platform.storage().store().unwrap();
    let under_way = ErasureDue::Deletion { swept_by: Timestamp::MAX };
    eventually("it is noted that the rows are gone", async || {
        let under_way = store.erasures_due(under_way, 10).await.unwrap();
        under_way.iter().any(|erasure| erasure.user == person.id && erasure.swept_at.is_some()).then_some(())
    })
    .await;
    app.http.get(&format!("/v1/users/{}", person.id), &headers).await.expect_status(404);
    app.http.get(&path, &[]).await.expect_status(200);
    app.clock.advance(SETTLED);
    reaches(app, &receipt, "erased").await;
    receipt
}

async fn reaches(app: &TestApp, receipt: &str, status: &str) {
    let path = format!("/v1/erasures/{receipt}");
    eventually(&format!("the erasure is {status}"), async || {
        let told = app.http.get(&path, &[]).await.expect_status(200);
        (told["status"] == status).then_some(())
    })
    .await;
}

/// There is nobody, under no name, and whoever comes next under it is somebody else.
async fn forgotten(app: &TestApp, person: &Person) {
    let officer = app.bearer_of_an_operator();
    let account =
        app.http.get(&format!("/v1/users/{}", person.id), &[("authorization", officer.as_str())]).await;
    account.expect_status(404);
    let login = json!({"email": format!("{NAME}@example.com"), "password": PASSWORD});
    app.http.post("/v1/auth/login", &[], &login).await.expect_status(401);
    let anew = app.http.post("/v1/auth/register", &[], &login).await.expect_status(201);
    assert_ne!(anew["id"], json!(person.id));
}

fn copy(folder: &Path, from: &str, to: &str) {
    std::fs::copy(folder.join(from), folder.join(to)).unwrap();
    for rest in ["-wal", "-shm"] {
        // A store that was closed has none; what lies there belongs to the file that was replaced.
        let _ = std::fs::remove_file(folder.join(format!("{to}{rest}")));
    }
}

/// The bytes of the files in the data folder whose names begin like this.
struct Files(Vec<Vec<u8>>);

fn files(app: &TestApp, prefix: &str) -> Files {
    let folder = std::fs::read_dir(app.folder.path()).unwrap().map(Result::unwrap);
    let chosen = folder.filter(|file| file.file_name().to_string_lossy().starts_with(prefix));
    Files(
        chosen.filter(|file| file.path().is_file()).map(|file| std::fs::read(file.path()).unwrap()).collect(),
    )
}

impl Files {
    fn holds(&self, mark: &str) -> bool {
        self.0.iter().any(|file| file.windows(mark.len()).any(|part| part == mark.as_bytes()))
    }
}

/// In how many places of any table this whole number stands.
fn numbers(app: &TestApp, number: i64) -> usize {
    let store = rusqlite::Connection::open(app.folder.path().join("store.sqlite")).unwrap();
    let tables: Vec<String> = app.query("SELECT name FROM sqlite_schema WHERE type = 'table'");
    let mut found = 0;
    for table in tables {
        let mut rows = store.prepare(&format!("SELECT * FROM \"{table}\"")).unwrap();
        let columns = rows.column_count();
        let mut rows = rows.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let is_it = |column| row.get::<_, Column>(column).unwrap() == Column::Integer(number);
            found += (0..columns).filter(|column| is_it(*column)).count();
        }
    }
    found
}
