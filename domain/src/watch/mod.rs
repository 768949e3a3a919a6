//! The watch over decisions: whether what they look at has drifted, and whether groups are approved alike.
//!
//! **Drift** compares the decisions of a window with those of the days before it, for the score and for each feature by itself: the
//! population stability index of the two ([`Stability`]). An index is a random number, too: without any drift it is about
//! (1/n + 1/m) × χ² with one degree of freedom less than there are bins (B. Yurdakul, Statistical properties of population stability
//! index, 2018). So a drift is told only where the index is large by the usual thresholds and beyond chance at a stated level.
//!
//! **Approval** compares the share of people who were approved between groups ([`Approvals`]), with intervals that say how much of it
//! is chance.
//!
//! Everything here is arithmetic over counts; who counts, and what, is the business of others.

mod approvals;
mod chi_square;
mod histogram;
mod measure;
mod stability;

#[cfg(test)]
mod tests;

pub use approvals::{Approvals, FOUR_FIFTHS, Finding, GroupShare, Interval, LEAST_PEOPLE, Tally};
pub use histogram::Histogram;
pub use measure::{BINS, MISSING, Measure};
pub use stability::{Level, MAJOR, MODERATE, QUANTILES, Share, Stability, Standing, Verdict};
