//! The real bus in its file, held against a model of what members of two groups may see, over random sequences of
//! publishing, taking, settling, leaving, forgetting, crashes, and clocks that go on or back.
//!
//! Acknowledgements stay unwritten here until a retry flushes them or the bus is closed, so the model knows to the event
//! what a crash may bring back.
#![expect(clippy::unwrap_used, reason = "a surprise ends the test that meets it")]

mod reference;
mod scene;

use proptest::prelude::*;
use scene::Scene;

/// The members of two groups, by number: 0 and 1 share the first, 2 is alone in the second.
const MEMBERS: usize = 3;

/// The group of a member.
fn group(member: usize) -> usize {
    member / 2
}

#[derive(Debug, Clone, Copy)]
enum Action {
    /// So many events in one batch.
    Publish(usize),
    /// A member asks for a batch.
    Take(usize),
    /// A member acknowledges what it has held longest, or what it got last.
    Ack(usize, End),
    /// A member asks for another delivery after so many seconds.
    Retry(usize, End, u64),
    /// A member settles again a delivery that it has settled, or lost, before: one of those, by number.
    SettleAgain(usize, usize),
    /// A member goes, and comes again.
    Leave(usize),
    /// Seconds pass, or the clock is set back.
    Clock(i64),
    /// Events that are so many seconds old are forgotten.
    Prune(i64),
    /// The process dies.
    Crash,
    /// The process ends in good order.
    Restart,
}

#[derive(Debug, Clone, Copy)]
enum End {
    First,
    Last,
}

fn actions() -> impl Strategy<Value = Vec<Action>> {
    let member = || 0..MEMBERS;
    let end = || prop_oneof![Just(End::First), Just(End::Last)];
    let one = prop_oneof![
        4 => (1_usize..4).prop_map(Action::Publish),
        8 => member().prop_map(Action::Take),
        6 => (member(), end()).prop_map(|(member, end)| Action::Ack(member, end)),
        4 => (member(), end(), 0_u64..20).prop_map(|(member, end, after)| Action::Retry(member, end, after)),
        3 => (member(), 0_usize..50).prop_map(|(member, which)| Action::SettleAgain(member, which)),
        2 => member().prop_map(Action::Leave),
        3 => (1_i64..40).prop_map(Action::Clock),
        2 => (-40_i64..-1).prop_map(Action::Clock),
        1 => (0_i64..60).prop_map(Action::Prune),
        2 => Just(Action::Crash),
        1 => Just(Action::Restart),
    ];
    proptest::collection::vec(one, 1..80)
}

async fn replay(actions: Vec<Action>) {
    let mut scene = Scene::open().await;
    for action in actions {
        scene.happen(action).await;
        scene.agrees().await;
    }
    scene.drain().await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(96), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn members_see_what_the_contract_allows_and_nothing_is_lost(actions in actions()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(replay(actions));
    }
}

/// A tenth of `PROPTEST_CASES`, or few: each case opens a file.
fn cases(few: u32) -> u32 {
    std::env::var("PROPTEST_CASES").map_or(few, |cases| cases.parse::<u32>().unwrap().div_ceil(10))
}
