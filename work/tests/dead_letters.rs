//! Replaying and dropping over the embedded bus and store: no letter is lost, no event doubled, and the books balance,
//! wherever a crash comes.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ecs_bus::payload::EmotionPayload;
use ecs_bus::{Bus, Delivery, Outcome, Subject, SubscribeOptions};
use ecs_domain::consent::ConsentRule;
use ecs_domain::dead_letter::{DeadLetterKind, DeadLetterState};
use ecs_domain::emotion::{StressThreshold, Unit};
use ecs_domain::{Clock as _, UserId};
use ecs_store::{
    DeadLetterRow, DeadLetters as _, EmotionRules, Folded, Folds as _, FullLetter, Letter, LetterFilter,
    LetterId, Outbox as _, Provision, Users as _,
};
use ecs_vault::Keyring;
use ecs_work::books::{self, Report};
use ecs_work::consume::{self, ConsumeDeps, Failure, Handler};
use ecs_work::dead_letters::{Action, Choice, Desk, Done, MOST};
use ecs_work::{Decoded, OnFailure, OnStop, Relay, RelayDeps, Supervisor, Wake, decoded, retention};
use ecs_work_testkit::FlakyBus;
use ecs_work_testkit::platform::{DEADLINE, Platform, emotion, malformed, until};
use rusqlite::Connection;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// A platform whose only worker folds emotions, and whose worker and relay run when a test says so.
struct Scene {
    platform: Arc<Platform>,
    wake: Wake,
    stranger: UserId,
}

struct Fold(Arc<Platform>);

#[async_trait]
impl Handler for Fold {
    async fn handle(&self, batch: &[Delivery]) -> Result<Vec<Outcome>, Failure> {
        let decoded = Decoded::of(batch, EmotionPayload::decode);
        let now = self.0.clock.now();
        let rules = EmotionRules {
            consent: ConsentRule::Assumed,
            stress: StressThreshold(Unit::new(0.7).unwrap()),
            raw_floor: retention::raw_floor(now, 30),
        };
        let fates = self.0.store.fold_emotions(decoded.items(), rules, now).await?;
        Ok(decoded.outcomes(fates.into_iter().map(|fate| match fate {
            Folded::UnknownUser => decoded::unknown_user(),
            Folded::Counted | Folded::Repeated | Folded::Discarded => Outcome::Ack,
        })))
    }
}

impl Scene {
    /// A scene in which these events of a user without an account were given up.
    async fn with_letters(names: &[&str]) -> Self {
        let scene = Self {
            platform: Arc::new(Platform::open()),
            wake: Wake::new(),
            stranger: UserId::new(Uuid::new_v4()),
        };
        let now = scene.platform.clock.now();
        let events = names.iter().map(|name| emotion(scene.stranger, name, now)).collect();
        scene.platform.publish(events).await;
        scene.work().await;
        assert_eq!(scene.letters(DeadLetterState::Waiting).await.len(), names.len());
        scene
    }

    /// Lets the worker work until nothing is left to do.
    async fn work(&self) {
        let platform = &self.platform;
        let deps = ConsumeDeps::new(platform.bus.clone(), platform.store.clone(), platform.clock.clone());
        let options = SubscribeOptions { linger: Duration::from_millis(1), ..SubscribeOptions::default() };
        let supervisor = Supervisor::new();
        let fold = Arc::new(Fold(Arc::clone(platform)));
        let run = consume::run(deps, Subject::Emotions, options.into(), fold, supervisor.token());
        supervisor.spawn("fold", OnFailure::StopProcess, OnStop::Wait, run);
        platform.settled(Subject::Emotions).await;
        assert!(supervisor.drain(DEADLINE).await.is_clean());
    }

    fn relay(&self, bus: Arc<dyn Bus>) -> Relay {
        let (store, clock) = (self.platform.store.clone(), self.platform.clock.clone());
        Relay::create(RelayDeps { bus, store, clock, wake: self.wake.clone() })
    }

    /// Publishes what the outbox holds.
    async fn publish(&self) {
        self.relay(self.platform.bus.clone()).pass(&CancellationToken::new()).await.unwrap();
    }

    async fn act(&self, action: Action, choice: Choice) -> Done {
        let desk = Desk {
            store: self.platform.store.as_ref(),
            clock: self.platform.clock.as_ref(),
            outbox: &self.wake,
            operator: UserId::new(Uuid::nil()),
        };
        desk.act(action, choice).await.unwrap()
    }

    async fn replay_all(&self) -> Vec<LetterId> {
        self.act(Action::Replay, matching(None, MOST)).await.done
    }

    async fn letters(&self, state: DeadLetterState) -> Vec<Letter> {
        let filter = LetterFilter { state: Some(state), ..LetterFilter::default() };
        self.platform.store.dead_letters(&filter, None, 100).await.unwrap()
    }

    async fn letter(&self, id: LetterId) -> FullLetter {
        self.platform.store.dead_letter(id).await.unwrap().unwrap()
    }

