//! Calls that create something and may carry an `Idempotency-Key`: each key has one effect and one answer.
//!
//! A request with a key claims it first. What it changes is written together with its answer, and only while the claim
//! is its own; an answer without a change is kept afterwards. A fault of ours, and whatever else may be over soon, is
//! not kept: it frees the key. So does a request that is given up, by its client or by its timeout.

use std::time::Duration;

use axum::extract::{FromRequestParts, MatchedPath, Request};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use ecs_domain::UserId;
use ecs_store::{Begun, Claim, KeptAnswer, StoreError, StoredAnswer};
use ecs_vault::Keyring;
use ecs_web::idempotency::{self, Answer, Fingerprint};
use ecs_web::{IdempotencyKey, Problem, RequestContext, body};
use http::request::Parts;
use http::{Method, StatusCode};
use uuid::Uuid;

use crate::problems;
use crate::state::State;

/// How long a claim holds: longer than a request may take unless configured otherwise. One that takes longer still is
/// safe: it changes nothing once another request has its claim.
const LEASE: Duration = Duration::from_secs(60);

/// A request to a call that creates. Handlers take it as a `Result`, so that a header which is no key is spoken of only
/// after it is known that the caller may make the call.
pub(crate) struct Call {
    request: Option<KeyedRequest>,
    context: RequestContext,
}

/// What makes a request with a key the same one again, but for its body.
struct KeyedRequest {
    key: IdempotencyKey,
    method: Method,
    path: String,
    route: String,
}

/// How a call ended.
pub(crate) enum Ended {
    /// It changed something. The answer went to the store with the change: [`Turn::keeping`].
    Changed(Answer),
    /// It changed nothing.
    Unchanged(Answer),
}

/// A request's turn to have its effect.
#[derive(Clone)]
pub(crate) struct Turn(Option<(Claim, Keyring)>);

impl Turn {
    /// What the write is given, so that it keeps the answer; nothing for a request without a key.
    pub(crate) fn keeping(self, answer: &Answer) -> Option<KeptAnswer> {
        self.0.and_then(|(claim, keyring)| kept(claim, answer, &keyring))
    }
}

impl Call {
    /// The body, of which only a request with a key needs to be known.
    pub(crate) async fn body(&self, request: Request) -> Result<Bytes, Problem> {
        match self.request {
            Some(_) => body::collect(request.into_body(), body::MAX_JSON_BYTES).await,
            None => Ok(Bytes::new()),
        }
    }

    /// Does `work` once for each key of a caller, and answers what it ended with, now and whenever the request is
    /// repeated. The request must be valid by now. `caller` is nobody for calls that take no credential.
    pub(crate) async fn once<Work, Working>(
        self,
        state: &State,
        caller: Option<UserId>,
        body: &[u8],
        work: Work,
    ) -> Result<Response, Problem>
    where
        Work: FnOnce(Turn) -> Working,
        Working: Future<Output = Result<Ended, Problem>>,
    {
        let Some(request) = self.request else {
            let (Ended::Changed(answer) | Ended::Unchanged(answer)) = work(Turn(None)).await?;
            return Ok(answer.into_response());
        };
        let fingerprints = state.fingerprints().of(&request.method, &request.path, body);
        // It stands before the claim is made: a request may be given up while it waits for just that.
        let held = Held::new(state, request.claim(caller));
        match begin(state, &held.claim, fingerprints).await? {
            Begun::Claimed => {
                let turn = Turn(Some((held.claim.clone(), state.keyring.clone())));
                let ended = work(turn).await;
                held.settle(ended, &self.context).await
            }
            Begun::Answered(StoredAnswer { status, body }) => {
                let body = opened(&held.claim, body, &state.keyring);
                held.let_go();
                state.metrics.replayed();
                let status = StatusCode::from_u16(status).map_err(|error| Problem::internal(&error))?;
                Ok(Answer::kept(status, body).replayed())
            }
            Begun::UnderWay => {
                held.let_go();
                Err(idempotency::under_way())
            }
            Begun::OtherRequest => {
                held.let_go();
                Err(idempotency::of_another_request())
            }
        }
    }
}

impl KeyedRequest {
    /// A new claim on the key, which is the caller's own for this call.
    fn claim(&self, caller: Option<UserId>) -> Claim {
        let Self { method, route, .. } = self;
        let scope = match caller {
            Some(user) => format!("{user} {method} {route}"),
            None => format!("anybody {method} {route}"),
        };
        Claim { scope, key: self.key.as_str().to_owned(), holder: Uuid::new_v4() }
    }
}

