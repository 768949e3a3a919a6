//! The addresses of PostgreSQL and Redis, which are secrets: a refusal doesn't repeat them.
#![no_main]

use ecs_fuzz::text;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some(text) = text(data) else { return };
    // It names a file, and the fuzzer has no business in files.
    if text.contains("sslrootcert") {
        return;
    }
    for scheme in ["", "postgres://", "redis://", "rediss://"] {
        let address = format!("{scheme}{text}");
        match ecs_store_postgres::hosts_in(&address) {
            Ok(hosts) => assert!(hosts > 0),
            Err(error) => is_silent(&error.to_string(), text),
        }
        if let Err(error) = ecs_cache_redis::client(&address, None) {
            is_silent(&error.to_string(), text);
        }
    }
});

/// Longer words than these are in no error by chance.
fn is_silent(error: &str, text: &str) {
    assert!(text.len() < 24 || !error.contains(text), "{error}");
}
