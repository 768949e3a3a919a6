//! What is done together for callers of the same time: what a decision reads and writes.

use std::sync::Arc;

use crate::consents::Consented;
use crate::credit::{FactsAt, Recording, Standing};
use crate::engine::{Grouped, Primary};
use crate::folds::Featured;

/// One queue of each kind.
pub(crate) struct Groups {
    pub(crate) consented: Grouped<Consented>,
    pub(crate) featured: Grouped<Featured>,
    pub(crate) standing: Grouped<Standing>,
    pub(crate) facts: Grouped<FactsAt>,
    pub(crate) recording: Grouped<Recording>,
}

impl Groups {
    pub(crate) fn new(primary: &Arc<Primary>) -> Self {
        let primary = || Arc::clone(primary);
        Self {
            consented: Grouped::new(Consented(primary())),
            featured: Grouped::new(Featured(primary())),
            standing: Grouped::new(Standing(primary())),
            facts: Grouped::new(FactsAt(primary())),
            recording: Grouped::new(Recording(primary())),
        }
    }
}
