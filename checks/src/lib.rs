//! Models of what runs concurrently: small state machines that are explored exhaustively, with every crash, repetition
//! and jump of the clock at every place.
//!
//! A model by itself proves little about code, so each is used twice. `tests/` has stateright visit every state that the
//! model can reach, and then holds the same model against the real code over sequences that proptest makes. Each
//! model also takes a planted fault, and a test shows that the exploration finds it: a check that can't fail says nothing.

pub mod group_commit;
pub mod offers;
pub mod outbox;

use std::fmt::Debug;
use std::hash::Hash;

use stateright::{Checker, HasDiscoveries, Model};

/// Visits every state that a model can reach, and hands out what was found.
pub fn explore<M>(model: M) -> impl Checker<M>
where
    M: Model + Send + Sync + 'static,
    M::State: Clone + Hash + PartialEq + Debug + Send + Sync + 'static,
    M::Action: Clone + PartialEq + Debug + Send + Sync,
{
    model.checker().spawn_bfs().join()
}

/// Whether a model can break a property that it has to keep, by the shortest way.
pub fn breaks<M>(model: M, property: &'static str) -> bool
where
    M: Model + Send + Sync + 'static,
    M::State: Clone + Hash + PartialEq + Debug + Send + Sync + 'static,
    M::Action: Clone + PartialEq + Debug + Send + Sync,
{
    let first = HasDiscoveries::AnyOf([property].into());
    model.checker().finish_when(first).spawn_bfs().join().discovery(property).is_some()
}
