//! Pages in a query, as every list reads them.
#![no_main]

use ecs_fuzz::text;
use ecs_web::params::{Page, QueryParams};
use libfuzzer_sys::fuzz_target;
use serde::Deserialize;
use std::sync::LazyLock;
use tokio::runtime::Runtime;

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| tokio::runtime::Builder::new_current_thread().build().expect("there is a runtime"));

#[derive(Deserialize)]
struct Named {
    from: Option<String>,
    to: Option<String>,
}

fuzz_target!(|data: &[u8]| {
    let Some(query) = text(data) else { return };
    let Ok(request) = http::Request::get(format!("/list?{query}")).body(()) else { return };
    let mut parts = request.into_parts().0;
    RUNTIME.block_on(async {
        use axum::extract::FromRequestParts as _;
        if let Ok(page) = Page::from_request_parts(&mut parts, &()).await {
            assert!(page.page >= 1 && (1..=100).contains(&page.page_size), "{page:?}");
            assert!(page.offset() < u64::from(u32::MAX) * 100);
        }
        if let Ok(QueryParams(Named { from, to })) = QueryParams::from_request_parts(&mut parts, &()).await {
            let longest = [from, to].into_iter().flatten().map(|text| text.len()).max();
            // A byte that isn't UTF-8 becomes a character of three.
            assert!(longest.unwrap_or_default() <= query.len() * 3);
        }
    });
});
