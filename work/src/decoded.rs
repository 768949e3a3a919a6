//! A batch of which some members may be malformed.

use ecs_bus::payload::PayloadError;
use ecs_bus::{Delivery, Event, Outcome};
use ecs_domain::dead_letter::DeadLetterKind;

/// A batch, split into what could be understood and what never will be.
#[derive(Debug)]
pub struct Decoded<T> {
    items: Vec<T>,
    /// One per delivery: the outcome of those that can't be understood.
    settled: Vec<Option<Outcome>>,
}

impl<T> Decoded<T> {
    /// Decodes each member of a batch.
    #[must_use]
    pub fn of(batch: &[Delivery], decode: impl Fn(&Event) -> Result<T, PayloadError>) -> Self {
        let mut items = Vec::with_capacity(batch.len());
        let settled = batch
            .iter()
            .map(|delivery| match decode(&delivery.event) {
                Ok(item) => {
                    items.push(item);
                    None
                }
                Err(error) => Some(undecodable(&error)),
            })
            .collect();
        Self { items, settled }
    }

    /// What could be understood, in the order of the batch.
    #[must_use]
    pub fn items(&self) -> &[T] {
        &self.items
    }

    /// The outcomes of the whole batch, given those of [`Self::items`]. An item without one is acknowledged by nobody:
    /// the result is then shorter than the batch, which the consumer loop takes for a failure.
    #[must_use]
    pub fn outcomes(self, of_items: impl IntoIterator<Item = Outcome>) -> Vec<Outcome> {
        let mut of_items = of_items.into_iter();
        self.settled.into_iter().map_while(|settled| settled.or_else(|| of_items.next())).collect()
    }
}

/// The outcome for an event that can't be understood.
#[must_use]
pub fn undecodable(error: &PayloadError) -> Outcome {
    let advice = match error {
        PayloadError::UnknownVersion(_) => "update the platform, then replay the event",
        PayloadError::Malformed(_) => "it never will be understood: have its publisher mended, and drop it",
    };
    Outcome::DeadLetter { kind: DeadLetterKind::Undecodable, reason: format!("{error}; {advice}") }
}

/// The reason of a dead letter whose user has no account.
pub const UNKNOWN_USER: &str = "no account has this user id; replay the event if there is one by now, else have its \
                                sender use the right id, and drop it";

/// The outcome for an event whose user has no account.
#[must_use]
pub fn unknown_user() -> Outcome {
    Outcome::DeadLetter { kind: DeadLetterKind::UnknownUser, reason: UNKNOWN_USER.to_owned() }
}
