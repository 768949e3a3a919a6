//! Makes a decision, unless one stands.

use std::time::Duration;

use ecs_domain::catalogue::Catalogue;
use ecs_domain::decision::{Decision, Outcome};
use ecs_domain::features::Features;
use ecs_domain::offer::{Offer, OfferStatus, Terms};
use ecs_domain::policy::Verdict;
use ecs_domain::scorecard::Assessment;
use ecs_domain::{DecisionId, OfferId, Timestamp, UserId};
use ecs_store::{Applicant, KeptAnswer, NewDecision, Recorded, StoreError};
use ecs_web::handles::HandleError;
use ecs_web::idempotency::Answer;
use ecs_web::{Problem, RequestContext};
use http::StatusCode;
use uuid::Uuid;

use super::standing::Standing;
use super::{Asked, STANDS_FOR, answer, standing_since};
use crate::keyed::Turn;
use crate::state::State;
use crate::{features, problems, users};

/// How often it is decided anew because somebody's facts changed meanwhile. Each time there is either a decision that stands or an
/// offer that has just expired.
const TRIES: u32 = 3;

/// How long an offer can be accepted.
const OFFER_VALID_FOR: Duration = Duration::from_secs(7 * 24 * 60 * 60);
const _: () = assert!(OFFER_VALID_FOR.as_secs() > STANDS_FOR.as_secs(), "what is cached of an offer holds");

const MODEL: &str = "credit-analysis";

/// A decision, and the answer to the request that made it.
pub(super) struct Decided {
    pub(super) standing: Standing,
    /// `None` for a decision that was there before.
    pub(super) made: Option<Answer>,
}

/// The decision that stands in the store, or a new one, recorded there. Of two callers at once one makes it, and both
/// get it. One whose facts changed before it was recorded is made anew.
pub(super) async fn decide(
    state: &State,
    user: UserId,
    request: &Asked,
    turn: Turn,
) -> Result<Decided, Problem> {
    for _ in 1..TRIES {
        if let Some(decided) = try_to_decide(state, user, request, turn.clone()).await? {
            return Ok(decided);
        }
    }
    let decided = try_to_decide(state, user, request, turn).await?;
    decided.ok_or_else(|| problems::of_store(StoreError::Stale))
}

/// `None` when what the decision was made of did not hold any more. Whoever is unknown by now, as after an erasure, hears that rather than
/// what else went wrong.
async fn try_to_decide(
    state: &State,
    user: UserId,
    request: &Asked,
    turn: Turn,
) -> Result<Option<Decided>, Problem> {
    let decided = standing_or_made(state, user, request, turn).await;
    if decided.is_err() {
        users::find(state, user).await?;
    }
    decided
}

async fn standing_or_made(
    state: &State,
    user: UserId,
    request: &Asked,
    turn: Turn,
) -> Result<Option<Decided>, Problem> {
    let now = state.now();
    let mut applicant = applicant(state, user, now).await?;
    if let Some(decision) = applicant.standing.take() {
        let standing = Standing::new(&decision, request.locale, now)?;
        return Ok(Some(Decided { standing, made: None }));
    }
    let decision = make(state, user, applicant, &request.context, now).await?;
    let answer = answer::Answer::new(&decision, request.locale, now);
    let answer = Answer::json(StatusCode::OK, &answer)?.in_language(request.locale);
    let facts = Some(decision.facts);
    let new = NewDecision { decision, stands_for: STANDS_FOR, facts };
    let recording = record(state.clone(), user, new, turn.keeping(&answer));
    let Some(recorded) = state.finisher.finish(recording).await? else { return Ok(None) };
    let Recorded { decision, repeated } = recorded;
    let standing = Standing::new(&decision, request.locale, now)?;
    Ok(Some(Decided { standing, made: Some(answer).filter(|_| !repeated) }))
}

/// Keeps the decision, and counts it when it is new. `None` when what it was made of did not hold any more.
async fn record(
    state: State,
    user: UserId,
    new: NewDecision,
    answer: Option<KeptAnswer>,
) -> Result<Option<Recorded>, Problem> {
    let recorded = match state.store.record_decision(new, answer).await {
        Ok(recorded) => recorded,
        Err(StoreError::Stale) => return Ok(None),
        Err(error) => return Err(problems::of_store(error)),
    };
    if !recorded.repeated {
        tracing::info!(user_id = %user, decision_id = %recorded.decision.id, "credit decision made");
        state.metrics.decided(recorded.decision.outcome.as_str());
    }
    Ok(Some(recorded))
}

/// What a decision about the user at `now` is made of.
pub(crate) async fn applicant(state: &State, user: UserId, now: Timestamp) -> Result<Applicant, Problem> {
    state.store.applicant(user, standing_since(now), now).await.map_err(problems::of_store)
}

/// A new decision, which nobody keeps yet, whatever stands.
pub(crate) async fn make(
    state: &State,
    user: UserId,
    applicant: Applicant,
    context: &RequestContext,
    now: Timestamp,
) -> Result<Decision, Problem> {
    let Applicant { facts, features, consent, standing: _ } = applicant;
    let features = features::of(state, features, consent)?;
    let assessment = assess(state, &features, context).await?;
    let policy = state.policies.at(now).await.map_err(problems::of_policies)?.policy;
    if let Some(model) = policy.stranger(&assessment) {
        return Err(problems::of_a_strange_score(&policy.version, model));
    }
    Ok(Decision {
        id: DecisionId::new(Uuid::now_v7()),
        user,
        decided_at: now,
        outcome: outcome(policy.outcome(&features, &assessment, facts, now), user, now),
        approved_without_emotions: policy.approves_without_emotions(&features, &assessment, facts, now),
        features,
        assessment,
        facts,
        policy_version: policy.version.clone(),
        policy_digest: policy.digest.clone(),
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

fn outcome(verdict: Verdict, user: UserId, now: Timestamp) -> Outcome {
    match verdict {
        Verdict::Approved(terms) => Outcome::Approved(new_offer(user, terms, now)),
        Verdict::Denied(denial) => Outcome::Denied(denial),
    }
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
