//! What is done together for callers of the same time: what a decision reads and writes.

use std::sync::Arc;

use crate::credit::{Applicants, Recording};
use crate::engine::{Grouped, Primary};

/// One queue of each kind.
pub(crate) struct Groups {
    pub(crate) applicants: Grouped<Applicants>,
    pub(crate) recording: Grouped<Recording>,
}

impl Groups {
    pub(crate) fn new(primary: &Arc<Primary>) -> Self {
        Self {
            applicants: Grouped::new(Applicants(Arc::clone(primary))),
            recording: Grouped::new(Recording(Arc::clone(primary))),
        }
    }
}
