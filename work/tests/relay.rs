//! The outbox relay: whatever fails, what is in the outbox gets onto the bus.

use std::sync::Arc;
use std::time::Duration;

use ecs_bus::{Event, Subject};
use ecs_store::{Outbox, OutboxRow};
use ecs_work::{Relay, RelayDeps, Supervisor, Wake, outbox_message};
use ecs_work_testkit::memory::{MemoryBus, MemoryOutbox, TokioClock, event, until};

struct Scene {
    bus: MemoryBus,
    outbox: Arc<MemoryOutbox>,
    wake: Wake,
    supervisor: Supervisor,
}

impl Scene {
    fn start() -> Self {
        let (bus, outbox, wake) = (MemoryBus::default(), Arc::new(MemoryOutbox::default()), Wake::new());
        let store = Arc::clone(&outbox) as Arc<dyn Outbox>;
        let deps =
            RelayDeps { bus: Arc::new(bus.clone()), store, clock: TokioClock::start(), wake: wake.clone() };
        let supervisor = Supervisor::new();
        Relay::create(deps).start(&supervisor);
        Self { bus, outbox, wake, supervisor }
    }

    fn put(&self, numbers: impl IntoIterator<Item = u128>) {
        for number in numbers {
            self.outbox.put(outbox_message(&event(Subject::Notifications, number)));
        }
        self.wake.wake();
    }

    fn published(&self) -> Vec<Event> {
        self.bus.state().published.clone()
    }

    async fn emptied(&self) {
        until("the outbox is empty", || self.outbox.depth() == 0).await;
    }

    async fn stop(self) {
        assert!(self.supervisor.drain(Duration::from_secs(1)).await.is_clean());
    }
}

fn events(numbers: impl IntoIterator<Item = u128>) -> Vec<Event> {
    numbers.into_iter().map(|number| event(Subject::Notifications, number)).collect()
}

#[tokio::test(start_paused = true)]
async fn what_is_in_the_outbox_is_published_once_when_all_goes_well() {
    let scene = Scene::start();
    scene.put(1..=1200);
    scene.emptied().await;
    assert_eq!(scene.published(), events(1..=1200));
    scene.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_publish_is_tried_again_soon() {
    let scene = Scene::start();
    scene.bus.state().refuse_publishes = 4;
    let before = tokio::time::Instant::now();
    scene.put([1]);
    scene.emptied().await;
    assert_eq!(scene.published(), events([1]));
    assert!(before.elapsed() < Duration::from_secs(3), "no lease had to run out: {:?}", before.elapsed());
    scene.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_bus_that_stays_away_longer_than_a_claim_loses_nothing() {
    let scene = Scene::start();
    scene.bus.state().refuse_publishes = 60;
    scene.put(1..=3);
    scene.emptied().await;
    let mut published = scene.published();
    published.sort_by_key(|event| event.id);
    assert_eq!(published, events(1..=3));
    scene.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_row_that_was_published_but_not_finished_is_published_again() {
    let scene = Scene::start();
    *scene.outbox.finish_failures.lock().unwrap() = 1;
    scene.put([1]);
    scene.emptied().await;
    assert_eq!(scene.published(), events([1, 1]), "at least once; consumers make it once");
    scene.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_is_asked_again() {
    let scene = Scene::start();
    *scene.outbox.claim_failures.lock().unwrap() = 5;
    scene.put([1]);
    scene.emptied().await;
    assert_eq!(scene.published(), events([1]));
    scene.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_row_that_nobody_understands_holds_nobody_up() {
    let scene = Scene::start();
    let message = outbox_message(&event(Subject::Notifications, 9));
    scene.outbox.put_row(OutboxRow {
        row: 0,
        id: message.id,
        subject: "user.unheard-of".to_owned(),
        key: message.key,
        payload: message.payload,
        schema_version: message.schema_version,
        request_id: None,
        traceparent: None,
    });
    scene.put([1]);
    until("the other row is gone", || scene.outbox.depth() == 1).await;
    assert_eq!(scene.published(), events([1]));
    scene.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_is_told_to_stop_while_the_bus_is_away_stops() {
    let scene = Scene::start();
    scene.bus.state().refuse_publishes = u32::MAX;
    scene.put([1]);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let outbox = Arc::clone(&scene.outbox);
    scene.stop().await;
    assert_eq!(outbox.depth(), 1, "the row waits for the next start");
}
