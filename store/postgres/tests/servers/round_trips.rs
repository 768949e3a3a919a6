//! How often a call crosses the network and comes back. A database is seldom on the same machine.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use ecs_domain::consent::Purpose;
use ecs_servers::{Postgres, PostgresOptions};
use ecs_store::{
    Claim, Consents, Credit, Idempotency, KeptAnswer, Notifications, Outbox, StoredAnswer, Users,
};
use ecs_store_conformance::fixtures::{
    after, approval, first_page, message, new_decision, new_user, now, offer_id, user,
};
use ecs_store_postgres::PostgresStore;
use ecs_vault::Keyring;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

use crate::customers::notification;
use crate::{can_start, options};

/// Counts how often the client speaks after the server has.
#[derive(Default)]
struct Counter {
    trips: AtomicU64,
    client_spoke_last: AtomicBool,
}

impl Counter {
    fn heard(&self, client: bool) {
        let before = self.client_spoke_last.swap(client, Ordering::SeqCst);
        if client && !before {
            self.trips.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn take(&self) -> u64 {
        self.trips.swap(0, Ordering::SeqCst)
    }
}

/// Leads to `target` and counts.
async fn counted(target: std::net::SocketAddr) -> (std::net::SocketAddr, Arc<Counter>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, counter) = (listener.local_addr().unwrap(), Arc::new(Counter::default()));
    let shared = Arc::clone(&counter);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(target).await.unwrap();
            let ((from_client, to_client), (from_server, to_server)) =
                (client.into_split(), server.into_split());
            tokio::spawn(pump(from_client, to_server, Arc::clone(&shared), true));
            tokio::spawn(pump(from_server, to_client, Arc::clone(&shared), false));
        }
    });
    (address, counter)
}

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, counter: Arc<Counter>, client: bool) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        counter.heard(client);
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

/// One of everything, for customer `number`. Returns what each call cost.
async fn costs(store: &PostgresStore, counter: &Counter, number: u128) -> Vec<(&'static str, u64)> {
    let (who, email) = (user(number), format!("user{number}@example.com"));
    let claim =
        |key: &str| Claim { scope: "s".to_owned(), key: format!("{key}{number}"), holder: who.uuid() };
    let kept = |key| {
        let answer = StoredAnswer { status: 200, body: Bytes::from_static(b"{}") };
        Some(KeptAnswer { claim: claim(key), answer })
    };
    let lease = std::time::Duration::from_secs(60);
    let mut costs = Vec::new();
    counter.take();
    macro_rules! cost {
        ($name:literal, $call:expr) => {{
            let result = $call.await.unwrap();
            costs.push(($name, counter.take()));
            result
        }};
    }
    cost!("begin", store.begin_request(&claim("a"), [1; 32], now(), lease));
    cost!("register with a key", store.register(new_user(number, &email), kept("a")));
    cost!("register", store.register(new_user(number + 1_000, &format!("other{email}")), None));
    cost!("credentials", store.credentials(&email.parse().unwrap()));
    cost!("user", store.user(who));
    cost!("consent", store.consent(who, Purpose::EmotionAnalysis));
    cost!("set consent", store.set_consent(who, Purpose::EmotionAnalysis, true.into(), now()));
    cost!("standing decision", store.standing_decision(who, after(-300)));
    cost!("begin", store.begin_request(&claim("b"), [1; 32], now(), lease));
    cost!("decide", store.record_decision(new_decision(approval(number, number, now())), kept("b")));
    cost!("decide again", store.record_decision(new_decision(approval(number, number, now())), None));
    cost!("offers", store.offers(who, first_page()));
    cost!("begin", store.begin_request(&claim("c"), [1; 32], now(), lease));
    cost!("accept", store.accept_offer(who, offer_id(number), after(1), message(number, 1), kept("c")));
    cost!("accept again", store.accept_offer(who, offer_id(number), after(1), message(number, 1), None));
    cost!("activate", store.activate_offer(who, offer_id(number), after(2), message(number, 2)));
    cost!("notify", store.add_notifications(&[notification(number)], after(3)));
    cost!("notifications", store.notifications(who, first_page()));
    cost!("last numbers", store.last_sequences(&[who]));
    cost!("read", store.mark_notifications_read(who, 1, after(4)));
    let rows = cost!("claim", store.claim_outbox(10, after(5), lease));
    cost!("finish", store.finish_outbox(&rows));
    costs
}

/// On one thread, so that what is sent together leaves together: on several, the first of a flight may be answered before the
/// last is written, which costs nobody a wait and looks like one.
#[tokio::test]
async fn calls_cost_few_round_trips() {
    if !can_start("round trips") {
        return;
    }
    let server = Postgres::start(PostgresOptions::default()).await.unwrap();
    let (address, counter) = counted(server.address().unwrap()).await;
    let mut options = options(server.url_at(&[address], "postgres").unwrap());
    options.max_connections = 1;
    let store = PostgresStore::open(options, Keyring::in_memory()).await.unwrap();
    // The first time each statement is prepared.
    costs(&store, &counter, 1).await;
    for (call, cost) in costs(&store, &counter, 2).await {
        let most = match call {
            // It is looked whether the address is free before a key is made for whoever wants it.
            "register with a key" => 3,
            "register" | "set consent" | "decide" | "accept" | "decide again" => 2,
            _ => 1,
        };
        assert_eq!(cost, most, "{call}");
    }
}
