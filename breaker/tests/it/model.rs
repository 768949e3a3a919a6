//! Any sequence of calls against a model that keeps the whole story and looks back on it.

use std::time::Duration;

use ecs_breaker::{Breaker, Options, Permit, State};
use ecs_metrics::Metrics;
use proptest::prelude::*;
use tokio::time::Instant;

const OPEN_FOR: Duration = Duration::from_secs(30);

#[derive(Debug, Clone)]
enum Step {
    Admit,
    /// One of the permits that are held, by a number modulo how many they are.
    Succeed(usize),
    Fail(usize),
    Drop(usize),
    Advance(Duration),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => Just(Step::Admit),
        2 => any::<usize>().prop_map(Step::Succeed),
        5 => any::<usize>().prop_map(Step::Fail),
        1 => any::<usize>().prop_map(Step::Drop),
        2 => (0_u64..40_000).prop_map(|millis| Step::Advance(Duration::from_millis(millis))),
    ]
}

/// What happened that matters, oldest first.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fact {
    Opened(Instant),
    Closed,
    /// A call that was admitted under the present term, and not as a probe, ended.
    Ended {
        well: bool,
    },
}

/// A permit that is held, and how many facts were openings or closings when it was given.
struct Held {
    permit: Permit,
    turns: usize,
}

struct Story {
    breaker: Breaker,
    options: Options,
    facts: Vec<Fact>,
    held: Vec<Held>,
}

impl Story {
    fn new(options: Options) -> Self {
        let breaker = Breaker::new("story", options, &Metrics::new());
        Self { breaker, options, facts: Vec::new(), held: Vec::new() }
    }

    fn turns(&self) -> usize {
        self.facts.iter().filter(|fact| !matches!(fact, Fact::Ended { .. })).count()
    }

    fn last_turn(&self) -> Option<Fact> {
        self.facts.iter().rev().copied().find(|fact| !matches!(fact, Fact::Ended { .. }))
    }

    /// What the facts say about where the breaker stands.
    fn expected(&self) -> State {
        match self.last_turn() {
            Some(Fact::Opened(at)) if at.elapsed() < OPEN_FOR => State::Open,
            Some(Fact::Opened(_)) => State::HalfOpen,
            _ => State::Closed,
        }
    }

    fn failures_in_a_row(&self) -> usize {
        self.facts.iter().rev().take_while(|fact| matches!(fact, Fact::Ended { well: false })).count()
    }

    fn probes(&self) -> usize {
        self.held.iter().filter(|held| held.permit.is_probe()).count()
    }

    fn admit(&mut self) {
        let (state, probes, turns) = (self.expected(), self.probes(), self.turns());
        let room = probes < self.options.probes as usize;
        match (state, self.breaker.admit()) {
            (State::Closed, Ok(permit)) => {
                assert!(!permit.is_probe());
                self.held.push(Held { permit, turns });
            }
            (State::HalfOpen, Ok(permit)) => {
                assert!(room, "a probe beyond the places for probes");
                assert!(permit.is_probe());
                self.held.push(Held { permit, turns });
            }
            (State::Open, Err(open)) => {
                let Some(Fact::Opened(at)) = self.last_turn() else { panic!("never opened") };
                assert_eq!(open.retry_after, OPEN_FOR - at.elapsed(), "the time that is left");
            }
            (State::HalfOpen, Err(open)) => {
                assert!(!room, "a free place was refused");
                assert!(!open.retry_after.is_zero());
            }
            (state, answer) => panic!("{answer:?} while {state:?}"),
        }
    }

    /// Ends a call. `None` gives it up.
    fn end(&mut self, which: usize, well: Option<bool>) {
        if self.held.is_empty() {
            return;
        }
        let Held { permit, turns } = self.held.swap_remove(which % self.held.len());
        let (probe, of_this_term) = (permit.is_probe(), turns == self.turns());
        match well {
            None => return drop(permit),
            Some(true) => permit.succeeded(),
            Some(false) => permit.failed(),
        }
        let Some(well) = well.filter(|_| of_this_term) else { return };
        match (probe, well) {
            (true, true) => self.facts.push(Fact::Closed),
            (true, false) => self.facts.push(Fact::Opened(Instant::now())),
            (false, well) => {
                self.facts.push(Fact::Ended { well });
                if self.failures_in_a_row() >= self.options.failures as usize {
                    self.facts.push(Fact::Opened(Instant::now()));
                }
            }
        }
    }

    async fn run(mut self, steps: Vec<Step>) {
        for step in steps {
            match step {
                Step::Admit => self.admit(),
                Step::Succeed(which) => self.end(which, Some(true)),
                Step::Fail(which) => self.end(which, Some(false)),
                Step::Drop(which) => self.end(which, None),
                Step::Advance(time) => tokio::time::advance(time).await,
            }
            assert_eq!(self.breaker.state(), self.expected());
            assert!(self.probes() <= self.options.probes as usize);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_calls_is_as_the_story_says(
        failures in 1_u32..6,
        probes in 1_u32..4,
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let options = Options { failures, open_for: OPEN_FOR, probes };
        runtime.block_on(async { Story::new(options).run(steps).await });
    }
}
