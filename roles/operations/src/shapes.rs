//! What the books look like, for the document: the report itself belongs to [`ecs_work::books`], which knows no OpenAPI.
//! The document's tests hold real answers against these shapes.
#![expect(dead_code, reason = "fields that only the document reads")]

use ecs_web::openapi::{Day, Id, Instant};
use utoipa::ToSchema;

/// The books at one moment.
#[derive(ToSchema)]
#[schema(as = Books, rename_all = "camelCase", examples(json!({
    "balances": true, "complaints": [], "at": "2026-11-20T14:30:00Z",
    "emotions": {
        "accepted": 40, "counted": 38, "discarded": 0, "deadLettered": 1, "erased": 0, "pending": 1, "missing": 0,
        "missingExamples": [], "neverAccepted": 0, "neverAcceptedExamples": [], "inAggregates": 38, "named": 38,
        "summaryMismatches": []
    },
    "transactions": {
        "accepted": 10, "counted": 10, "discarded": 0, "deadLettered": 0, "erased": 0, "pending": 0, "missing": 0,
        "missingExamples": [], "neverAccepted": 0, "neverAcceptedExamples": [], "inAggregates": 10, "named": 10,
        "summaryMismatches": []
    },
    "offers": {
        "accepted": 1, "pending": 0, "deadLettered": 0, "active": 1, "notified": 1, "outbox": 0, "stuck": 0,
        "lostNotifications": []
    }
})))]
pub(crate) struct BooksShape {
    /// Whether everything adds up.
    balances: bool,
    /// What is off, a sentence each.
    complaints: Vec<String>,
    /// The moment.
    #[schema(value_type = Instant)]
    at: (),
    /// Emotion events.
    emotions: LedgerShape,
    /// Transactions.
    transactions: LedgerShape,
    /// Offers, activations and notifications.
    offers: OffersShape,
}

/// The books of one ledger, in distinct events.
#[derive(ToSchema)]
#[schema(as = LedgerBooks, rename_all = "camelCase")]
struct LedgerShape {
    /// In the bus's log.
    accepted: u64,
    /// Of those: in the aggregates.
    counted: u64,
    /// Of those: discarded for lack of consent.
    discarded: u64,
    /// Of those: given up, and not on their way again.
    dead_lettered: u64,
    /// Of those: gone with whoever they were about.
    erased: u64,
    /// Of those: waiting, in flight, due for a retry, or replayed.
    pending: u64,
    /// Of those: settled, and yet unknown to the store. They are lost.
    missing: u64,
    /// Some of the missing ones.
    missing_examples: Vec<KeyShape>,
    /// Counted, though the log, which should remember them, has never heard of them.
    never_accepted: u64,
    /// Some of those.
    never_accepted_examples: Vec<KeyShape>,
    /// Events in the aggregates by the aggregates' own count, since the beginning.
    in_aggregates: u64,
    /// Counted events that the store still names one by one.
    named: u64,
    /// Summaries that don't say what their rows add up to.
    summary_mismatches: Vec<MismatchShape>,
}

/// What makes two events the same.
#[derive(ToSchema)]
#[schema(as = BooksKey, rename_all = "camelCase")]
struct KeyShape {
    /// Whose it is.
    #[schema(value_type = Id)]
    user_id: (),
    /// Its id.
    #[schema(value_type = Id)]
    event_id: (),
    /// The UTC day in its payload.
    #[schema(value_type = Day)]
    day: (),
}

/// A summary that is off.
#[derive(ToSchema)]
#[schema(as = SummaryMismatch, rename_all = "camelCase")]
struct MismatchShape {
    /// Whose.
    #[schema(value_type = Id)]
    user_id: (),
    /// Which UTC day.
    #[schema(value_type = Day)]
    day: (),
    /// How many events the day's rows and ids name.
    named: u64,
    /// How many the summary counts.
    summarised: u64,
}

/// The books of the offers.
#[derive(ToSchema)]
#[schema(as = OfferBooks, rename_all = "camelCase")]
struct OffersShape {
    /// Ever accepted.
    accepted: u64,
    /// Accepted and waiting for their activation.
    pending: u64,
    /// Of those: the ones whose activation is a dead letter.
    dead_lettered: u64,
    /// Active.
    active: u64,
    /// Active, and their customers have the notification.
    notified: u64,
    /// Events that wait in the outbox.
    outbox: u64,
    /// Pending offers that nothing will activate.
    stuck: u64,
    /// Active offers whose notification is nowhere, at most 100.
    #[schema(value_type = Vec<Id>)]
    lost_notifications: (),
}
