//! `credit.evaluations.requested`.

use ecs_domain::{EvaluationId, EventId, Timestamp, UserId};
use serde::{Deserialize, Serialize};

use super::{PayloadError, WireTime, read, write};
use crate::{Event, Headers, Subject};

/// Somebody who is to be evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EvaluationRequest {
    /// Which evaluation.
    pub evaluation: EvaluationId,
    /// Whom.
    pub user: UserId,
    /// When something about them was seen to have changed.
    pub requested_at: Timestamp,
}

/// `{evaluationId, userId, requestedAt}`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EvaluationPayload {
    evaluation_id: EvaluationId,
    user_id: UserId,
    requested_at: WireTime,
}

impl EvaluationPayload {
    /// The bus event that carries a request; the evaluation's id serves as the event's.
    #[must_use]
    pub fn event(request: &EvaluationRequest, headers: Headers) -> Event {
        let payload = write(&Self {
            evaluation_id: request.evaluation,
            user_id: request.user,
            requested_at: request.requested_at,
        });
        let id = EventId::new(request.evaluation.uuid());
        Event { id, subject: Subject::Evaluations, key: request.user, payload, headers }
    }

    /// The request that a bus event carries.
    pub fn decode(event: &Event) -> Result<EvaluationRequest, PayloadError> {
        let payload: Self = read(event)?;
        Ok(EvaluationRequest {
            evaluation: payload.evaluation_id,
            user: payload.user_id,
            requested_at: payload.requested_at,
        })
    }
}
