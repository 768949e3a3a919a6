//! The words of the platform: ids, money, emotion events, transactions, features, the
//! scorecard and other models, credit policy, offers, decisions, consent, permissions, and the watch over decisions.
//!
//! Everything here is pure: no I/O, no async, no clock and no randomness of its own. The time and
//! new ids are passed in, so nothing here can fail for a reason that its arguments don't show.
//! Only values with one canonical text (ids, money, rates) know serde; events, offers and decisions
//! are turned into wire formats at the edges that speak them.

pub mod anonymity;
pub mod attributes;
pub mod backtest;
pub mod catalogue;
pub mod clock;
pub mod consent;
pub mod dead_letter;
pub mod decision;
pub mod email;
pub mod emotion;
pub mod evaluation;
pub mod features;
pub mod ids;
pub mod measures;
pub mod model;
pub mod money;
pub mod month;
pub mod notification;
pub mod offer;
pub mod permission;
pub mod policy;
pub mod reason;
mod redacted;
pub mod review;
pub mod scorecard;
pub mod tombstone;
pub mod transaction;
pub mod user;
pub mod violation;
pub mod watch;
mod wilson;

pub use clock::{Clock, Day, Timestamp, utc_day};
pub use email::Email;
pub use ids::{
    BacktestId, DecisionId, EvaluationId, EventId, ExportId, NotificationId, OfferId, ReviewId,
    TransactionId, UserId, WebhookId,
};
pub use money::{Money, Rate};
pub use month::Month;
pub use tombstone::Tombstone;
pub use violation::{Violation, Violations};
