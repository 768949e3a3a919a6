//! What a path and a query say.

use std::str::FromStr;

use axum::extract::{FromRequestParts, Query, RawPathParams};
use ecs_domain::{Violation, Violations};
use http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::Problem;

/// The named parts of the path. Stands after the policy, so that strangers learn nothing from it.
#[derive(Debug, Clone)]
pub struct PathParams(Vec<(String, String)>);

impl PathParams {
    /// The part called `name` as an id: 422 with the field's name when it is none.
    pub fn id<T: FromStr>(&self, name: &'static str) -> Result<T, Problem> {
        self.text(name)
            .parse()
            .map_err(|_| Problem::invalid(Violations::from(Violation::new(name, "must be a UUID"))))
    }

    /// The part called `name`; empty when the route has none of that name.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for PathParams {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let params = RawPathParams::from_request_parts(parts, state)
            .await
            .map_err(|_| Problem::not_found("there is no such path"))?;
        Ok(Self(params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()))
    }
}

/// What the query says, as a shape whose fields are `Option<String>`: 400 when a field stands twice.
#[derive(Debug, Clone, Copy)]
pub struct QueryParams<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for QueryParams<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(params)) => Ok(Self(params)),
            Err(_) => Err(Problem::malformed("the query can't be read")),
        }
    }
}

/// A number as the store has them, whose columns end where `i64` does; `None` where the text is none.
#[must_use]
pub fn number(text: &str) -> Option<u64> {
    text.parse().ok().filter(|number| i64::try_from(*number).is_ok())
}

/// A page of a list: `?page=1&page_size=10`. 422 when `page` is below 1 or `page_size` outside 1..=100.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// From 1.
    pub page: u32,
    /// 1 to 100.
    pub page_size: u32,
}

#[derive(Deserialize)]
struct RawPage {
    page: Option<String>,
    page_size: Option<String>,
}

impl Page {
    /// How many items come before this page.
    #[must_use]
    pub fn offset(self) -> u64 {
        u64::from(self.page - 1) * u64::from(self.page_size)
    }

    fn read(raw: RawPage) -> Result<Self, Violations> {
        let number =
            |text: Option<String>, default| text.map_or(Some(default), |text| text.parse::<u32>().ok());
        let mut violations = Violations::none();
        let page = number(raw.page, 1).filter(|page| *page >= 1);
        let page = violations.check("page", page.ok_or("must be a whole number of at least 1".into()));
        let size = number(raw.page_size, 10).filter(|size| (1..=100).contains(size));
        let size = violations.check("page_size", size.ok_or("must be a whole number from 1 to 100".into()));
        match (page, size) {
            (Some(page), Some(page_size)) => Ok(Self { page, page_size }),
            _ => Err(violations),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Page {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let QueryParams(raw) = QueryParams::from_request_parts(parts, state).await?;
        Ok(Self::read(raw)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_whole_and_within_what_the_store_has() {
        let check = |text: &str, expect: Option<u64>| assert_eq!(number(text), expect, "{text}");
        check("0", Some(0));
        check("7", Some(7));
        check("9223372036854775807", Some(i64::MAX.unsigned_abs()));
        for none in ["", "-1", "1.0", "1e3", " 1", "seven", "9223372036854775808", "18446744073709551615"] {
            check(none, None);
        }
    }
}
