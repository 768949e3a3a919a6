//! Ids as types of their own, so that an offer's id can't be handed in where a user's is wanted.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Wraps a UUID. Ids made by the server are UUIDv7, so they sort by time.
            #[must_use]
            pub const fn new(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The UUID itself.
            #[must_use]
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }
    };
}

id! {
    /// A customer or operator.
    UserId
}
id! {
    /// An event on the bus. For emotion events and transactions it is also the event's id in answers and tables.
    EventId
}
id! {
    /// A transaction; the same UUID as the [`EventId`] that carried it.
    TransactionId
}
id! {
    /// A credit offer, and the row of `credit_limits` that it becomes.
    OfferId
}
id! {
    /// A stored credit decision, approved or denied.
    DecisionId
}
id! {
    /// An evaluation that nobody asked for.
    EvaluationId
}
id! {
    /// A notification.
    NotificationId
}
id! {
    /// An address of a customer's that notifications are sent to.
    WebhookId
}
id! {
    /// An archive of what is held on a person, from the moment when it is asked for.
    ExportId
}
id! {
    /// A backtest of a policy.
    BacktestId
}
id! {
    /// The review of a decision by a person.
    ReviewId
}

impl EventId {
    /// The id of an event whose sender named it: UUIDv5 of the sender's name for it, within its user.
    /// Two users may use the same client id; one user repeating one means the same event.
    #[must_use]
    pub fn derive(user: UserId, client_id: &str) -> Self {
        Self(Uuid::new_v5(&user.uuid(), client_id.as_bytes()))
    }
}

impl From<EventId> for TransactionId {
    fn from(id: EventId) -> Self {
        Self(id.0)
    }
}

impl From<TransactionId> for EventId {
    fn from(id: TransactionId) -> Self {
        Self(id.0)
    }
}

impl NotificationId {
    /// The notification that an offer was activated: one offer, one id, however often it is made.
    #[must_use]
    pub fn of_activation(offer: OfferId) -> Self {
        Self(Uuid::new_v5(&offer.uuid(), b"CREDIT_LIMIT_APPLIED"))
    }

    /// The notification that an offer was made which nobody asked for.
    #[must_use]
    pub fn of_pre_approval(offer: OfferId) -> Self {
        Self(Uuid::new_v5(&offer.uuid(), b"CREDIT_PRE_APPROVED"))
    }

    /// The notification that a review was concluded: one review, one id.
    #[must_use]
    pub fn of_conclusion(review: ReviewId) -> Self {
        Self(Uuid::new_v5(&review.uuid(), b"REVIEW_CONCLUDED"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_id_is_scoped_to_its_user() {
        let [ana, bia] = [1, 2].map(|n| UserId::new(Uuid::from_u128(n)));
        assert_eq!(EventId::derive(ana, "42"), EventId::derive(ana, "42"));
        assert_ne!(EventId::derive(ana, "42"), EventId::derive(bia, "42"));
        assert_ne!(EventId::derive(ana, "42"), EventId::derive(ana, "43"));
        assert_eq!(EventId::derive(ana, "42").uuid().get_version_num(), 5);
    }
}
