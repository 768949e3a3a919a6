//! Streams over a store in memory, under paused time.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ecs_domain::notification::Notification;
use ecs_domain::{Clock as _, Money, OfferId, Rate, UserId};
use ecs_store::Notifications as _;
use ecs_web::auth::{Auth, SecretKey, Tokens};
use ecs_web::{Identity, Secret};
use ecs_work_testkit::memory::{MemoryNotifications, TokioClock};
use futures::{Stream, StreamExt as _};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::feed::Feed;
use super::seats::Full;
use super::{Seats, StreamOptions, Tail};
use crate::Serving;

const HEARTBEAT: &str = ": heartbeat\n\n";

struct Scene {
    store: Arc<MemoryNotifications>,
    clock: Arc<TokioClock>,
    serving: Serving,
    _tail: AbortOnDropHandle<()>,
}

/// An open stream as its text, piece by piece.
struct Open(Pin<Box<dyn Stream<Item = Result<Bytes, std::convert::Infallible>> + Send>>);

impl Open {
    /// The next piece; `None` after the end.
    async fn piece(&mut self) -> Option<String> {
        let piece = tokio::time::timeout(Duration::from_secs(3600), self.0.next()).await.expect("a piece");
        piece.map(|Ok(bytes)| String::from_utf8(bytes.to_vec()).unwrap())
    }

    /// The numbers of the next piece that is no heartbeat.
    async fn numbers(&mut self) -> Vec<u64> {
        loop {
            let piece = self.piece().await.expect("the stream goes on");
            if piece != HEARTBEAT {
                return piece.lines().filter_map(|line| line.strip_prefix("id: ")?.parse().ok()).collect();
            }
        }
    }
}

impl Scene {
    fn open() -> Self {
        Self::with(StreamOptions::default())
    }

    fn with(options: StreamOptions) -> Self {
        let (store, clock) = (Arc::new(MemoryNotifications::default()), TokioClock::start());
        let key = SecretKey::new(Secret::new("a secret of at least thirty-two bytes")).unwrap();
        let auth = Auth::alone(Tokens::new(&key), Secret::new("internal"), clock.clone());
        let seats = Arc::new(Seats::new(&options));
        let tail = Tail::new(store.clone(), Arc::clone(&seats), options.poll);
        let tail = tokio::spawn(tail.run(CancellationToken::new()));
        let serving = Serving {
            auth: Arc::new(auth),
            store: store.clone(),
            seats,
            stopping: CancellationToken::new(),
            options,
        };
        Self { store, clock, serving, _tail: AbortOnDropHandle::new(tail) }
    }

    /// A stream behind number `seen`, past its first piece, whose token holds for `lifetime`.
    async fn stream(&self, user: UserId, seen: u64, lifetime: Option<Duration>) -> Open {
        let seat = self.serving.seats.take(user, user).unwrap();
        let expires_at = lifetime.map(|lifetime| self.clock.now() + lifetime);
        let identity = Identity { expires_at, ..Identity::of(user) };
        let mut open = Open(Box::pin(Feed::new(&self.serving, seat, seen, identity).into_stream()));
        let first = open.piece().await.unwrap();
        assert!(first.starts_with("retry: "), "{first}");
        open
    }

    /// Keeps `count` notifications of `user`, and tells nobody.
    async fn keep(&self, user: UserId, count: usize) {
        let (limit, rate) = (Money::from_minor_units(500_000), Rate::from_basis_points(1_425));
        let now = self.clock.now();
        let make = |_| Notification::of_activation(user, OfferId::new(Uuid::new_v4()), limit, rate, now);
        let all: Vec<Notification> = (0..count).map(make).collect();
        self.store.add_notifications(&all, now).await.unwrap();
    }

    fn pages(&self) -> u32 {
        *self.store.pages.lock().unwrap()
    }
}

fn user(number: u128) -> UserId {
    UserId::new(Uuid::from_u128(number))
}

