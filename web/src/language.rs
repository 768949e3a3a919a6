//! In which language somebody is answered: what `Accept-Language` asks for, as far as there are texts, else English.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use ecs_domain::consent::Locale;
use http::header::{ACCEPT_LANGUAGE, CONTENT_LANGUAGE, VARY};
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::openapi::{RefOr, Required};

/// What is spoken where nothing that was asked for is.
const DEFAULT: Locale = Locale::En;

/// The language of an answer, by RFC 9110 and RFC 4647: the one with the highest quality, of several the one that is named first. A
/// language is met by any region's. What can't be read asks for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Language(pub Locale);

impl Language {
    /// What these headers ask for.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let lines = headers.get_all(ACCEPT_LANGUAGE).iter().filter_map(|value| value.to_str().ok());
        let wishes: Vec<(&str, u16)> = lines.flat_map(|line| line.split(',')).filter_map(wish).collect();
        let mut best = (DEFAULT, 0);
        for (range, quality) in &wishes {
            if let Some(locale) = met_by(range, &wishes).filter(|_| *quality > best.1) {
                best = (locale, *quality);
            }
        }
        Self(best.0)
    }
}

/// A range of languages and its quality in thousandths.
fn wish(item: &str) -> Option<(&str, u16)> {
    let mut parts = item.split(';').map(str::trim);
    let range = parts.next().filter(|range| !range.is_empty())?;
    let quality = match parts.next() {
        None => 1_000,
        Some(weight) => thousandths(weight.strip_prefix("q=").or_else(|| weight.strip_prefix("Q="))?)?,
    };
    Some((range, quality))
}

/// `0`, `1` or such with up to three decimals.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let is_plain = decimals.len() <= 3 && decimals.bytes().all(|byte| byte.is_ascii_digit());
    if !is_plain || !matches!(whole, "0" | "1") {
        return None;
    }
    let decimals: u16 = format!("{decimals:0<3}").parse().ok()?;
    let quality = if whole == "1" { 1_000 + decimals } else { decimals };
    (quality <= 1_000).then_some(quality)
}

/// The language that a range asks for. A star asks for the first that is not named otherwise.
fn met_by(range: &str, wishes: &[(&str, u16)]) -> Option<Locale> {
    if range == "*" {
        let is_named = |locale: &Locale| wishes.iter().any(|(range, _)| is_of(range, *locale));
        return Locale::ALL.into_iter().find(|locale| !is_named(locale));
    }
    Locale::ALL.into_iter().find(|locale| is_of(range, *locale))
}

fn is_of(range: &str, locale: Locale) -> bool {
    primary(range).eq_ignore_ascii_case(primary(locale.as_str()))
}

fn primary(tag: &str) -> &str {
    tag.split('-').next().unwrap_or_default()
}

impl<S: Sync> FromRequestParts<S> for Language {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.headers))
    }
}

/// The answer, which says in which language it is, and that it would be another for who asks for another.
pub fn told(locale: Locale, answer: impl IntoResponse) -> Response {
    let mut response = answer.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_LANGUAGE, HeaderValue::from_static(locale.as_str()));
    headers.append(VARY, HeaderValue::from_static("accept-language"));
    response
}

/// The header as a parameter: `params(Language)`.
impl IntoParams for Language {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let what = "Languages that you read, by quality: `en`, `pt-BR` or `es` is spoken, English where none of them is asked for.";
        let schema = ObjectBuilder::new().schema_type(Type::String).examples(["pt-BR,pt;q=0.9,en;q=0.5"]);
        let place = ParameterBuilder::new().name("Accept-Language").parameter_in(ParameterIn::Header);
        let place = place.required(Required::False).description(Some(what));
        vec![place.schema(Some(RefOr::T(Schema::Object(schema.build())))).build()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_of_what_is_spoken_is_found() {
        let check = |lines: &[&'static str], expect: Locale| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(ACCEPT_LANGUAGE, HeaderValue::from_static(line));
            }
            assert_eq!(Language::of(&headers), Language(expect), "{lines:?}");
        };
        check(&[], Locale::En);
        check(&["pt-BR"], Locale::PtBr);
        check(&["PT-br"], Locale::PtBr);
        check(&["pt"], Locale::PtBr);
        check(&["es-MX, en;q=0.9"], Locale::Es);
        check(&["en;q=0.4, es;q=0.8 , pt;q=0.79"], Locale::Es);
        check(&["de, fr;q=0.9"], Locale::En);
        check(&["de", "es;q=0.1"], Locale::Es);
        check(&["es;q=0.5, pt;q=0.5"], Locale::Es);
        check(&["es;q=0, *"], Locale::En);
        check(&["en;q=0, *;q=0.3"], Locale::PtBr);
        check(&["*, es;q=0.2"], Locale::En);
        check(&["es;q=0"], Locale::En);
        check(&["pt;q=2, es;q=0.1"], Locale::Es);
        check(&["pt;q=0.1234, es;q=x, ;;, en"], Locale::En);
        check(&["pt;level=1"], Locale::En);
        check(&["es;q=1.000"], Locale::Es);
        check(&["es;q=1.001"], Locale::En);
    }
}
