//! Makes a decision, unless one stands.

use std::time::Duration;

use ecs_domain::catalogue::Catalogue;
use ecs_domain::decision::{Decision, Denial, Outcome};
use ecs_domain::features::Features;
use ecs_domain::offer::{Offer, OfferStatus, Terms};
use ecs_domain::policy::Facts;
use ecs_domain::scorecard::Assessment;
use ecs_domain::{DecisionId, OfferId, Timestamp, UserId};
use ecs_store::{KeptAnswer, NewDecision, Recorded};
use ecs_web::handles::HandleError;
use ecs_web::idempotency::Answer;
use ecs_web::{Problem, RequestContext};
use uuid::Uuid;

use super::view::DecisionView;
use super::{Asked, STANDS_FOR, answer, standing_since};
use crate::keyed::Turn;
use crate::state::State;
use crate::{features, problems};

/// How long an offer can be accepted.
const OFFER_VALID_FOR: Duration = Duration::from_secs(7 * 24 * 60 * 60);

const MODEL: &str = "credit-analysis";

/// A decision, and the answer to the request that made it.
pub(super) struct Decided {
    pub(super) view: DecisionView,
    /// `None` for a decision that was there before.
    pub(super) made: Option<Answer>,
}

/// The decision that stands in the store, or a new one, recorded there. Of two callers at once one makes it, and both
/// get it.
pub(super) async fn decide(
    state: &State,
    user: UserId,
    request: &Asked,
    turn: Turn,
) -> Result<Decided, Problem> {
    let now = state.now();
    let standing = state.store.standing_decision(user, standing_since(now)).await;
    if let Some(decision) = standing.map_err(problems::of_store)? {
        return Ok(Decided { view: decision.into(), made: None });
    }
    let decision = make(state, user, &request.context, now).await?;
    let answer = answer::to_new(user, decision.clone().into(), request.locale)?;
    let new = NewDecision { decision, stands_for: STANDS_FOR };
    let recording = record(state.clone(), user, new, turn.keeping(&answer));
    let Recorded { decision, repeated } = state.finisher.finish(recording).await?;
    Ok(Decided { view: decision.into(), made: Some(answer).filter(|_| !repeated) })
}

/// Keeps the decision, and counts it when it is new.
async fn record(
    state: State,
    user: UserId,
    new: NewDecision,
    answer: Option<KeptAnswer>,
) -> Result<Recorded, Problem> {
    let recorded = state.store.record_decision(new, answer).await.map_err(problems::of_store)?;
    if !recorded.repeated {
        tracing::info!(user_id = %user, decision_id = %recorded.decision.id, "credit decision made");
        state.metrics.decided(recorded.decision.outcome.as_str());
    }
    Ok(recorded)
}

async fn make(
    state: &State,
    user: UserId,
    context: &RequestContext,
    now: Timestamp,
) -> Result<Decision, Problem> {
    let features = features::allowed(state, user, now).await?;
    let assessment = assess(state, &features, context).await?;
    Ok(Decision {
        id: DecisionId::new(Uuid::now_v7()),
        user,
        decided_at: now,
        features,
        outcome: outcome(state.policy.terms_for(assessment.risk_score), &assessment, user, now),
        approved_without_emotions: assessment
            .without_emotions
            .as_ref()
            .map(|second| state.policy.terms_for(second.risk_score).is_some()),
        assessment,
        facts: Facts::NONE,
        policy_version: state.policy.version.clone(),
        policy_digest: state.policy.digest.clone(),
        catalogue_version: Catalogue::newest(),
    })
}

async fn assess(state: &State, features: &Features, context: &RequestContext) -> Result<Assessment, Problem> {
    let assessment = state.credit_analysis.assess(features, context).await?;
    if assessment.makes_sense() {
        return Ok(assessment);
    }
    let reason = "its assessment makes no sense".to_owned();
    Err(HandleError::Failed { role: MODEL, reason }.into())
}

fn outcome(terms: Option<Terms>, assessment: &Assessment, user: UserId, now: Timestamp) -> Outcome {
    let Some(terms) = terms else { return Outcome::Denied(Denial::for_risk(assessment)) };
    Outcome::Approved(new_offer(user, terms, now))
}

/// An offer of these terms, which can be accepted for a week.
pub(crate) fn new_offer(user: UserId, terms: Terms, now: Timestamp) -> Offer {
    Offer {
        id: OfferId::new(Uuid::now_v7()),
        user,
        status: OfferStatus::Offered,
        terms,
        created_at: now,
        expires_at: now.saturating_add(OFFER_VALID_FOR).unwrap_or(Timestamp::MAX),
        accepted_at: None,
        activated_at: None,
    }
}