#[tokio::test(start_paused = true)]
async fn a_silent_stream_has_a_heartbeat_every_fifteen_seconds() {
    let scene = Scene::open();
    let mut stream = scene.stream(user(1), 0, None).await;
    let start = Instant::now();
    for beat in 1..=3 {
        assert_eq!(stream.piece().await.unwrap(), HEARTBEAT);
        assert_eq!(start.elapsed().as_secs(), beat * 15);
    }
    // Something to tell is as good as a heartbeat, and the next one counts from there.
    tokio::time::advance(Duration::from_secs(10)).await;
    scene.keep(user(1), 1).await;
    assert_eq!(stream.numbers().await, [1]);
    let told = Instant::now();
    assert_eq!(stream.piece().await.unwrap(), HEARTBEAT);
    assert_eq!(told.elapsed().as_secs(), 15);
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_holds_one_page_and_misses_nothing() {
    let scene = Scene::open();
    let mut stream = scene.stream(user(1), 0, None).await;
    scene.keep(user(1), 1_000).await;
    tokio::time::sleep_until(Instant::now() + Duration::from_secs(600)).await;
    assert_eq!(scene.pages(), 0, "nothing is read for a client that takes nothing");
    let mut seen = Vec::new();
    for page in 1..=20 {
        let numbers = stream.numbers().await;
        assert_eq!((numbers.len(), scene.pages()), (50, page));
        seen.extend(numbers);
        tokio::time::advance(Duration::from_secs(60)).await;
    }
    assert!(seen.into_iter().eq(1..=1_000));
    assert_eq!(stream.piece().await.unwrap(), HEARTBEAT);
    assert_eq!(scene.pages(), 20, "what isn't there isn't asked for");
}

#[tokio::test(start_paused = true)]
async fn streams_outlive_an_outage_of_the_store() {
    let scene = Scene::open();
    let mut stream = scene.stream(user(1), 0, None).await;
    scene.keep(user(1), 1).await;
    assert_eq!(stream.numbers().await, [1]);
    *scene.store.failures.lock().unwrap() = 40;
    scene.keep(user(1), 1).await;
    assert_eq!(stream.piece().await.unwrap(), HEARTBEAT);
    let left = *scene.store.failures.lock().unwrap();
    assert!(left > 20, "the store is asked ever less often: {left} failures are left");
    assert_eq!(stream.numbers().await, [2]);
    assert_eq!(*scene.store.failures.lock().unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_page_that_fails_is_read_again() {
    let scene = Scene::open();
    scene.keep(user(1), 3).await;
    let mut stream = scene.stream(user(1), 1, None).await;
    scene.serving.seats.tell(user(1), 3);
    *scene.store.failures.lock().unwrap() = 12;
    let before = Instant::now();
    assert_eq!(stream.numbers().await, [2, 3]);
    assert!(before.elapsed() > Duration::from_secs(1), "it is asked ever less often: {:?}", before.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_streams_with_a_word() {
    let scene = Scene::open();
    let mut stream = scene.stream(user(1), 0, Some(Duration::from_secs(60))).await;
    scene.keep(user(1), 1).await;
    scene.serving.stopping.cancel();
    let before = Instant::now();
    assert_eq!(stream.piece().await.unwrap(), "event: end\ndata: {\"reason\":\"stopping\"}\n\n");
    assert_eq!((stream.piece().await, before.elapsed()), (None, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_with_its_token() {
    let scene = Scene::open();
    let start = Instant::now();
    let mut stream = scene.stream(user(1), 0, Some(Duration::from_secs(40))).await;
    for _ in 0..2 {
        assert_eq!(stream.piece().await.unwrap(), HEARTBEAT);
    }
    assert_eq!(stream.piece().await.unwrap(), "event: end\ndata: {\"reason\":\"expired\"}\n\n");
    assert_eq!((stream.piece().await, start.elapsed().as_secs()), (None, 40));
}

#[tokio::test(start_paused = true)]
async fn one_poll_serves_all_streams_and_none_is_made_for_nobody() {
    let scene = Scene::open();
    let minute = || tokio::time::sleep_until(Instant::now() + Duration::from_secs(60));
    let polls = || std::mem::take(&mut *scene.store.polls.lock().unwrap());
    minute().await;
    assert!(polls().is_empty());
    let streams = [1, 1, 2].map(user).map(|user| scene.serving.seats.take(user, user).unwrap());
    minute().await;
    let seen = polls();
    assert!(seen.iter().all(|users| *users == 2) && (240..=242).contains(&seen.len()), "{seen:?}");
    drop(streams);
    minute().await;
    polls();
    minute().await;
    assert!(polls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_this_instance_keeps_is_told_at_once() {
    let day = Duration::from_secs(24 * 3600);
    let scene = Scene::with(StreamOptions { poll: day, ..StreamOptions::default() });
    let mut stream = scene.stream(user(1), 0, None).await;
    assert_eq!(stream.piece().await.unwrap(), HEARTBEAT);
    scene.keep(user(1), 1).await;
    scene.serving.seats.kept([user(2)].into_iter());
    assert_eq!(stream.piece().await.unwrap(), HEARTBEAT, "others wake nobody");
    let before = Instant::now();
    scene.serving.seats.kept([user(2), user(1)].into_iter());
    assert_eq!((stream.numbers().await, before.elapsed()), (vec![1], Duration::ZERO));
}

#[test]
fn seats_are_bounded_and_come_back() {
    let options = StreamOptions { max_streams: 4, max_streams_of_one: 2, ..StreamOptions::default() };
    let seats = Arc::new(Seats::new(&options));
    let (operator, ana, bia) = (user(1), user(2), user(3));
    // Nobody takes ana's seats by looking at what she is told.
    let looking = seats.take(operator, ana).unwrap();
    let first = seats.take(ana, ana).unwrap();
    let second = seats.take(ana, ana).unwrap();
    assert_eq!(seats.take(ana, ana).err(), Some(Full::Bearer));
    let elsewhere = seats.take(operator, bia).unwrap();
    assert_eq!(seats.take(bia, bia).err(), Some(Full::Instance));
    drop((first, elsewhere));
    assert_eq!(seats.followed(), [ana]);
    drop((second, looking));
    assert!(seats.followed().is_empty());
    let again: Vec<_> = [ana, ana, bia, bia].map(|one| seats.take(one, one)).into_iter().flatten().collect();
    assert_eq!(again.len(), 4);
    assert_eq!(seats.take(operator, ana).err(), Some(Full::Instance));
}
