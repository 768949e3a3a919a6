//! Servers that die and servers that hang, under load.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ecs_bus::{Bus, BusError, PublishError};
use ecs_bus_conformance::kit::{event, events, publish, within};
use ecs_bus_nats::NatsBus;
use ecs_domain::EventId;
use ecs_servers::NatsOptions;
use tokio::task::{JoinHandle, JoinSet};

use crate::support::{ack, delivered, ids, join, open, open_impatient, server, work_off};

/// Publishes without a pause until told to stop, and remembers what got its `Ok`.
struct Load {
    stop: Arc<AtomicBool>,
    durable: Arc<AtomicUsize>,
    refused: Arc<AtomicUsize>,
    publishers: JoinSet<BTreeSet<EventId>>,
}

impl Load {
    fn start(bus: &Arc<NatsBus>, publishers: u128) -> Self {
        let mut load = Self {
            stop: Arc::default(),
            durable: Arc::default(),
            refused: Arc::default(),
            publishers: JoinSet::new(),
        };
        for publisher in 0..publishers {
            let bus = Arc::clone(bus);
            let (stop, durable, refused) =
                (Arc::clone(&load.stop), Arc::clone(&load.durable), Arc::clone(&load.refused));
            load.publishers.spawn(async move {
                let mut own = BTreeSet::new();
                for number in publisher * 10_000_000.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    match bus.publish(vec![event(number)]).await.as_slice() {
                        [Ok(())] => {
                            own.insert(event(number).id);
                            durable.fetch_add(1, Ordering::Relaxed);
                        }
                        [Err(PublishError::Unavailable(_))] => {
                            refused.fetch_add(1, Ordering::Relaxed);
                            // An open breaker answers at once; whoever asks again at once only burns the processor.
                            tokio::task::yield_now().await;
                        }
                        other => panic!("{other:?}"),
                    }
                }
                own
            });
        }
        load
    }

    /// Waits until so many more events are durable.
    async fn proceeds(&self, events: usize) {
        let goal = self.durable.load(Ordering::Relaxed) + events;
        within(async {
            while self.durable.load(Ordering::Relaxed) < goal {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    async fn finish(mut self) -> BTreeSet<EventId> {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = BTreeSet::new();
        while let Some(own) = within(self.publishers.join_next()).await {
            all.extend(own.unwrap());
        }
        all
    }
}

/// A member that takes and acknowledges as long as it lives, and says how many it has seen.
fn follow(bus: &Arc<NatsBus>, seen: &Arc<AtomicUsize>) -> JoinHandle<()> {
    let (bus, seen) = (Arc::clone(bus), Arc::clone(seen));
    tokio::spawn(async move {
        let mut member = join(&bus, "follower", 500).await;
        loop {
            let batch = match member.next().await {
                Ok(batch) => batch,
                Err(BusError::Closed) => return,
                Err(error) => panic!("{error}"),
            };
            seen.fetch_add(batch.len(), Ordering::Relaxed);
            let settled = batch
                .iter()
                .map(|delivery| ecs_bus::Settlement { tag: delivery.tag, verdict: ecs_bus::Verdict::Ack });
            // While the server is away nobody hears it, and the events come again.
            let _ = member.settle(settled.collect()).await;
        }
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_got_its_ok_survives_kill_9_of_the_server() {
    let Some(server) = server("kill -9 after the Ok", NatsOptions::default()).await else { return };
    let mut durable = BTreeSet::new();
    for round in 0..4_u128 {
        let bus = open(&server).await;
        let batch = events(round * 1_000..round * 1_000 + 400 + round * 100);
        publish(&bus, batch.clone()).await;
        server.kill().await.unwrap();
        durable.extend(ids(&batch));
        drop(bus);
        server.restart().await.unwrap();
    }
    let bus = open(&server).await;
    assert_eq!(delivered(&work_off(&bus, "worker").await), durable);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn publishers_and_members_go_on_after_kill_9_of_the_server() {
    let Some(server) = server("kill -9 under load", NatsOptions::default()).await else { return };
    let bus = Arc::new(open(&server).await);
    let seen = Arc::new(AtomicUsize::new(0));
    let follower = follow(&bus, &seen);
    let load = Load::start(&bus, 16);
    load.proceeds(300).await;
    for _ in 0..2 {
        server.kill().await.unwrap();
        server.restart().await.unwrap();
        let before = seen.load(Ordering::Relaxed);
        load.proceeds(300).await;
        within(async {
            while seen.load(Ordering::Relaxed) <= before {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
    let durable = load.finish().await;
    let delivered = delivered(&work_off(&bus, "worker").await);
    let lost: Vec<_> = durable.difference(&delivered).collect();
    assert!(lost.is_empty(), "{} of {} are lost", lost.len(), durable.len());
    within(bus.close()).await.unwrap();
    within(follower).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_is_noticed_and_found_again() {
    let Some(server) = server("a server that hangs", NatsOptions::default()).await else { return };
    let bus = Arc::new(open_impatient(&server).await);
    let mut member = join(&bus, "worker", 10).await;
    publish(&*bus, vec![event(0)]).await;
    let first = within(member.next()).await.unwrap();
    ack(&mut member, &first).await;

    server.pause().await.unwrap();
    let started = Instant::now();
    let refused = within(bus.publish(vec![event(1)])).await;
    assert!(matches!(refused.as_slice(), [Err(PublishError::Unavailable(_))]), "{refused:?}");
    assert!(matches!(within(bus.ping()).await, Err(BusError::Unavailable(_))));
    assert!(started.elapsed() < Duration::from_secs(10), "after {:?}", started.elapsed());

    server.resume().unwrap();
    within(async { while bus.publish(vec![event(2)]).await != [Ok(())] {} }).await;
    within(async { while bus.ping().await.is_err() {} }).await;
    within(async {
        loop {
            let batch = member.next().await.unwrap();
            if batch.iter().any(|delivery| delivery.event.id == event(2).id) {
                return;
            }
        }
    })
    .await;
}

/// While the server is away long enough the breaker opens, and answers at once; it closes by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_breaker_opens_and_closes_by_itself() {
    let Some(server) = server("the breaker", NatsOptions::default()).await else { return };
    let options = ecs_bus_nats::Options {
        patience: Duration::from_millis(20),
        breaker: ecs_breaker::Options { open_for: Duration::from_secs(3), ..Default::default() },
        ..crate::support::options(&server)
    };
    let bus = within(NatsBus::open(options)).await.unwrap();
    publish(&bus, vec![event(0)]).await;
    server.kill().await.unwrap();
    let open =
        |results: &[Result<(), PublishError>]| format!("{results:?}").contains("did not answer lately");
    within(async { while !open(&bus.publish(vec![event(1)]).await) {} }).await;
    assert!(open(&bus.publish(vec![event(1)]).await));
    server.restart().await.unwrap();
    within(async { while bus.publish(vec![event(2)]).await != [Ok(())] {} }).await;
}

/// A member holds more than the client library has room for words about, and nobody is there to hear them. The bus closes all
/// the same: whoever stops a process must not wait for a server that is away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bus_closes_while_its_server_is_away() {
    for hangs in [false, true] {
        let Some(server) = server("closing without a server", NatsOptions::default()).await else { return };
        let bus = open(&server).await;
        publish(&bus, events(0..18_000)).await;
        let mut member = join(&bus, "worker", 20_000).await;
        let mut held = 0;
        while held < 18_000 {
            held += within(member.next()).await.unwrap().len();
        }
        if hangs {
            server.pause().await.unwrap();
        } else {
            server.kill().await.unwrap();
        }
        let closed = tokio::time::timeout(Duration::from_secs(15), bus.close()).await;
        assert!(closed.is_ok(), "it waits for a server that is away (hangs: {hangs})");
    }
}

/// What a worker has done can't be told to a server that is away. It hears so soon, however much it was.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settling_ends_while_the_server_is_away() {
    let Some(server) = server("settling without a server", NatsOptions::default()).await else { return };
    let bus = open(&server).await;
    publish(&bus, events(0..18_000)).await;
    let mut member = join(&bus, "worker", 20_000).await;
    let mut batches = Vec::new();
    while batches.len() < 18_000 {
        batches.extend(within(member.next()).await.unwrap());
    }
    server.kill().await.unwrap();
    let ack = |delivery: &ecs_bus::Delivery| ecs_bus::Settlement {
        tag: delivery.tag,
        verdict: ecs_bus::Verdict::Ack,
    };
    let settled = member.settle(batches.iter().map(ack).collect());
    let heard = tokio::time::timeout(Duration::from_secs(9), settled).await;
    assert!(matches!(heard, Ok(Err(BusError::Unavailable(_)))), "{heard:?}");
}
