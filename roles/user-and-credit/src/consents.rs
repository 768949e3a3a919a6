//! `/v1/users/{user_id}/consents/{purpose}`: what a user says about the use of their data.
//!
//! Consent is read from the store at every turn and never cached. Giving or withdrawing it drops what is cached about the
//! user all the same, since features were loaded under what held before.

use axum::Json;
use axum::extract::{Request, State as Extract};
use ecs_domain::consent::{Consent, Locale, Purpose, Said, Shown};
use ecs_domain::permission::held::UsersReadAny;
use ecs_domain::{Timestamp, UserId, Violation, Violations};
use ecs_web::Problem;
use ecs_web::auth::policy::{Bearer, InPerson, Own};
use ecs_web::body;
use ecs_web::openapi::{Instant, UserPath, tag};
use ecs_web::params::{PathParams, QueryParams};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::state::State;
use crate::{problems, users};

/// How many words of a history are told at most: the newest.
const MOST: usize = 500;

/// What holds for one purpose.
#[derive(Serialize, ToSchema)]
#[schema(as = Consent, examples(json!({
    "purpose": "emotion-analysis", "granted": true, "updated_at": "2026-11-20T14:30:00Z", "text_version": 1, "locale": "pt-BR"
})))]
pub(crate) struct ConsentView {
    /// What for.
    purpose: &'static str,
    /// Whether the data may be used: what the user said, else what silence means here.
    granted: bool,
    /// When the user said so; null while they have said nothing.
    #[schema(required, value_type = Option<Instant>)]
    updated_at: Option<Timestamp>,
    /// The version of the text that they were shown; null when nobody told.
    #[schema(required)]
    text_version: Option<u32>,
    /// The language of that text.
    #[schema(required)]
    locale: Option<&'static str>,
}

/// What a user said over time.
#[derive(Serialize, ToSchema)]
#[schema(examples(json!({"items": [
    {"granted": false, "said_at": "2026-11-21T08:00:00Z", "text_version": null, "locale": null},
    {"granted": true, "said_at": "2026-11-20T14:30:00Z", "text_version": 1, "locale": "pt-BR"}
]})))]
pub(crate) struct ConsentHistory {
    /// The newest first.
    items: Vec<ConsentWord>,
}

/// What a user said once.
#[derive(Serialize, ToSchema)]
struct ConsentWord {
    /// Whether it was a yes.
    granted: bool,
    /// When.
    #[schema(value_type = Instant)]
    said_at: Timestamp,
    /// The version of the text that they were shown; null when nobody told.
    #[schema(required)]
    text_version: Option<u32>,
    /// The language of that text.
    #[schema(required)]
    locale: Option<&'static str>,
}

/// A text that consent is asked with.
#[derive(Serialize, ToSchema)]
#[schema(examples(json!({"purpose": "emotion-analysis", "version": 1, "locale": "en", "text": "May we use how you feel? …"})))]
pub(crate) struct ConsentText {
    /// What for.
    purpose: &'static str,
    /// Its version, from 1. A text that was shown is never changed.
    version: u32,
    /// Its language.
    locale: &'static str,
    /// What to show: paragraphs with an empty line between them, the first one a headline.
    text: &'static str,
}

/// What the user was shown before they said yes.
#[derive(Deserialize, ToSchema)]
#[schema(examples(json!({"text_version": 1, "locale": "pt-BR"})))]
pub(crate) struct ShownText {
    /// The text's version.
    #[schema(minimum = 1)]
    text_version: Option<u32>,
    /// Its language: `en`, `pt-BR` or `es`. It comes with the version or not at all.
    locale: Option<String>,
}

/// Which text, in which language.
#[derive(Deserialize)]
pub(crate) struct Question {
    version: Option<String>,
    locale: Option<String>,
}

impl ConsentView {
    fn new(purpose: Purpose, granted: bool, said: Option<Consent>) -> Self {
        let shown = said.and_then(|said| said.shown);
        Self {
            purpose: purpose.as_str(),
            granted,
            updated_at: said.map(|said| said.updated_at),
            text_version: shown.map(|shown| shown.version),
            locale: shown.map(|shown| shown.locale.as_str()),
        }
    }
}

