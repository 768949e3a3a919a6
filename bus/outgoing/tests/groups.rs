//! Batches of callers, on their way through queues to publishers.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use ecs_bus::{Event, Headers, PublishError, Subject, Window};
use ecs_bus_outgoing::{GroupCommit, Queues, Request, Results, group_commit, locked};
use ecs_domain::{EventId, UserId};
use tokio::sync::Notify;
use uuid::Uuid;

fn event(id: u128) -> Event {
    Event {
        id: EventId::new(Uuid::from_u128(id)),
        subject: Subject::Emotions,
        key: UserId::new(Uuid::from_u128(id % 2)),
        payload: Bytes::from_static(b"an event"),
        headers: Headers::current(),
    }
}

fn own(event: &Event) -> u128 {
    event.id.uuid().as_u128() % 2
}

/// Remembers its groups, and ends each when it is told to. It refuses event 13, and panics at event 66.
#[derive(Default)]
struct Recorder {
    groups: Arc<Mutex<Vec<Vec<u128>>>>,
    begun: Arc<Notify>,
    go: Arc<Notify>,
}

impl GroupCommit for Recorder {
    async fn commit(&mut self, requests: &[Request]) -> Results {
        let events = requests.iter().flat_map(|request| &request.events);
        let ids: Vec<u128> = events.map(|event| event.id.uuid().as_u128()).collect();
        locked(&self.groups).push(ids.clone());
        self.begun.notify_one();
        self.go.notified().await;
        assert!(!ids.contains(&66), "it is the group that panics");
        ids.iter().map(|id| if *id == 13 { Err(refusal()) } else { Ok(()) }).collect()
    }
}

fn refusal() -> PublishError {
    PublishError::Unavailable("13".to_owned())
}

fn window() -> Window {
    Window::new(8, 1_000, 100)
}

#[tokio::test]
async fn each_event_hears_of_itself_whatever_queue_it_was_in() {
    let mut queues = Queues::new(window());
    let mut publishers = tokio::task::JoinSet::new();
    for key in 0..2 {
        let publisher = Recorder::default();
        publisher.go.notify_one();
        publishers.spawn(group_commit(queues.add(key, 100), publisher));
    }
    let mut results = queues.publish((10..19).map(event).collect(), own).await;
    assert_eq!(results.pop(), Some(Err(PublishError::WindowFull { retry_after: ecs_bus::RETRY_AFTER })));
    let expect: Results = (10..18).map(|id| if id == 13 { Err(refusal()) } else { Ok(()) }).collect();
    assert_eq!(results, expect);
    queues.drain();
    assert_eq!(queues.publish(vec![event(1)], own).await, [Err(PublishError::Closed)]);
    while publishers.join_next().await.is_some() {}
}

#[tokio::test]
async fn who_comes_while_a_group_is_under_way_goes_with_the_next_and_a_panic_ends_one_group() {
    let mut queues = Queues::new(window());
    let Recorder { groups, begun, go } = Recorder::default();
    let publisher = Recorder { groups: Arc::clone(&groups), begun: Arc::clone(&begun), go: Arc::clone(&go) };
    let queue = queues.add(0, 3);
    tokio::spawn(group_commit(Arc::clone(&queue), publisher));
    let queues = Arc::new(queues);
    let publish = |ids: &'static [u128]| {
        let queues = Arc::clone(&queues);
        tokio::spawn(async move { queues.publish(ids.iter().copied().map(event).collect(), own).await })
    };
    let first = publish(&[66]);
    begun.notified().await;
    let waiting = [publish(&[2, 4]), publish(&[6]), publish(&[8])];
    while queue.waiting() < 3 {
        tokio::task::yield_now().await;
    }
    for _ in 0..2 {
        go.notify_one();
        begun.notified().await;
    }
    go.notify_one();
    assert!(matches!(first.await.unwrap().as_slice(), [Err(PublishError::Unavailable(_))]));
    for caller in waiting {
        let results = tokio::time::timeout(Duration::from_secs(60), caller).await.unwrap().unwrap();
        assert!(results.iter().all(Result::is_ok), "{results:?}");
    }
    assert_eq!(*locked(&groups), [vec![66], vec![2, 4, 6], vec![8]]);
    // All places were given back.
    go.notify_one();
    assert_eq!(queues.publish(vec![event(0); 8], own).await, vec![Ok(()); 8]);
}
