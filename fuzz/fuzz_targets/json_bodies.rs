//! Bodies in JSON, with everything that the platform's own readers do beside serde's.
#![no_main]

use ecs_web::body::{self, Exact, Object, Text};
use libfuzzer_sys::fuzz_target;
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    text: Option<Text<'a>>,
    number: Option<Exact>,
    #[serde(borrow)]
    object: Option<Object<Inner<'a>>>,
    list: Option<Vec<Inner<'a>>>,
    #[serde(borrow)]
    raw: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Inner<'a> {
    #[serde(borrow)]
    text: Option<Text<'a>>,
    count: Option<u64>,
}

fuzz_target!(|data: &[u8]| {
    let Ok(body) = body::parse::<Body<'_>>(data) else { return };
    assert!(serde_json::from_slice::<serde::de::IgnoredAny>(data).is_ok(), "what is taken is JSON");
    assert!(body.number.is_none_or(|number| number.0.is_finite()), "a number is one");
    let texts = [body.text, body.object.and_then(|object| object.0.text)];
    let in_list = body.list.unwrap_or_default().into_iter().filter_map(|inner| {
        assert!(inner.count.is_none_or(|count| count <= u64::MAX));
        inner.text
    });
    // A text is within what was sent, or was unescaped from it, which never makes it longer.
    assert!(texts.into_iter().flatten().chain(in_list).all(|text| text.0.len() <= data.len()));
    assert!(body.raw.is_none_or(|raw| raw.get().len() <= data.len()));
});
