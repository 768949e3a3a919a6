//! The embedded bus's protocol, explored.

use ecs_checks::group_commit::{Fault, GroupCommit};
use ecs_checks::{breaks, explore};
use stateright::Checker;

const CRASHES: u8 = 2;

#[test]
fn nothing_promised_is_lost_whenever_the_process_dies() {
    let checker = explore(GroupCommit { fault: None, crashes: CRASHES });
    checker.assert_properties();
    eprintln!("{} states", checker.unique_state_count());
    assert!(checker.unique_state_count() > 1_000, "only {} states", checker.unique_state_count());
}

#[test]
fn the_exploration_finds_planted_faults() {
    let finds = |fault, property| {
        let model = GroupCommit { fault: Some(fault), crashes: CRASHES };
        assert!(breaks(model, property), "{fault:?} should break: {property}");
    };
    finds(Fault::AnswersFirst, "what was promised is durable");
    finds(Fault::ShowsFirst, "members see what is durable");
    finds(Fault::WritesTheHighest, "progress passes nothing that wasn't acknowledged");
    finds(Fault::WritesWhatWasHandedOut, "progress passes nothing that wasn't acknowledged");
    finds(Fault::HandsBackTooMuch, "no two members hold the same event");
}
