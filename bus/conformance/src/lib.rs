//! One test per behaviour of the bus contract, stamped over every transport.
//!
//! A transport implements [`Harness`] in its tests and writes `ecs_bus_conformance::conformance!(ItsHarness);`. Nothing
//! here sleeps for a fixed time: a test waits for what it wants to see and fails at a deadline.
#![expect(clippy::unwrap_used, reason = "this is a kit for tests: a surprise ends the test that meets it")]

pub mod dead_letters;
pub mod delivery;
pub mod durability;
pub mod groups;
pub mod kit;
pub mod log;
pub mod pressure;
pub mod recording;

use std::sync::Arc;

use async_trait::async_trait;
use ecs_bus::Bus;
#[doc(hidden)]
pub use ecs_conformance;

pub use recording::Recording;

/// A transport under test.
#[async_trait]
pub trait Harness: Send + Sized {
    /// What the report calls it.
    const NAME: &'static str;

    /// Why this transport can't be had on this machine, for example because its server isn't installed. Every behaviour then says
    /// aloud that it did not run.
    fn unavailable() -> Option<String> {
        None
    }

    /// A bus with nothing on it. Its clock is the system's.
    async fn start(settings: Settings) -> Self;

    /// The bus that is open now. A test lets go of it before it ends the bus.
    fn bus(&self) -> Arc<dyn Bus>;

    /// Closes the bus and opens it again.
    async fn restart(self) -> Self;

    /// Ends the bus without a word, as near to a crash as one process can get, and opens it again.
    async fn crash(self) -> Self;
}

/// How the bus under test is set up.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// How many events may wait to be made durable.
    pub window_events: usize,
    /// The largest payload in bytes.
    pub max_payload: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { window_events: 10_000, max_payload: 64 << 10 }
    }
}

/// Stamps every behaviour as a test of its own over the harness.
#[macro_export]
macro_rules! conformance {
    ($harness:ty) => {
        $crate::ecs_conformance::stamp! { $crate, "bus", $harness;
            durability:
                what_was_published_survives_an_orderly_end,
                what_was_published_survives_an_abrupt_end,
                what_was_settled_stays_settled_over_an_orderly_end,
                what_was_not_settled_is_delivered_again_after_an_abrupt_end,
                attempts_and_history_survive_an_abrupt_end,
                closing_finishes_what_was_taken,
                a_closed_bus_says_so;
            delivery:
                a_retry_comes_after_its_delay_and_is_counted,
                a_waiting_member_gets_what_a_late_one_gets,
                a_waiting_retry_does_not_hold_up_what_follows,
                a_lease_that_ran_out_goes_to_the_group_again,
                a_dropped_subscription_hands_back_at_once,
                a_dropped_next_loses_nothing,
                a_batch_is_never_larger_than_asked_for,
                a_delivery_is_settled_once,
                duplicates_have_one_effect;
            groups:
                members_of_a_group_compete,
                groups_are_independent,
                a_new_group_starts_at_the_oldest_event,
                subjects_are_independent;
            dead_letters:
                poison_is_kept_with_its_history_and_harms_nobody,
                the_delivery_limit_ends_in_a_dead_letter,
                a_sink_that_fails_keeps_the_event_on_the_bus;
            pressure:
                a_full_window_refuses_and_writes_nothing,
                an_event_that_is_too_large_fails_alone,
                a_need_that_is_not_met_is_refused_by_name;
            log:
                the_log_is_read_in_pages,
                forgetting_takes_the_oldest_and_says_until_when,
                positions_rise_even_when_everything_was_forgotten,
                the_backlog_counts_what_is_not_settled;
        }
    };
}
