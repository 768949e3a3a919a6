//! The contract of the store: what every engine MUST do, and what its users may count on.
//!
//! One trait per resource, together the [`Store`]. [`ecs-store-conformance`] stamps one test per behaviour over every
//! engine. Promises that hold for all of it:
//! - **Durable at return.** A write whose result is `Ok` is flushed to disk and survives every crash.
//! - **All or nothing.** Each call is one transaction; a batch whose call fails has left no trace.
//! - **The clock is passed in.** No engine looks at its own.
//!
//! [`ecs-store-conformance`]: ../ecs_store_conformance/index.html

mod ageing;
mod attributes;
pub mod audit;
mod backtests;
mod books;
pub mod chain;
mod consents;
mod credit;
mod dead_letters;
mod decision_copy;
pub mod decision_log;
mod decision_record;
pub mod decision_text;
mod erasures;
mod error;
mod evaluations;
mod exports;
mod folds;
mod idempotency;
mod maintenance;
mod notifications;
mod outbox;
mod own_decisions;
pub mod personal_data;
mod policies;
mod replays;
mod research;
pub mod reviews;
mod rights;
pub mod sealed;
mod sessions;
mod users;
pub mod watch;
mod webhooks;
mod withheld;

pub use ageing::{Aged, Ageing, Due};
pub use attributes::{
    AttributesOfUsers, PURPOSE as ATTRIBUTES_PURPOSE, StoredAttributes, attributes_text, open_attributes,
    parse_attributes,
};
pub use backtests::{BacktestEnd, BacktestHold, BacktestRow, BacktestState, Backtests, NewBacktest};
pub use books::{Books, CountedPage, EventKey, Fate, Ledger, LedgerTotals, OfferBooks, SummaryMismatch};
pub use consents::Consents;
pub use credit::{
    AcceptResult, ActivateResult, Applicant, Credit, NewDecision, OfferPage, PageRequest, Recorded,
};
pub use dead_letters::{DeadLetterRow, DeadLetters, FullLetter, Letter, LetterCount, LetterFilter, LetterId};
pub use decision_copy::{decision_text, parse_decision};
pub use decision_record::{DecisionRow, PlainDecision, SealedDecision, denied_since};
pub use erasures::{Erased, Erasure, ErasureAsked, ErasureDue, ErasureRequest, Erasures, Reached};
pub use error::StoreError;
pub use evaluations::{Concluded, Evaluated, Evaluations, LookEnd, LookedAt};
pub use exports::{
    CHUNK_BYTES, Export, ExportEnd, ExportHold, ExportState, Exports, NewExport, Progress, RequestedExport,
};
pub use folds::{EmotionRules, FeatureSource, Folded, Folds};
pub use idempotency::{Begun, Claim, Fingerprint, Idempotency, KeptAnswer, StoredAnswer};
pub use maintenance::{Maintenance, Retained, Retention, Swept};
pub use notifications::{MarkedRead, NotificationPage, Notifications, StoredNotification};
pub use outbox::{Outbox, OutboxMessage, OutboxRow};
pub use own_decisions::{DecisionPage, OwnDecisions};
pub use personal_data::PersonalData;
pub use policies::{
    Compared, POLICY_LEAD, PolicyChange, PolicyChanged, PolicyDraft, PolicyPage, PolicyRefusal, PolicyState,
    PolicyVersion, PolicyVersions, ScheduledPolicy,
};
pub use replays::{LogReplayPlan, LoggedEvents, Replay, ReplayDays, ReplayPhase, ReplayPlan, Replays};
pub use research::{Research, ResearchPage, Studied};
pub use reviews::{
    NewReview, ReviewBacklog, ReviewChange, ReviewPage, ReviewRequested, ReviewRow, Reviews, Verdict,
};
pub use rights::{Change, Changes, Rights, RightsChange, RightsChanged, RightsOfUsers, next_change};
pub use sessions::{
    NewSession, PasswordChange, Refresh, Refreshed, SessionChange, Sessions, StandingSession,
};
pub use users::{Credentials, NewUser, Provision, Provisioned, Users};
pub use webhooks::{
    ATTEMPTS_KEPT, AddedWebhook, Attempt, DeliveryClaim, DeliveryFate, DeliveryPage, DeliveryState,
    DisabledBy, DueDelivery, NewWebhook, Resent, SealedSecrets, Settled, Settlement, Webhook, WebhookAddress,
    WebhookChange, WebhookDelivery, WebhookRotation, Webhooks,
};
pub use withheld::Withheld;

use std::time::Duration;

use ecs_domain::consent::Purpose;

/// What whoever is evaluated without asking has said yes to. The SQL that notes changes has its name in it.
pub const EVALUATION_PURPOSE: Purpose = Purpose::PreApproval;
/// How far off a look can be.
pub const FARTHEST_LOOK: Duration = Duration::from_secs(25 * 60 * 60);

/// A store: everything the roles keep.
pub trait Store:
    Users
    + Sessions
    + RightsOfUsers
    + audit::Audit
    + Consents
    + Erasures
    + AttributesOfUsers
    + Research
    + Folds
    + Credit
    + Evaluations
    + decision_log::DecisionLog
    + watch::Watch
    + PolicyVersions
    + Backtests
    + OwnDecisions
    + Reviews
    + Idempotency
    + Outbox
    + Notifications
    + Webhooks
    + Exports
    + PersonalData
    + DeadLetters
    + Books
    + Maintenance
    + Ageing
    + Replays
{
}

impl<T> Store for T where
    T: Users
        + Sessions
        + RightsOfUsers
        + audit::Audit
        + Consents
        + Erasures
        + AttributesOfUsers
        + Research
        + Folds
        + Credit
        + Evaluations
        + decision_log::DecisionLog
        + watch::Watch
        + PolicyVersions
        + Backtests
        + OwnDecisions
        + Reviews
        + Idempotency
        + Outbox
        + Notifications
        + Webhooks
        + Exports
        + PersonalData
        + DeadLetters
        + Books
        + Maintenance
        + Ageing
        + Replays
{
}