    /// What was lost is found: the stranger gets the account.
    async fn provision_stranger(&self) {
        let now = self.platform.clock.now();
        let external_id = Some("restored".to_owned());
        let provision = Provision { id: self.stranger, external_id, email: None, now };
        self.platform.store.provision(provision, None).await.unwrap();
    }

    async fn books(&self) -> Report {
        let now = self.platform.clock.now();
        let floor = retention::raw_floor(now, 30);
        books::balance(self.platform.bus.as_ref(), self.platform.store.as_ref(), now, floor).await.unwrap()
    }

    /// The books balance, with so many counted, dead-lettered and pending.
    async fn balances(&self, expect: [u64; 3]) {
        let report = self.books().await;
        assert_eq!(report.complaints(), [""; 0]);
        let emotions = report.emotions;
        assert_eq!([emotions.counted, emotions.dead_lettered, emotions.pending], expect, "{emotions:?}");
    }

    fn tamper(&self, sql: &str) {
        let connection = Connection::open(self.platform.folder.path().join("store.db")).unwrap();
        assert!(connection.execute(sql, []).unwrap() > 0, "nothing to tamper with: {sql}");
    }
}

fn matching(before: Option<LetterId>, limit: usize) -> Choice {
    Choice::Matching { filter: LetterFilter::default(), before, limit }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replayed_event_counts_once_its_cause_is_mended() {
    let scene = Scene::with_letters(&["a", "b"]).await;
    scene.balances([0, 2, 0]).await;
    scene.provision_stranger().await;
    let ids = scene.replay_all().await;
    assert_eq!(ids.len(), 2);
    scene.balances([0, 0, 2]).await;
    scene.publish().await;
    scene.balances([0, 0, 2]).await;
    scene.work().await;
    scene.balances([2, 0, 0]).await;
    let counted = scene.letter(ids[0]).await;
    assert_eq!((counted.letter.state, counted.payload), (DeadLetterState::Replayed, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replayed_event_that_fails_again_waits_again_with_both_attempts() {
    let scene = Scene::with_letters(&["a"]).await;
    let [id] = scene.replay_all().await[..] else { panic!("one letter") };
    scene.publish().await;
    scene.work().await;
    scene.balances([0, 1, 0]).await;
    let back = scene.letter(id).await;
    assert_eq!((back.letter.state, back.letter.replays), (DeadLetterState::Waiting, 1));
    assert_eq!(back.history.len(), 2);
    assert_eq!(scene.replay_all().await, [id], "and can be replayed once more");
}

/// A worker may be faster than the relay's note that the row is published, or the relay may die before that note.
#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_publishing_and_its_note_publishes_twice_and_leaves_one_letter() {
    let scene = Scene::with_letters(&["a"]).await;
    let [id] = scene.replay_all().await[..] else { panic!("one letter") };
    let now = scene.platform.clock.now();
    let rows = scene.platform.store.claim_outbox(10, now, Duration::from_secs(10)).await.unwrap();
    scene.platform.publish(rows.iter().map(|row| ecs_work::outbox::event(row).unwrap()).collect()).await;
    scene.work().await;
    assert_eq!(scene.letter(id).await.letter.state, DeadLetterState::Waiting, "given up before the note");
    scene.balances([0, 1, 0]).await;
    // The relay died here. Its claim runs out, and the next one publishes the row again.
    scene.platform.clock.advance(Duration::from_secs(60));
    scene.provision_stranger().await;
    scene.publish().await;
    assert_eq!(scene.platform.store.outbox_depth().await.unwrap(), 0);
    scene.work().await;
    scene.balances([1, 0, 0]).await;
    assert_eq!(
        scene.letters(DeadLetterState::Waiting).await.len(),
        1,
        "its bytes are still here to be dropped"
    );
    scene.replay_all().await;
    scene.publish().await;
    scene.work().await;
    scene.balances([1, 0, 0]).await;
}

/// Nobody strands a letter by dying after the mark: mark and outbox row are one write.
#[tokio::test(flavor = "multi_thread")]
async fn a_replay_before_a_crash_is_published_after_it() {
    let scene = Scene::with_letters(&["a"]).await;
    scene.provision_stranger().await;
    scene.replay_all().await;
    // What the dead process left is read by a store that is opened over the same file.
    let path = scene.platform.folder.path().join("store.db");
    let reopened =
        ecs_store_sqlite::SqliteStore::open(path, Keyring::in_memory(), ecs_store_sqlite::Options::default())
            .unwrap();
    let relay = Relay::create(RelayDeps {
        bus: scene.platform.bus.clone(),
        store: Arc::new(reopened),
        clock: scene.platform.clock.clone(),
        wake: Wake::new(),
    });
    assert_eq!(relay.pass(&CancellationToken::new()).await.unwrap(), 1);
    scene.work().await;
    scene.balances([1, 0, 0]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bus_that_refuses_keeps_replayed_events_waiting_in_the_outbox() {
    let scene = Scene::with_letters(&["a"]).await;
    scene.provision_stranger().await;
    scene.replay_all().await;
    let flaky = Arc::new(FlakyBus::new(scene.platform.bus.clone(), Subject::Emotions, 3));
    let supervisor = Supervisor::new();
    scene.relay(flaky.clone()).start(&supervisor);
    until("it was refused", || async { flaky.refusals_left() < 3 }).await;
    assert_eq!(scene.books().await.complaints(), [""; 0]);
    until("it is published", || async { scene.platform.store.outbox_depth().await.unwrap() == 0 }).await;
    assert!(supervisor.drain(DEADLINE).await.is_clean());
    scene.work().await;
    scene.balances([1, 0, 0]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_letter_stays_in_the_books() {
    let scene = Scene::with_letters(&["a", "b"]).await;
    let Done { done, skipped, next } = scene.act(Action::Drop, Choice::Ids(vec![LetterId(1)])).await;
    assert_eq!((done, skipped, next), (vec![LetterId(1)], vec![], None));
    assert_eq!(scene.letter(LetterId(1)).await.payload, None);
    scene.balances([0, 2, 0]).await;
    let again = scene.act(Action::Replay, Choice::Ids(vec![LetterId(1), LetterId(7)])).await;
    assert_eq!((again.done, again.skipped), (vec![], vec![LetterId(1), LetterId(7)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_matches_is_replayed_page_by_page_and_each_letter_once() {
    let scene = Scene::with_letters(&["a", "b", "c", "d", "e"]).await;
    let (mut before, mut replayed) = (None, Vec::new());
    loop {
        let Done { done, next, .. } = scene.act(Action::Replay, matching(before, 2)).await;
        replayed.extend(done);
        // Each of them fails again at once, and its letter waits again.
        scene.publish().await;
        scene.work().await;
        before = next;
        if before.is_none() {
            break;
        }
    }
    replayed.sort_unstable();
    assert_eq!(replayed, (1..=5).map(LetterId).collect::<Vec<_>>());
    assert_eq!(scene.letters(DeadLetterState::Waiting).await.len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_that_got_lost_is_missed() {
    let scene = Scene::with_letters(&["a", "b"]).await;
    scene.replay_all().await;
    scene.balances([0, 0, 2]).await;
    scene.tamper("DELETE FROM outbox WHERE row = (SELECT max(row) FROM outbox)");
    let complaints = scene.books().await.complaints();
    assert_eq!(complaints.len(), 1, "{complaints:?}");
    assert!(complaints[0].starts_with("1 emotion events were accepted and settled, but"), "{complaints:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_understands_can_be_replayed_on_another_day() {
    let scene = Scene::with_letters(&[]).await;
    let broken = malformed(emotion(scene.stranger, "x", scene.platform.clock.now()));
    scene.platform.publish(vec![broken]).await;
    scene.work().await;
    scene.platform.clock.advance(Duration::from_secs(86_400));
    scene.replay_all().await;
    assert_eq!(scene.books().await.complaints(), [""; 0]);
    scene.publish().await;
    assert_eq!(scene.books().await.complaints(), [""; 0]);
    scene.work().await;
    assert_eq!(scene.books().await.complaints(), [""; 0]);
    let letters = scene.letters(DeadLetterState::Waiting).await;
    assert_eq!((letters.len(), letters[0].kind, letters[0].attempts), (1, DeadLetterKind::Undecodable, 2));
}

/// Replays, failures and balances at the same time: no round of the books complains.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn books_that_are_read_while_letters_are_replayed_raise_no_false_alarm() {
    let scene = Arc::new(Scene::with_letters(&["a", "b", "c", "d", "e", "f", "g", "h"]).await);
    let stir = Arc::clone(&scene);
    let stirring = tokio::spawn(async move {
        for _ in 0..25 {
            stir.replay_all().await;
            stir.publish().await;
            stir.work().await;
        }
    });
    let mut rounds = 0;
    while !stirring.is_finished() || rounds < 5 {
        assert_eq!(scene.books().await.complaints(), [""; 0], "round {rounds}");
        rounds += 1;
    }
    stirring.await.unwrap();
    scene.balances([0, 8, 0]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_of_a_subject_that_is_not_known_is_not_replayed() {
    let scene = Scene::with_letters(&["a"]).await;
    let known = scene.platform.letters().await.remove(0);
    let unknown = DeadLetterRow { subject: "user.unheard-of".to_owned(), ..known };
    scene.platform.store.add_dead_letters(&[unknown]).await.unwrap();
    let Done { done, skipped, .. } = scene.act(Action::Replay, matching(None, MOST)).await;
    assert_eq!((done, skipped), (vec![LetterId(1)], vec![LetterId(2)]));
    assert_eq!(scene.act(Action::Drop, matching(None, MOST)).await.done, [LetterId(2)]);
}
