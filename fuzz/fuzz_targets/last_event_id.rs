//! Where a stream of notifications begins: the header on the first line, the query on the second.
#![no_main]

use std::sync::LazyLock;

use ecs_fuzz::text;
use libfuzzer_sys::fuzz_target;
use tokio::runtime::Runtime;

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| tokio::runtime::Builder::new_current_thread().build().expect("there is a runtime"));

fuzz_target!(|data: &[u8]| {
    let mut lines = data.splitn(2, |byte| *byte == b'\n');
    let (header, query) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let Some(query) = text(query) else { return };
    let request = http::Request::get(format!("/stream?{query}")).header("last-event-id", header);
    let Ok(request) = request.body(()) else { return };
    let last = 1_000;
    let begins = RUNTIME.block_on(ecs_notification::begins_behind(&mut request.into_parts().0, last));
    assert!(begins.is_none_or(|behind| behind <= last), "a stream begins at what there is");
    assert!(begins.is_none() || header.iter().all(u8::is_ascii_digit), "the header is a number, or refused");
});