impl From<Consent> for ConsentWord {
    fn from(Consent { granted, shown, updated_at }: Consent) -> Self {
        let (text_version, locale) =
            (shown.map(|shown| shown.version), shown.map(|shown| shown.locale.as_str()));
        Self { granted, said_at: updated_at, text_version, locale }
    }
}

impl ShownText {
    fn read(self, purpose: Purpose) -> Result<Shown, Violations> {
        let mut violations = Violations::none();
        let version = violations.require("text_version", self.text_version);
        let locale = violations.require("locale", self.locale);
        let locale = locale.and_then(|locale| violations.check("locale", known(&locale)));
        let (Some(version), Some(locale)) = (version, locale) else { return Err(violations) };
        let shown = Shown { version, locale };
        purpose
            .text(shown)
            .map(|_| shown)
            .ok_or_else(|| Violation::new("text_version", "there is no such text").into())
    }
}

fn known(locale: &str) -> Result<Locale, std::borrow::Cow<'static, str>> {
    locale.parse().map_err(|()| "must be en, pt-BR or es".into())
}

/// Read the text that consent is asked with
///
/// The newest one, unless another version is named, in English unless another language is.
#[utoipa::path(
    get, path = "/v1/consents/{purpose}/text", operation_id = "readConsentText", tag = tag::CONSENT,
    params(
        ("purpose" = String, Path, description = "What for: `emotion-analysis`, `demographics`, `research` or `pre-approval`."),
        ("version" = Option<u32>, Query, minimum = 1, description = "Its version."),
        ("locale" = Option<String>, Query, description = "`en`, `pt-BR` or `es`."),
    ),
    responses(
        (status = OK, description = "The text.", body = ConsentText),
        (status = NOT_FOUND, description = "there is no such purpose"),
    ),
)]
pub(crate) async fn text(
    _: Bearer,
    path: PathParams,
    QueryParams(Question { version, locale }): QueryParams<Question>,
) -> Result<Json<ConsentText>, Problem> {
    let purpose = purpose(&path)?;
    let mut violations = Violations::none();
    let version = version.map_or(Ok(purpose.version()), |version| version.parse());
    let version = violations.check("version", version.map_err(|_| "must be a whole number".into()));
    let locale = violations.check("locale", locale.map_or(Ok(Locale::En), |locale| known(&locale)));
    let (Some(version), Some(locale)) = (version, locale) else { return Err(violations.into()) };
    let text = purpose.text(Shown { version, locale });
    let text = text.ok_or_else(|| Violations::from(Violation::new("version", "there is no such text")))?;
    Ok(Json(ConsentText { purpose: purpose.as_str(), version, locale: locale.as_str(), text }))
}

/// Read what a user said over time
///
/// Each yes and no with the text that was shown, the newest first. Users read their own; those with `users:read-any` read everybody's.
#[utoipa::path(
    get, path = "/v1/users/{user_id}/consents/{purpose}/history", operation_id = "readConsentHistory", tag = tag::CONSENT,
    params(UserPath, ("purpose" = String, Path, description = "What for: `emotion-analysis`, `demographics`, `research` or `pre-approval`.")),
    responses(
        (status = OK, description = "What was said.", body = ConsentHistory),
        (status = NOT_FOUND, description = "there is no such purpose"),
    ),
)]
pub(crate) async fn history(
    Own { user, .. }: Own<UsersReadAny>,
    path: PathParams,
    Extract(state): Extract<State>,
) -> Result<Json<ConsentHistory>, Problem> {
    let purpose = purpose(&path)?;
    users::find(&state, user).await?;
    let said = state.store.consent_history(user, purpose, MOST).await.map_err(problems::of_store)?;
    Ok(Json(ConsentHistory { items: said.into_iter().map(ConsentWord::from).collect() }))
}

