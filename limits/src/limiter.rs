//! The contract.

use ecs_domain::Timestamp;

use crate::{Decision, Key, Quota};

/// Counts cells under keys.
///
/// What a limiter MUST do:
/// - **Answer at once.** It never waits: not for a server, and for a lock only while another call does its arithmetic.
/// - **Never open.** Whatever fails behind it, a key gets no more than its quota and a bound that the limiter states.
/// - **Never close.** Whatever fails behind it, a key that has taken nothing for long gets at least one cell.
/// - **Take all or nothing.** Refused cells cost nothing: who asks too often waits no longer for it.
/// - **Be bounded** in memory, however many keys it meets.
///
/// A key always comes with the same quota; which one it is belongs into the key.
pub trait Limiter: Send + Sync + 'static {
    /// Takes so many cells, if they fit. More than the quota's burst never do, and none always do.
    fn check(&self, key: &Key, quota: &Quota, cells: u32, now: Timestamp) -> Decision;

    /// Gives cells back that were taken and not used after all.
    fn give_back(&self, key: &Key, quota: &Quota, cells: u32, now: Timestamp);
}
