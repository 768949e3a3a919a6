//! One attempt of one call, and what its end says about the replica.

use std::pin::pin;
use std::time::Duration;

use axum::body::Body;
use ecs_breaker::Permit;
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper_util::client::legacy::Error;
use tokio::time::Instant;

use super::payload::Payload;
use super::replicas::{Chosen, Replica};
use super::{Remote, headers};
use crate::{RequestContext, deadline};

/// A replica that is given less than this and doesn't make it isn't held to be ill: the time was used up elsewhere,
/// or the client asked for an answer in no time.
pub(in crate::handles) const FAIR: Duration = Duration::from_secs(1);
/// A replica that says so close to the deadline that it can't serve now is one that hangs: it watches the same deadline.
const CLOSE: Duration = Duration::from_millis(20);
/// A call that has more time than this is one whose answer takes long by its nature.
const LONG: Duration = Duration::from_secs(60);

/// A request to a role, as it may be sent several times.
pub(in crate::handles) struct Call {
    pub(in crate::handles) method: Method,
    pub(in crate::handles) path: PathAndQuery,
    pub(in crate::handles) headers: HeaderMap,
    pub(in crate::handles) payload: Payload,
    /// How long its answer is waited for at most.
    pub(in crate::handles) time: Duration,
    /// Whether doing it twice comes to the same as doing it once.
    pub(in crate::handles) repeatable: bool,
    /// What an answer of this status says about the replica.
    pub(in crate::handles) verdict: fn(StatusCode) -> Verdict,
}

/// What an answer says about who gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::handles) enum Verdict {
    /// It works.
    Well,
    /// It doesn't.
    Ill,
    /// It can't take this now, which says nothing.
    Busy,
    /// Only the rest of the answer tells. Whoever reads it settles [`Answered::judge`].
    Unread,
}

/// An answer's head, and its body as it comes.
pub(in crate::handles) struct Answered {
    pub(in crate::handles) response: Response<Incoming>,
    /// Who is to judge its sender by the rest of it; nobody, when the status said enough.
    pub(in crate::handles) judge: Option<Permit>,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::handles) enum Lost {
    /// The call was not made: every replica has failed of late.
    Open {
        /// When the first of them may be tried.
        retry_after: Duration,
    },
    /// There was no connection, so nothing was sent.
    Unreachable,
    /// The connection broke. Whether the request had its effect is not known.
    Broken,
    /// It took too long. Whether the request had its effect is not known.
    Late,
    /// The client broke its own body off.
    Sender,
    /// The call was not made: too many wait for this role's answers.
    Full,
}

impl Call {
    /// What goes out to this replica, unless the body is gone.
    fn request(&self, replica: &Replica, time: Duration) -> Option<Request<Body>> {
        let mut request = Request::new(self.payload.body()?);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = replica.address.of(&self.path).ok()?;
        request.headers_mut().clone_from(&self.headers);
        request.headers_mut().insert(deadline::HEADER, deadline::header(time));
        Some(request)
    }

    /// Gives the headers the form in which they go out.
    pub(in crate::handles) fn prepare(headers: &mut HeaderMap, context: &RequestContext) {
        headers::outgoing(headers, context);
    }
}

impl Remote {
    /// Sends the call to this replica and waits for the head of its answer.
    pub(super) async fn attempt(
        &self,
        call: &Call,
        chosen: Chosen<'_>,
        time: Duration,
    ) -> Result<Answered, Lost> {
        let Chosen { replica, permit, .. } = chosen;
        let request = call.request(replica, time).ok_or(Lost::Broken)?;
        let mut waiting =
            Waiting { permit: Some(permit), since: Instant::now(), call, time, patience: self.0.patience };
        let answer = self.0.client.request(request);
        let answer = tokio::time::timeout(time, waiting.answer(answer)).await;
        let (permit, since) = (waiting.permit.take(), waiting.since);
        let is_fair = time >= FAIR && !call.payload.awaits_sender();
        match answer {
            Ok(Ok(response)) => {
                let verdict = (call.verdict)(response.status());
                let late = is_fair && since.elapsed() + CLOSE >= time;
                let verdict = if late && verdict == Verdict::Busy { Verdict::Ill } else { verdict };
                Ok(Answered { response, judge: settle(permit, verdict) })
            }
            Ok(Err(_)) if call.payload.broke_off() => Err(Lost::Sender),
            Ok(Err(error)) => {
                settle(permit, Verdict::Ill);
                let (role, replica) = (self.role(), replica.address.as_str());
                tracing::warn!(role, replica, %error, "a call to another role failed");
                Err(if error.is_connect() { Lost::Unreachable } else { Lost::Broken })
            }
            Err(_) => {
                settle(permit, if is_fair { Verdict::Ill } else { Verdict::Busy });
                tracing::warn!(role = self.role(), "a call to another role took too long");
                Err(Lost::Late)
            }
        }
    }
}

/// A call that waits for its answer. When it is dropped, its client has given up.
struct Waiting<'a> {
    permit: Option<Permit>,
    since: Instant,
    call: &'a Call,
    time: Duration,
    patience: Duration,
}

impl Waiting<'_> {
    /// The answer. A probe that takes long, and not for the replica's sake, is none any more: until it had its answer,
    /// which may be minutes, nobody else could find out whether the replica is well.
    async fn answer(
        &mut self,
        answer: impl Future<Output = Result<Response<Incoming>, Error>>,
    ) -> Result<Response<Incoming>, Error> {
        let mut answer = pin!(answer);
        if self.permit.as_ref().is_some_and(Permit::is_probe) {
            if let Ok(answer) = tokio::time::timeout(self.patience, answer.as_mut()).await {
                return answer;
            }
            if !self.is_telling() {
                self.permit = None;
            }
        }
        answer.await
    }

    /// Whether the time that this takes says something about the replica.
    fn is_telling(&self) -> bool {
        self.time <= LONG && !self.call.payload.awaits_sender()
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let is_telling = self.is_telling() && self.since.elapsed() >= self.patience;
        if let Some(permit) = self.permit.take().filter(|_| is_telling) {
            permit.failed();
        }
    }
}

/// Says what was found out. What wasn't yet is for whoever gets the permit back.
fn settle(permit: Option<Permit>, verdict: Verdict) -> Option<Permit> {
    let permit = permit?;
    match verdict {
        Verdict::Well => permit.succeeded(),
        Verdict::Ill => permit.failed(),
        Verdict::Busy => drop(permit),
        Verdict::Unread => return Some(permit),
    }
    None
}