/// Read a consent
///
/// Users read their own; those with `users:read-any` read everybody's.
#[utoipa::path(
    get, path = "/v1/users/{user_id}/consents/{purpose}", operation_id = "readConsent", tag = tag::CONSENT,
    params(UserPath, ("purpose" = String, Path, description = "What for: `emotion-analysis`, `demographics`, `research` or `pre-approval`.")),
    responses(
        (status = OK, description = "What holds.", body = ConsentView),
        (status = NOT_FOUND, description = "there is no such purpose"),
    ),
)]
pub(crate) async fn show(
    Own { user, .. }: Own<UsersReadAny>,
    path: PathParams,
    Extract(state): Extract<State>,
) -> Result<Json<ConsentView>, Problem> {
    let purpose = purpose(&path)?;
    users::find(&state, user).await?;
    let said = state.store.consent(user, purpose).await.map_err(problems::of_store)?;
    let granted = state.consent.about(purpose).allows(said.map(|consent| consent.granted));
    Ok(Json(ConsentView::new(purpose, granted, said)))
}

/// Give consent
///
/// In person: nobody else can, whatever their token may do otherwise. The body tells which text they were shown; it may be left out, and
/// then nobody knows.
#[utoipa::path(
    put, path = "/v1/users/{user_id}/consents/{purpose}", operation_id = "giveConsent", tag = tag::CONSENT,
    params(UserPath, ("purpose" = String, Path, description = "What for: `emotion-analysis`, `demographics`, `research` or `pre-approval`.")),
    request_body(content = Option<ShownText>, example = json!({"text_version": 1, "locale": "pt-BR"})),
    responses(
        (status = OK, description = "What holds from now on.", body = ConsentView),
        (status = NOT_FOUND, description = "there is no such purpose"),
    ),
)]
pub(crate) async fn give(
    InPerson(user): InPerson,
    path: PathParams,
    Extract(state): Extract<State>,
    request: Request,
) -> Result<Json<ConsentView>, Problem> {
    let purpose = purpose(&path)?;
    let shown = shown(request, purpose).await?;
    let consent = say(user, purpose, &state, Said { granted: true, shown }).await?;
    Ok(Json(ConsentView::new(purpose, consent.granted, Some(consent))))
}

/// What the body says that was shown, if there is one and it does.
async fn shown(request: Request, purpose: Purpose) -> Result<Option<Shown>, Problem> {
    let (head, body) = request.into_parts();
    let bytes = body::collect(body, body::MAX_JSON_BYTES).await?;
    if bytes.is_empty() {
        return Ok(None);
    }
    body::refuse_encoded(&head.headers)?;
    if !body::has_media_type(&head.headers, body::JSON) {
        return Err(Problem::unsupported_media_type("the content type must be application/json"));
    }
    let told: ShownText = body::parse(&bytes)?;
    if told.text_version.is_none() && told.locale.is_none() {
        return Ok(None);
    }
    Ok(Some(told.read(purpose)?))
}

/// Withdraw consent
///
/// In person: nobody else can, whatever their token may do otherwise.
#[utoipa::path(
    delete, path = "/v1/users/{user_id}/consents/{purpose}", operation_id = "withdrawConsent", tag = tag::CONSENT,
    params(UserPath, ("purpose" = String, Path, description = "What for: `emotion-analysis`, `demographics`, `research` or `pre-approval`.")),
    responses(
        (status = NO_CONTENT, description = "It is withdrawn."),
        (status = NOT_FOUND, description = "there is no such purpose"),
    ),
)]
pub(crate) async fn withdraw(
    InPerson(user): InPerson,
    path: PathParams,
    Extract(state): Extract<State>,
) -> Result<StatusCode, Problem> {
    say(user, purpose(&path)?, &state, false.into()).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn say(user: UserId, purpose: Purpose, state: &State, said: Said) -> Result<Consent, Problem> {
    users::find(state, user).await?;
    let saying = State::clone(state);
    let consent = state.finisher.finish(async move {
        let consent = saying.store.set_consent(user, purpose, said, saying.now()).await;
        let consent = consent.map_err(problems::of_store)?;
        saying.forget_cached(user).await;
        tracing::info!(user_id = %user, %purpose, granted = said.granted, "consent changed");
        Ok::<Consent, Problem>(consent)
    });
    consent.await
}

fn purpose(path: &PathParams) -> Result<Purpose, Problem> {
    path.text("purpose").parse().map_err(|()| Problem::not_found("there is no such purpose"))
}
