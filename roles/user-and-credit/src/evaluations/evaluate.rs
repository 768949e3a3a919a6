//! What is done with a request for an evaluation.

use async_trait::async_trait;
use ecs_bus::payload::{EvaluationPayload, EvaluationRequest, NotificationPayload};
use ecs_bus::{Delivery, Headers, Outcome};
use ecs_domain::UserId;
use ecs_domain::consent::Purpose;
use ecs_domain::decision::Decision;
use ecs_domain::notification::Notification;
use ecs_store::{Concluded, Evaluated, NewDecision};
use ecs_web::{Problem, RequestContext};
use ecs_work::{Failure, Handler, decoded, outbox_message};
use http::StatusCode;

use crate::analysis::{self, STANDS_FOR};
use crate::state::State;

/// Evaluates people.
pub(super) struct Evaluate {
    state: State,
}

impl Evaluate {
    pub(super) fn new(state: State) -> Self {
        Self { state }
    }

    async fn one(&self, delivery: &Delivery) -> Result<Outcome, Failure> {
        let request = match EvaluationPayload::decode(&delivery.event) {
            Ok(request) => request,
            Err(error) => return Ok(decoded::undecodable(&error)),
        };
        let EvaluationRequest { evaluation, user, .. } = request;
        let Some(concluded) = self.conclude(&request, &delivery.event.headers).await? else {
            return Ok(Outcome::Ack);
        };
        let evaluated =
            self.state.store.record_evaluation(evaluation, user, concluded, self.state.now()).await?;
        self.state.metrics.evaluated(word(evaluated));
        if evaluated == Evaluated::Offered {
            self.state.outbox.wake();
            self.state.forget_cached(user).await;
            tracing::info!(user_id = %user, evaluation_id = %evaluation, "an offer was made without being asked for");
        }
        Ok(Outcome::Ack)
    }

    /// `None` for somebody who has taken their yes back, or is gone: nothing of them is looked at.
    async fn conclude(
        &self,
        request: &EvaluationRequest,
        headers: &Headers,
    ) -> Result<Option<Concluded>, Failure> {
        let (state, user) = (&self.state, request.user);
        let said = state.store.consent(user, Purpose::PreApproval).await?;
        if !said.is_some_and(|consent| consent.granted) {
            return Ok(None);
        }
        let decision = match decided(state, user).await {
            Ok(decision) => decision,
            Err(problem) if problem.code().status() == StatusCode::NOT_FOUND => return Ok(None),
            Err(problem) => return Err(failed(&problem)),
        };
        let Some(offer) = decision.offer() else { return Ok(Some(Concluded::NoOffer)) };
        let notification = Notification::of_pre_approval(offer, decision.decided_at);
        let headers = Headers { traceparent: headers.traceparent.clone(), ..Headers::current() };
        let message = outbox_message(&NotificationPayload::event(&notification, headers));
        let facts = Some(decision.facts);
        let new = NewDecision { decision, stands_for: STANDS_FOR, facts };
        Ok(Some(Concluded::Offer(Box::new(new), message)))
    }
}

/// What would be decided now.
async fn decided(state: &State, user: UserId) -> Result<Decision, Problem> {
    let now = state.now();
    let applicant = analysis::applicant(state, user, now).await?;
    analysis::make(state, user, applicant, &RequestContext::make(), now).await
}

#[async_trait]
impl Handler for Evaluate {
    async fn handle(&self, batch: &[Delivery]) -> Result<Vec<Outcome>, Failure> {
        let mut outcomes = Vec::with_capacity(batch.len());
        for delivery in batch {
            outcomes.push(self.one(delivery).await?);
        }
        Ok(outcomes)
    }
}

/// A model or store that is away is nobody's fault: the batch waits.
fn failed(problem: &Problem) -> Failure {
    let told = format!("the evaluation failed with status {}", problem.code().status());
    match problem.code().status() {
        StatusCode::SERVICE_UNAVAILABLE => Failure::Outage(told),
        _ => Failure::Batch(told),
    }
}

fn word(evaluated: Evaluated) -> &'static str {
    match evaluated {
        Evaluated::Offered => "offered",
        Evaluated::NotOffered => "not_offered",
        Evaluated::AnotherStands => "another_stands",
        Evaluated::NotAwaited => "not_awaited",
    }
}
