//! Who gets in.

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ecs_domain::permission::Permission;
use ecs_domain::permission::held::EmotionsWriteAny;
use ecs_web::auth::policy::{Bearer, Service};
use ecs_web::auth::{SecretKey, TokenError, Tokens};
use ecs_web::{Identity, JsonBody, Secret};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::support::{INTERNAL_KEY, KEY, auth, call, token, tokens, user};

/// The test clock's 2025-08-19T12:00:00Z.
const NOW: i64 = 1_755_604_800;

/// A token made by hand, so that it may be wrong in ways in which ours never are.
fn forge(header: &Value, claims: &Value, key: &str) -> String {
    let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let signed = format!("{}.{}", part(header), part(claims));
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
    mac.update(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

fn hs256() -> Value {
    json!({"alg": "HS256", "typ": "JWT"})
}

fn claims() -> Value {
    json!({"iss": "ecs", "sub": user(), "iat": NOW - 10, "exp": NOW + 10, "permissions": []})
}

fn with(field: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[field] = value;
    claims
}

fn without(field: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(field);
    claims
}

/// Both kinds of credentials before a body that would be refused.
fn router() -> Router {
    Router::new()
        .route("/token", post(async |_: Bearer, _: JsonBody<Value>| "in"))
        .route("/key", post(async |_: Service<EmotionsWriteAny>, _: JsonBody<Value>| "in"))
        .with_state(auth())
}

async fn check_header(path: &str, header: Option<(&str, String)>, body: &'static str, expect: u16) {
    let mut request = Request::post(path).header("content-type", "application/json");
    if let Some((name, value)) = &header {
        request = request.header(*name, value);
    }
    let answer = call(router(), request.body(Body::from(body)).unwrap()).await;
    assert_eq!(answer.status.as_u16(), expect, "{path} {header:?} {:?}", answer.json);
    if expect == 401 {
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
        assert_eq!(answer.headers["content-type"], "application/problem+json");
    }
}

async fn check_token(what: &str, token: String, expect: u16) {
    let request = Request::post("/token")
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {token}"));
    let answer = call(router(), request.body(Body::from("{}")).unwrap()).await;
    assert_eq!(answer.status.as_u16(), expect, "{what} {:?}", answer.json);
}

#[tokio::test]
async fn only_a_token_of_ours_that_holds_gets_in() {
    check_token("ours", token(), 200).await;
    check_token("by hand", forge(&hs256(), &claims(), KEY), 200).await;
    check_token("unknown permission", forge(&hs256(), &with("permissions", json!(["fly"])), KEY), 200).await;
    check_token("no permissions", forge(&hs256(), &without("permissions"), KEY), 200).await;

    check_token("expired", forge(&hs256(), &with("exp", json!(NOW - 1)), KEY), 401).await;
    check_token("expires now", forge(&hs256(), &with("exp", json!(NOW)), KEY), 401).await;
    check_token("no expiry", forge(&hs256(), &without("exp"), KEY), 401).await;
    check_token("expiry as text", forge(&hs256(), &with("exp", json!("never")), KEY), 401).await;
    check_token("wrong issuer", forge(&hs256(), &with("iss", json!("else")), KEY), 401).await;
    check_token("no issuer", forge(&hs256(), &without("iss"), KEY), 401).await;
    check_token("subject is no user", forge(&hs256(), &with("sub", json!("root")), KEY), 401).await;
    check_token("no subject", forge(&hs256(), &without("sub"), KEY), 401).await;
    check_token("forged", forge(&hs256(), &claims(), "another-key-of-a-decent-length-here"), 401).await;
    for alg in ["none", "None", "HS384", "HS512", "RS256", "ES256", "EdDSA", "HS257"] {
        check_token(alg, forge(&json!({"alg": alg, "typ": "JWT"}), &claims(), KEY), 401).await;
    }
    check_token("no algorithm", forge(&json!({"typ": "JWT"}), &claims(), KEY), 401).await;
    check_token("not a token", "abc".to_owned(), 401).await;
    check_token("three empty parts", "..".to_owned(), 401).await;
}

/// The clocks of two processes differ: the one that made the token is ahead or behind. Only the end that the token names counts, by
/// the clock of whoever is asked, without a leeway: a token lasts a little longer or shorter, and is never refused for being young.
#[tokio::test]
async fn clock_skew_between_processes_moves_the_end_of_a_token_and_nothing_else() {
    const LIFETIME: i64 = 3_600;
    let made_at = |now: i64| {
        let claims = json!({"iss": "ecs", "sub": user(), "iat": now, "exp": now + LIFETIME});
        forge(&hs256(), &claims, KEY)
    };
    for ahead in [1, 30, 300, LIFETIME] {
        check_token("made by a clock that is ahead", made_at(NOW + ahead), 200).await;
    }
    for behind in [1, 30, 300, LIFETIME - 1] {
        check_token("made by a clock that is behind", made_at(NOW - behind), 200).await;
    }
    check_token("made by a clock that is a lifetime behind", made_at(NOW - LIFETIME), 401).await;
}

#[tokio::test]
async fn alg_none_without_a_signature_stays_out() {
    let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let unsigned = format!("{}.{}.", part(&json!({"alg": "none"})), part(&claims()));
    check_token("alg none, no signature", unsigned, 401).await;
    let ours = forge(&hs256(), &claims(), KEY);
    let (signed, _) = ours.rsplit_once('.').unwrap();
    check_token("signature cut off", format!("{signed}."), 401).await;
    check_token("signature shortened", ours[..ours.len() - 4].to_owned(), 401).await;
}

#[tokio::test]
async fn claims_of_another_token_do_not_fit_the_signature() {
    let [ours, other] = [claims(), with("sub", json!("00000000-0000-0000-0000-000000000008"))]
        .map(|claims| forge(&hs256(), &claims, KEY));
    let parts = |token: &str| token.split('.').map(str::to_owned).collect::<Vec<_>>();
    let (ours, other) = (parts(&ours), parts(&other));
    check_token("mixed", format!("{}.{}.{}", ours[0], other[1], ours[2]), 401).await;
}

#[tokio::test]
async fn credentials_come_before_the_body() {
    let authorization = |value: String| Some(("authorization", value));
    for body in ["{}", "{", "not json"] {
        check_header("/token", None, body, 401).await;
        check_header("/token", authorization("Bearer forged".to_owned()), body, 401).await;
        check_header("/key", None, body, 401).await;
        check_header("/key", Some(("x-internal-key", "wrong".to_owned())), body, 401).await;
    }
    check_header("/token", authorization(format!("Basic {}", token())), "{}", 401).await;
    check_header("/token", authorization("Bearer".to_owned()), "{}", 401).await;
    check_header("/token", authorization("Bearer ".to_owned()), "{}", 401).await;
    check_header("/token", authorization(format!("bearer {}", token())), "{}", 200).await;
    check_header("/token", authorization(format!("Bearer {}", token())), "{", 400).await;
    check_header("/key", Some(("x-internal-key", INTERNAL_KEY.to_owned())), "{}", 200).await;
    check_header("/key", Some(("x-internal-key", INTERNAL_KEY.to_owned())), "{", 400).await;
    check_header("/key", Some(("x-internal-key", INTERNAL_KEY[1..].to_owned())), "{}", 401).await;
    check_header("/key", Some(("x-internal-key", format!("{INTERNAL_KEY}x"))), "{}", 401).await;
    check_header("/key", Some(("x-internal-key", String::new())), "{}", 401).await;
}

#[tokio::test]
async fn a_strangers_huge_body_is_not_read() {
    let request = Request::post("/token").header("content-length", u64::MAX.to_string());
    // Reading it would panic the test, so a 401 shows that nobody did.
    let body =
        Body::from_stream(futures::stream::poll_fn(|_| -> std::task::Poll<Option<Result<&str, String>>> {
            panic!("the body of a stranger was read")
        }));
    let answer = call(router(), request.body(body).unwrap()).await;
    assert_eq!(answer.status, 401);
}

#[test]
fn a_token_carries_its_user_and_its_permissions() {
    let session = Some(uuid::Uuid::from_u128(9));
    let identity = Identity::with(user(), [Permission::UsersCreate, Permission::OperationsRead]);
    let identity = Identity { version: 1_763_649_000_000_000, session, ..identity };
    let now = "2025-08-19T12:00:00Z".parse().unwrap();
    let token = tokens(KEY).issue(&identity, now, std::time::Duration::from_secs(60)).unwrap();
    let expires_at = Some("2025-08-19T12:01:00Z".parse().unwrap());
    assert_eq!(tokens(KEY).verify(&token, now), Ok(Identity { expires_at, ..identity }));
    let later = "2025-08-19T12:01:00Z".parse().unwrap();
    assert_eq!(tokens(KEY).verify(&token, later), Err(TokenError::Expired));
}

#[test]
fn keys_are_changed_without_a_token_lost_and_a_forgotten_key_opens_nothing() {
    let key = |letter: &str| SecretKey::new(Secret::new(letter.repeat(32))).unwrap();
    let (old, new) = (key("o"), key("n"));
    let now = "2025-08-19T12:00:00Z".parse().unwrap();
    let issue = |tokens: &Tokens| {
        tokens.issue(&Identity::of(user()), now, std::time::Duration::from_secs(60)).unwrap()
    };
    // Before, while every process learns of the new key, while every one begins to sign with it, and after.
    let steps = [
        Tokens::new(&old),
        Tokens::with_keys(&old, &[key("n")]),
        Tokens::with_keys(&new, &[key("o")]),
        Tokens::new(&new),
    ];
    let issued = steps.each_ref().map(issue);
    for (at, step) in steps.iter().enumerate() {
        for (made_at, token) in issued.iter().enumerate() {
            let holds = step.verify(token, now).is_ok();
            let is_neighbour = at.abs_diff(made_at) <= 1;
            assert_eq!(holds, is_neighbour || (1..3).contains(&at), "a token of step {made_at} at step {at}");
        }
    }
}

/// A header that names one of our keys over the signature of another is a forgery, whatever else we accept.
#[test]
fn the_named_key_is_the_one_that_must_have_signed() {
    let key = |letter: &str| SecretKey::new(Secret::new(letter.repeat(32))).unwrap();
    let now = "2025-08-19T12:00:00Z".parse().unwrap();
    let lifetime = std::time::Duration::from_secs(60);
    let [by_a, by_b] =
        ["a", "b"].map(|name| Tokens::new(&key(name)).issue(&Identity::of(user()), now, lifetime).unwrap());
    let both = Tokens::with_keys(&key("a"), &[key("b")]);
    assert!(both.verify(&by_a, now).is_ok() && both.verify(&by_b, now).is_ok());
    let (head, _) = by_a.split_once('.').unwrap();
    let (_, rest) = by_b.split_once('.').unwrap();
    assert_eq!(both.verify(&format!("{head}.{rest}"), now), Err(TokenError::Invalid));
}

#[test]
fn a_short_key_is_refused() {
    assert!(SecretKey::new(Secret::new("x".repeat(31))).is_err());
    assert!(SecretKey::new(Secret::new("x".repeat(32))).is_ok());
}