/// Claims the key. A request from before the secret was changed is known by its fingerprint under the one that it came under.
async fn begin(state: &State, claim: &Claim, fingerprints: Vec<Fingerprint>) -> Result<Begun, Problem> {
    let mut begun = Begun::OtherRequest;
    for fingerprint in fingerprints {
        begun = state
            .store
            .begin_request(claim, fingerprint, state.now(), LEASE)
            .await
            .map_err(problems::of_store)?;
        if begun != Begun::OtherRequest {
            break;
        }
    }
    Ok(begun)
}

/// Answers say what people are called, so they are kept sealed. `None` when that is impossible: then the claim runs out.
fn kept(claim: Claim, answer: &Answer, keyring: &Keyring) -> Option<KeptAnswer> {
    match keyring.seal_common(about(&claim).as_bytes(), &answer.body) {
        Ok(body) => {
            let answer = StoredAnswer { status: answer.status.as_u16(), body: body.into() };
            Some(KeptAnswer { claim, answer })
        }
        Err(error) => {
            tracing::error!(%error, "the answer to a request with a key can't be sealed");
            None
        }
    }
}

/// One from before answers were sealed is as it is.
fn opened(claim: &Claim, body: Bytes, keyring: &Keyring) -> Bytes {
    keyring.open_common(about(claim).as_bytes(), &body).map_or(body, Bytes::from)
}

/// An answer belongs to its key.
fn about(claim: &Claim) -> String {
    format!("answer {} {}", claim.scope, claim.key)
}

/// A claim that is freed when its request is given up: a dropped future, or a panic.
struct Held {
    claim: Claim,
    state: Option<State>,
}

impl Held {
    fn new(state: &State, claim: Claim) -> Self {
        Self { claim, state: Some(state.clone()) }
    }

    /// There is nothing to be freed.
    fn let_go(mut self) {
        self.state = None;
    }

    /// Keeps the answer where there is one to keep, and frees the key where there is not.
    async fn settle(
        self,
        ended: Result<Ended, Problem>,
        context: &RequestContext,
    ) -> Result<Response, Problem> {
        let answer = match ended {
            Ok(Ended::Changed(answer)) => {
                self.let_go();
                return Ok(answer.into_response());
            }
            Ok(Ended::Unchanged(answer)) => answer,
            Err(problem) => {
                let answer = Answer::problem(&problem, context);
                if !answer.is_final() {
                    self.release().await;
                    return Err(problem);
                }
                answer
            }
        };
        self.finish(&answer).await?;
        Ok(answer.into_response())
    }

    /// Keeps an answer that tells of no change. Where that fails the answer is true all the same, and a repetition of
    /// the request finds it out anew.
    async fn finish(self, answer: &Answer) -> Result<(), Problem> {
        let Some(state) = &self.state else { return Ok(()) };
        let Some(kept) = kept(self.claim.clone(), answer, &state.keyring) else { return Ok(()) };
        match state.store.finish_request(kept).await {
            Ok(()) => self.let_go(),
            Err(error @ StoreError::ClaimLost) => {
                self.let_go();
                return Err(problems::of_store(error));
            }
            Err(error) => tracing::warn!(%error, "the answer to a request with a key was not kept"),
        }
        Ok(())
    }

    /// Frees the key before its caller hears of it, who may come again at once.
    async fn release(self) {
        let Some(state) = &self.state else { return };
        match state.store.release_request(&self.claim).await {
            Ok(()) => self.let_go(),
            Err(error) => tracing::warn!(%error, "a key was not freed; it is when its claim runs out"),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let (Some(state), Ok(runtime)) = (self.state.take(), tokio::runtime::Handle::try_current()) else {
            return;
        };
        let claim = self.claim.clone();
        // Where this doesn't come to its end, the claim runs out.
        runtime.spawn(async move { state.store.release_request(&claim).await });
    }
}

impl FromRequestParts<State> for Call {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Problem> {
        let key = IdempotencyKey::find(&parts.headers)?;
        let Ok(context) = RequestContext::from_request_parts(parts, state).await;
        let path = parts.uri.path();
        let route = || parts.extensions.get::<MatchedPath>().map_or(path, MatchedPath::as_str).to_owned();
        let request = key.map(|key| KeyedRequest {
            key,
            method: parts.method.clone(),
            path: path.to_owned(),
            route: route(),
        });
        Ok(Self { request, context })
    }
}
