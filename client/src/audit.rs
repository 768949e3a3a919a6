//! Calls about the audit log.

use ecs_domain::{Timestamp, UserId};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use crate::chain::ChainPiece;
use crate::transport::{Auth, path};
use crate::{CallError, Client};

/// An entry as it was digested.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SealedEntry {
    /// Its number.
    pub number: u64,
    /// When, in microseconds since 1970.
    pub at: i64,
    /// Who did it.
    pub actor: Uuid,
    /// What was done.
    pub act: String,
    /// To whom or what.
    pub subject: String,
    /// What was before, as JSON.
    pub before: String,
    /// What came of it, as JSON.
    pub after: String,
}

/// An entry as people read it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct AuditEntry {
    /// Its number.
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// Who did it.
    pub actor: UserId,
    /// What was done.
    pub act: String,
    /// To whom or what.
    pub subject: String,
    /// What was before.
    pub before: Value,
    /// What came of it.
    pub after: Value,
}

#[derive(Deserialize)]
struct Page {
    items: Vec<AuditEntry>,
}

impl Client {
    /// Some batches of the audit log from this number on; none when there is nothing more.
    pub async fn audit_batches(&self, from: u64) -> Result<ChainPiece<SealedEntry>, CallError> {
        self.get(path(format!("/v1/audit/batches?from={from}"))?, Auth::Token).await
    }

    /// The newest entries of the audit log.
    pub async fn audit_entries(&self, limit: usize) -> Result<Vec<AuditEntry>, CallError> {
        let path = path(format!("/v1/audit/entries?limit={limit}"))?;
        let Page { items } = self.get(path, Auth::Token).await?;
        Ok(items)
    }
}
