//! `/v1/users/{user_id}/attributes`: an age band and a region, told by the person with their consent. No decision looks at them:
//! nothing else of this role reads them.

use axum::Json;
use axum::extract::State as Extract;
use ecs_domain::attributes::{AgeBand, Attributes, Region};
use ecs_domain::{Timestamp, Violation, Violations};
use ecs_store::StoredAttributes;
use ecs_web::Problem;
use ecs_web::auth::policy::InPerson;
use ecs_web::body::JsonBody;
use ecs_web::openapi::{Instant, UserPath, tag};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::state::State;
use crate::{problems, users};

/// What the user told of themselves.
#[derive(Serialize, ToSchema)]
#[schema(as = Attributes, examples(json!({"age_band": "25-34", "region": "BR-SP", "updated_at": "2026-11-20T14:30:00Z"})))]
pub(crate) struct View {
    /// `18-24`, `25-34`, `35-44`, `45-54`, `55-64` or `65+`; null while they haven't told.
    #[schema(required)]
    age_band: Option<&'static str>,
    /// An ISO 3166 code of a country or a part of it; null while they haven't told.
    #[schema(required)]
    region: Option<String>,
    /// When they told it; null while there is nothing.
    #[schema(required, value_type = Option<Instant>)]
    updated_at: Option<Timestamp>,
}

/// What the user tells of themselves: either or both. What is left out is not kept.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ToldAttributes, examples(json!({"age_band": "25-34", "region": "BR-SP"})))]
pub(crate) struct Told {
    /// `18-24`, `25-34`, `35-44`, `45-54`, `55-64` or `65+`.
    age_band: Option<String>,
    /// An ISO 3166 code of a country or a part of it.
    #[schema(min_length = 2, max_length = 6)]
    region: Option<String>,
}

impl From<Option<StoredAttributes>> for View {
    fn from(stored: Option<StoredAttributes>) -> Self {
        let updated_at = stored.as_ref().map(|stored| stored.updated_at);
        let Attributes { age_band, region } = stored.map(|stored| stored.attributes).unwrap_or_default();
        Self {
            age_band: age_band.map(AgeBand::as_str),
            region: region.map(|region| region.to_string()),
            updated_at,
        }
    }
}

impl Told {
    fn read(self) -> Result<Attributes, Violations> {
        let mut violations = Violations::none();
        if self.age_band.is_none() && self.region.is_none() {
            return Err(Violation::new("age_band", "is required, or region instead of it or with it").into());
        }
        let age_band = self.age_band.and_then(|band| violations.check("age_band", band.parse()));
        let region: Option<Region> = self.region.and_then(|code| violations.check("region", code.parse()));
        if violations.is_empty() { Ok(Attributes { age_band, region }) } else { Err(violations) }
    }
}

/// Read one's age band and region
///
/// In person: nobody else can, whatever their token may do otherwise.
#[utoipa::path(
    get, path = "/v1/users/{user_id}/attributes", operation_id = "readAttributes", tag = tag::CONSENT, params(UserPath),
    responses(
        (status = OK, description = "What the user told.", body = View),
        (status = NOT_FOUND, description = "there is no such user"),
    ),
)]
pub(crate) async fn show(
    InPerson(user): InPerson,
    Extract(state): Extract<State>,
) -> Result<Json<View>, Problem> {
    users::find(&state, user).await?;
    let stored = state.store.attributes(user).await.map_err(problems::of_store)?;
    Ok(Json(View::from(stored)))
}

/// Tell one's age band and region
///
/// In person, and only with consent to `demographics`. They are used to see whether decisions are fair to groups, and for research on
/// groups; no decision looks at them.
#[utoipa::path(
    put, path = "/v1/users/{user_id}/attributes", operation_id = "tellAttributes", tag = tag::CONSENT, params(UserPath),
    request_body = Told,
    responses(
        (status = OK, description = "What is kept from now on.", body = View),
        (status = NOT_FOUND, description = "there is no such user"),
        (status = CONFLICT, description = "give consent to demographics first"),
    ),
)]
pub(crate) async fn tell(
    InPerson(user): InPerson,
    Extract(state): Extract<State>,
    JsonBody(told): JsonBody<Told>,
) -> Result<Json<View>, Problem> {
    let attributes = told.read()?;
    users::find(&state, user).await?;
    let kept = state.store.put_attributes(user, attributes, state.now()).await.map_err(problems::of_store)?;
    let kept = kept.ok_or_else(|| Problem::conflict("give consent to demographics first"))?;
    Ok(Json(View::from(Some(kept))))
}

/// Delete one's age band and region
///
/// In person. Taking back the consent to `demographics` deletes them, too.
#[utoipa::path(
    delete, path = "/v1/users/{user_id}/attributes", operation_id = "deleteAttributes", tag = tag::CONSENT, params(UserPath),
    responses(
        (status = NO_CONTENT, description = "They are gone."),
        (status = NOT_FOUND, description = "there is no such user"),
    ),
)]
pub(crate) async fn delete(
    InPerson(user): InPerson,
    Extract(state): Extract<State>,
) -> Result<StatusCode, Problem> {
    users::find(&state, user).await?;
    state.store.delete_attributes(user).await.map_err(problems::of_store)?;
    Ok(StatusCode::NO_CONTENT)
}
