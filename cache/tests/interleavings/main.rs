//! The real cache, with its readers, writers and evictions interleaved in every way there is.
//!
//! The backend here lets others come in before each of its calls, and so does each load: between those points nothing
//! waits, so the interleavings of these tests are all that a cache on one thread can meet.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod explorer;
mod world;

use explorer::{Bounds, Task, explore};
use world::{Fault, World};

/// Those interleavings that take so many preemptions. `ECS_CHECK_PREEMPTIONS` asks for more.
fn few(preemptions: usize) -> Bounds {
    let more = std::env::var("ECS_CHECK_PREEMPTIONS").ok().map(|number| number.parse().unwrap());
    Bounds { preemptions: Some(more.unwrap_or(preemptions)) }
}

const ALL: Bounds = Bounds { preemptions: None };

fn passes(
    bounds: Bounds,
    start: impl Fn() -> (World, Vec<Task>),
    check: impl Fn(&World) -> Result<(), String>,
) {
    let runs = explore(bounds, start, check).unwrap_or_else(|fault| panic!("{fault}"));
    eprintln!("{runs} interleavings");
    assert!(runs > 100, "only {runs} interleavings were tried");
}

#[test]
fn concurrent_readers_are_one_load() {
    let check = |world: &World| {
        world.fresh()?;
        world.at_most_at_once(1)?;
        world.loaded(1)?;
        world.answered(3)
    };
    passes(few(2), || World::new(Fault::None).with(3, |world, _| world.reader()), check);
}

fn readers_and_a_writer(fault: Fault) -> (World, Vec<Task>) {
    World::new(fault).with(3, |world, number| if number == 2 { world.writer() } else { world.reader() })
}

#[test]
fn what_was_loaded_before_an_invalidation_is_not_found_after_it() {
    let check = |world: &World| {
        world.fresh()?;
        world.at_most_at_once(2)?;
        world.answered(2)
    };
    passes(few(3), || readers_and_a_writer(Fault::None), check);
}

#[test]
fn a_read_after_an_invalidation_is_fresh_whatever_a_reader_was_doing_meanwhile() {
    let start = || {
        World::new(Fault::None).with(2, |world, number| match number {
            0 => world.reader(),
            _ => world.writer_who_reads(),
        })
    };
    let check = |world: &World| {
        world.fresh()?;
        world.answered(2)
    };
    passes(ALL, start, check);
}

#[test]
fn evictions_at_any_time_cost_loads_and_bring_nothing_back() {
    let start = || {
        World::new(Fault::None).with(4, |world, number| match number {
            2 => world.writer(),
            3 => world.evictor(),
            _ => world.reader(),
        })
    };
    passes(few(2), start, World::fresh);
}

#[test]
fn a_cancelled_reader_wedges_nobody() {
    let start = || {
        World::new(Fault::None).with(3, |world, number| match number {
            0 => world.reader().cancellable(),
            _ => world.reader(),
        })
    };
    let check = |world: &World| {
        world.fresh()?;
        world.at_most_at_once(1)?;
        if world.answers() < 2 { Err("the others have no answer".to_owned()) } else { Ok(()) }
    };
    passes(few(2), start, check);
}

#[test]
fn a_load_that_panics_wedges_nobody() {
    let check = |world: &World| {
        world.at_most_at_once(1)?;
        world.answered(2)
    };
    passes(few(2), || World::new(Fault::FirstLoadPanics).with(3, |world, _| world.reader()), check);
}

#[test]
fn a_load_that_fails_is_its_callers_alone() {
    passes(
        few(2),
        || World::new(Fault::FirstLoadFails).with(3, |world, _| world.reader()),
        |world| world.answered(2),
    );
}

#[test]
fn while_the_backend_is_away_a_key_is_loaded_by_one_at_a_time_and_every_answer_is_fresh() {
    let check = |world: &World| {
        world.fresh()?;
        world.at_most_at_once(1)?;
        world.answered(3)
    };
    let start = || {
        World::new(Fault::Away).with(3, |world, number| match number {
            2 => world.writer_who_reads(),
            _ => world.reader(),
        })
    };
    passes(few(3), start, check);
}

#[test]
fn a_backend_that_comes_back_meanwhile_brings_nothing_stale() {
    let check = |world: &World| {
        world.fresh()?;
        world.answered(3)
    };
    let start = || {
        World::new(Fault::AwayAtFirst).with(3, |world, number| match number {
            2 => world.writer_who_reads(),
            _ => world.reader(),
        })
    };
    passes(few(2), start, check);
}

/// The planted faults: each is found, by the check that is there for it.
#[test]
fn the_checks_find_what_they_are_there_for() {
    fn finds(start: impl Fn() -> (World, Vec<Task>), check: fn(&World) -> Result<(), String>, expect: &str) {
        let found = explore(Bounds { preemptions: Some(2) }, start, check).unwrap_err();
        assert!(found.starts_with(expect), "{found}");
    }
    let readers = |fault| move || World::new(fault).with(3, |world, _| world.reader());
    let and_a_writer = |fault| move || readers_and_a_writer(fault);
    finds(and_a_writer(Fault::GenerationsAreCounted), World::fresh, "a read began when 2 was the least");
    finds(and_a_writer(Fault::RemovesLate), World::fresh, "a read began when 2 was the least");
    finds(readers(Fault::BeginsInTwoSteps), |world| world.at_most_at_once(1), "2 loads ran at once");
    finds(readers(Fault::NeverFinds), |world| world.loaded(1), "there were 3 loads, not 1");
    finds(readers(Fault::Away), |world| world.loaded(1), "there were 3 loads, not 1");
    finds(readers(Fault::FirstLoadFails), |world| world.answered(3), "2 reads were answered");
}
