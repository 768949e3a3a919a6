//! The outbox and its relays: explored, and the same steps taken by the real relay over the real store.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod scene;

use ecs_checks::outbox::{Action, Fault, LEASE, Limits, Outbox, RELAYS, ROWS, World, set};
use ecs_checks::{breaks, explore};
use proptest::prelude::*;
use scene::{At, Scene};
use stateright::Checker;

/// Enough for each fault to show, and for its consequences to unfold.
const SMALL: Limits = Limits { clock: 4, crashes: 1, jumps: 1, refusals: 1 };

#[test]
fn nothing_is_lost_on_the_way_out_in_any_order() {
    let checker = explore(Outbox::sound(SMALL));
    checker.assert_properties();
    eprintln!("{} states", checker.unique_state_count());
    assert!(checker.unique_state_count() > 10_000, "only {} states", checker.unique_state_count());
}

#[test]
fn the_exploration_finds_planted_faults() {
    let finds = |fault, property| {
        assert!(
            breaks(Outbox { fault: Some(fault), limits: SMALL }, property),
            "{fault:?} should break: {property}"
        );
    };
    finds(Fault::FinishesFirst, "nothing is removed unpublished");
    finds(Fault::FinishesWhatWasRefused, "nothing is removed unpublished");
    finds(Fault::ForgetsToClaim, "no two relays hold the same row");
    finds(Fault::HonoursFutureClaims, "what waits gets out within two leases");
    finds(Fault::FollowsACursor, "what waits gets out within two leases");
}

/// More than a random walk needs.
const LARGE: Limits = Limits { clock: 100, crashes: 10, jumps: 5, refusals: 10 };

fn actions() -> impl Strategy<Value = Vec<Action>> {
    let relay = || 0..RELAYS;
    let one = prop_oneof![
        3 => (0..ROWS).prop_map(Action::Commit),
        6 => relay().prop_map(Action::Claim),
        5 => (relay(), prop_oneof![2 => Just(0_u8), 1 => 0_u8..1 << ROWS])
            .prop_map(|(relay, bits)| Action::Publish(relay, set(bits))),
        5 => relay().prop_map(Action::Finish),
        1 => relay().prop_map(Action::Crash),
        1 => Just(Action::Restart),
        3 => Just(Action::Tick),
        1 => Just(Action::JumpBack),
    ];
    proptest::collection::vec(one, 1..40)
}

/// Takes the same step in the model and in the scene, and compares what can be seen of both.
async fn step(model: &Outbox, world: World, scene: &mut Scene, action: Action) -> World {
    if let Action::Claim(relay) = action
        && world.hands[relay].is_none()
        && model.free(&world) == [false; ROWS]
    {
        assert_eq!(scene.start(relay).await, At::Done, "nothing is free");
        return world;
    }
    // A publish that names rows which the relay doesn't hold refuses those that it does.
    let action = match action {
        Action::Publish(relay, refused) => {
            let held = world.hands[relay].map_or([false; ROWS], |hand| hand.rows);
            Action::Publish(relay, std::array::from_fn(|row| refused[row] && held[row]))
        }
        other => other,
    };
    let Some(mut next) = model.apply(&world, action) else { return world };
    let seen = match action {
        Action::Claim(relay) => Some((relay, scene.start(relay).await)),
        Action::Publish(relay, refused) => Some((relay, scene.answer(relay, refused).await)),
        Action::Finish(relay) => Some((relay, scene.finish(relay).await)),
        other => {
            scene.happen(other).await;
            None
        }
    };
    if let Some((relay, at)) = seen {
        // The relay may give up what was refused, which is its own decision.
        if at == At::Done && next.hands[relay].is_some() {
            next = model.apply(&next, Action::LetGo(relay)).expect("it lets go of what was refused only");
        }
        assert_eq!(at, expected(&next, relay), "after {action:?}");
    }
    scene.agrees_with(&next).await;
    next
}

/// Where the model's relay waits.
fn expected(world: &World, relay: usize) -> At {
    match world.hands[relay] {
        None => At::Done,
        Some(hand) => hand.published.map_or(At::Publish(hand.rows), At::Finish),
    }
}

async fn replay(actions: Vec<Action>) {
    let model = Outbox::sound(LARGE);
    let mut world = model.start();
    let mut scene = Scene::open().await;
    for action in actions {
        world = step(&model, world, &mut scene, action).await;
    }
    // From here on nothing goes wrong, so everything gets out.
    for relay in 0..RELAYS {
        world = step(&model, world, &mut scene, Action::Crash(relay)).await;
    }
    for _ in 0..=2 * LEASE {
        for action in [Action::Claim(0), Action::Publish(0, [false; ROWS]), Action::Finish(0), Action::Tick] {
            world = step(&model, world, &mut scene, action).await;
        }
    }
    scene.is_empty().await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(48), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_real_relay_over_the_real_store_does_what_the_model_does(actions in actions()) {
        // The relay's own waits pass at once.
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(replay(actions));
    }
}

/// A tenth of `PROPTEST_CASES`, or few: each case opens a file.
fn cases(few: u32) -> u32 {
    std::env::var("PROPTEST_CASES").map_or(few, |cases| cases.parse::<u32>().unwrap().div_ceil(10))
}
