//! `POST /v1/users/{user_id}/credit-analysis`
//!
//! A decision stands for [`STANDS_FOR`]: whoever asks again meanwhile gets the same one, marked as repeated. The store
//! enforces that under a lock of its own; the cache only makes it fast, and may be absent. The cache holds the answer,
//! one for each language: whoever changes an offer, or takes leave, forgets what is cached of the person.

mod answer;
mod decide;
mod standing;

use std::time::Duration;

use axum::extract::{Request, State as Extract};
use axum::response::Response;
use ecs_domain::consent::Locale;
use ecs_domain::permission::held::CreditWriteAny;
use ecs_domain::{Timestamp, UserId};
use ecs_web::auth::policy::Own;
use ecs_web::openapi::{UserPath, tag};
use ecs_web::{IdempotencyKey, Language, Problem, RequestContext};

use crate::keyed::{Call, Ended, Turn};
use crate::state::{State, key};
use decide::Decided;
pub(crate) use decide::{applicant, make, new_offer};

/// How long a decision stands before another may be made.
pub(crate) const STANDS_FOR: Duration = Duration::from_secs(300);

/// How often the cache is asked. The second look comes after a decision that no longer stands was dropped from it; after
/// that the store alone answers.
const CACHE_LOOKS: u32 = 2;

/// How somebody asks, besides for whom.
struct Asked {
    context: RequestContext,
    /// In which language they are answered.
    locale: Locale,
}

/// Decide about credit
///
/// Scores what the user bought and, where they consent, felt; the policy turns the score into an offer or a denial. A
/// decision stands for five minutes: until then the same one is returned, with `repeated: true`. Users ask for
/// themselves; those with `credit:write-any` ask for everybody. The reasons of a denial are told in the language of
/// `Accept-Language`. With an `Idempotency-Key` the request may be repeated
/// for a day, also when the decision stands no more.
#[utoipa::path(
    post, path = "/v1/users/{user_id}/credit-analysis", operation_id = "analyseCredit", tag = tag::CREDIT,
    params(UserPath, Language, IdempotencyKey),
    responses(
        (status = OK, description = "The decision.", body = answer::Answer, headers(
            ("Content-Language" = String, description = "The language of the texts. That of an answer that was given before stays."),
        )),
        (status = NOT_FOUND, description = "there is no such user"),
        // Only a request with a key has its body read.
        (status = BAD_REQUEST, description = "the body could not be read"),
        (status = PAYLOAD_TOO_LARGE, description = "the body may have at most 65536 bytes"),
    ),
)]
pub(crate) async fn analyse(
    Own { user, identity, .. }: Own<CreditWriteAny>,
    context: RequestContext,
    Language(locale): Language,
    Extract(state): Extract<State>,
    call: Call,
    request: Request,
) -> Result<Response, Problem> {
    let (body, asked) = (call.body(request).await?, Asked { context, locale });
    call.once(&state, Some(identity.user), &body, |turn| answer(&state, user, &asked, turn)).await
}

async fn answer(state: &State, user: UserId, asked: &Asked, turn: Turn) -> Result<Ended, Problem> {
    let Decided { standing, made } = standing_or_new(state, user, asked, turn).await?;
    Ok(match made {
        Some(answer) => Ended::Changed(answer),
        None => Ended::Unchanged(standing.into_answer(asked.locale)),
    })
}

/// The decision that stands, made now if there is none.
async fn standing_or_new(state: &State, user: UserId, asked: &Asked, turn: Turn) -> Result<Decided, Problem> {
    for _ in 0..CACHE_LOOKS {
        let mut made_by_this_call = None;
        let (made, turn) = (&mut made_by_this_call, turn.clone());
        let load = move || async move {
            let decided = decide::decide(state, user, asked, turn).await?;
            *made = decided.made;
            Ok::<_, Problem>(decided.standing)
        };
        let standing = state.cache.get_or_load(key(user, name(asked.locale)), STANDS_FOR, load).await?;
        if made_by_this_call.is_some() || standing.stands(state.now()) {
            return Ok(Decided { standing, made: made_by_this_call });
        }
        // It has been cached for longer than it stands.
        state.forget_cached(user).await;
    }
    decide::decide(state, user, asked, turn).await
}

/// What a standing decision is called in the cache.
fn name(locale: Locale) -> &'static str {
    match locale {
        Locale::En => "analysis.en",
        Locale::PtBr => "analysis.pt-BR",
        Locale::Es => "analysis.es",
    }
}

/// From when on a decision must have been made to stand at `now`.
fn standing_since(now: Timestamp) -> Timestamp {
    now.saturating_sub(STANDS_FOR).unwrap_or(Timestamp::MIN)
}
