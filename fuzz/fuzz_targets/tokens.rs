//! Access tokens and refresh tokens: nobody makes one up.
#![no_main]

use std::sync::{Arc, LazyLock};

use ecs_domain::Clock as _;
use ecs_fuzz::{Still, auth, bearer, text};
use ecs_web::auth::{RefreshToken, RefreshTokens};
use ecs_web::{Auth, Identity};
use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;

static AUTH: LazyLock<(Arc<Auth>, RefreshTokens)> = LazyLock::new(|| {
    let auth = auth();
    let refresh = RefreshTokens::new(&auth);
    (auth, refresh)
});

fuzz_target!(|data: &[u8]| {
    let (auth, refresh) = &*AUTH;
    if let Ok(value) = HeaderValue::from_bytes(data) {
        let headers = HeaderMap::from_iter([(http::header::AUTHORIZATION, value)]);
        assert!(Identity::verify(&headers, auth).is_err(), "a token was made up");
    }
    let Some(text) = text(data) else { return };
    assert!(auth.tokens.verify(text, Still.now()).is_err(), "a token was made up");
    assert_eq!(refresh.read(text), None, "a refresh token was made up");
    // A good one that is changed anywhere is none. The bytes say where, and into what.
    let [at, into, ..] = data else { return };
    let good = bearer(auth);
    let mut changed = good.clone().into_bytes();
    let place = usize::from(*at) % changed.len();
    changed[place] = *into;
    if let (Ok(value), true) = (HeaderValue::from_bytes(&changed), place >= "Bearer ".len()) {
        let headers = HeaderMap::from_iter([(http::header::AUTHORIZATION, value)]);
        let holds = Identity::verify(&headers, auth).is_ok();
        assert!(!holds || changed == good.as_bytes(), "{}", String::from_utf8_lossy(&changed));
    }
    let good = refresh.make(RefreshToken { session: uuid::Uuid::from_u128(7), number: u32::from(*at) });
    assert!(refresh.read(&good).is_some());
    let cut = usize::from(*into) % good.len();
    assert_eq!(refresh.read(&good[..cut]), None);
});
