//! The audit log: `/v1/audit/entries` for people, `/v1/audit/batches` for whoever checks it.

mod batches;
mod entries;

use ecs_domain::Timestamp;
use ecs_store::audit::Entry;
use ecs_web::openapi::{Id, Instant};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

pub(crate) use self::batches::batches;
pub(crate) use self::entries::entries;
// Documentation stands beside the handlers, and the router looks for it here.
pub(crate) use self::batches::__path_batches;
pub(crate) use self::entries::__path_entries;

/// Who did what to whom.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditEntry)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EntryView {
    /// Its number. Numbers rise, and some are never used.
    number: u64,
    /// When.
    #[schema(value_type = Instant)]
    at: Timestamp,
    /// Who did it: a user, or the operator of the command line, who is all zeros.
    #[schema(value_type = Id)]
    actor: Uuid,
    /// What was done, such as `access.changed`.
    act: String,
    /// To whom or what: a user's id, or `dead-letter 17`.
    subject: String,
    /// What was before; null where there is nothing to say.
    #[schema(required, value_type = Option<Object>)]
    before: Value,
    /// What is now.
    #[schema(required, value_type = Option<Object>)]
    after: Value,
    /// The batch that it is sealed in; null for a second or so.
    #[schema(required)]
    batch: Option<u64>,
}

impl From<Entry> for EntryView {
    fn from(entry: Entry) -> Self {
        let Entry { number, at, actor, act, subject, before, after, batch } = entry;
        let read = |text: &str| serde_json::from_str(text).unwrap_or_else(|_| Value::from(text));
        let at = Timestamp::from_microsecond(at).unwrap_or(Timestamp::MIN);
        Self { number, at, actor, act, subject, before: read(&before), after: read(&after), batch }
    }
}
