//! How far a bridge has come, for whoever watches it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use ecs_bus::Subject;
use ecs_domain::EventId;
use serde::Serialize;

/// How many refused events are named of each subject; the others are counted.
const NAMED: usize = 1_000;

/// The progress of all subjects.
#[derive(Debug)]
pub struct Progress(Vec<OfSubject>);

/// The progress of one subject.
#[derive(Debug)]
pub(super) struct OfSubject {
    pub(super) subject: Subject,
    state: Mutex<SubjectProgress>,
}

/// How far one subject is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SubjectProgress {
    /// Which subject.
    pub subject: &'static str,
    /// How many events were left when the bridge began; `None` until it has looked.
    pub at_start: Option<u64>,
    /// How many it has copied and settled. One that was delivered again is counted again.
    pub copied: u64,
    /// How many it has left out, because their people were erased.
    pub erased: u64,
    /// How many were left when it last looked, the refused ones included.
    pub left: u64,
    /// How many events the other bus refuses for good. They stay unsettled.
    pub refused: u64,
    /// Which those are, at most 1,000.
    pub refusals: Vec<Refusal>,
    /// What it waits for, if it can't go on.
    pub trouble: Option<String>,
    /// Whether everything is copied that was there at the start.
    pub caught_up: bool,
}

/// An event that the other bus will never take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// Its id.
    pub event_id: EventId,
    /// Why, in words.
    pub reason: String,
}

impl Progress {
    /// For a bridge that copies these subjects.
    #[must_use]
    pub fn new(subjects: &[Subject]) -> Self {
        let of = |subject: &Subject| OfSubject {
            subject: *subject,
            state: Mutex::new(SubjectProgress {
                subject: subject.as_str(),
                at_start: None,
                copied: 0,
                erased: 0,
                left: 0,
                refused: 0,
                refusals: Vec::new(),
                trouble: None,
                caught_up: false,
            }),
        };
        Self(subjects.iter().map(of).collect())
    }

    /// How far each subject is.
    #[must_use]
    pub fn now(&self) -> Vec<SubjectProgress> {
        self.0.iter().map(|of| of.lock().clone()).collect()
    }

    pub(super) fn subjects(&self) -> impl Iterator<Item = &OfSubject> {
        self.0.iter()
    }
}

impl OfSubject {
    pub(super) fn lock(&self) -> MutexGuard<'_, SubjectProgress> {
        // Nothing that holds it can panic half way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn settled(&self, copied: u64, erased: u64) {
        let mut state = self.lock();
        state.copied += copied;
        state.erased += erased;
        state.left = state.left.saturating_sub(copied + erased);
        state.trouble = None;
    }

    /// Notes an event that is refused for the first time.
    pub(super) fn refused(&self, event_id: EventId, reason: String) {
        let mut state = self.lock();
        state.refused += 1;
        if state.refusals.len() < NAMED {
            state.refusals.push(Refusal { event_id, reason });
        }
    }

    pub(super) fn trouble(&self, text: String) {
        self.lock().trouble = Some(text);
    }
}
