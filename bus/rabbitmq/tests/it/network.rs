//! A network that is cut.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ecs_bus::{Bus, Group};
use ecs_bus_conformance::kit::{settled, within};
use ecs_servers::Proxy;

use crate::load::{Load, follow, reaches};
use crate::support::{open, options_at, server};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_published_has_its_effect_however_often_the_network_is_cut() {
    let Some(server) = server("a network that is cut").await else { return };
    let proxy = Proxy::start(server.address().unwrap()).await.unwrap();
    let bus = Arc::new(open(&options_at(&server.url_at(proxy.address()).unwrap())).await);
    let seen = Arc::new(AtomicUsize::new(0));
    let follower = follow(&bus, &seen);
    let load = Load::start(&bus, 8);
    for _ in 0..3 {
        let before = seen.load(Ordering::Relaxed);
        load.proceeds(200).await;
        reaches(&seen, before + 1).await;
        proxy.cut().await;
        load.is_refused().await;
        proxy.heal().await.unwrap();
    }
    load.proceeds(200).await;
    let durable = load.finish().await;
    settled(&*bus, Group("follower")).await;
    within(bus.close()).await.unwrap();
    let effects = within(follower).await.unwrap();
    let lost: Vec<_> = durable.difference(&effects).collect();
    assert!(lost.is_empty(), "{} of {} are lost", lost.len(), durable.len());
}
