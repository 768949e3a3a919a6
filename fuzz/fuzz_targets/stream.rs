//! What a server may send to a client that follows notifications.
#![no_main]

use std::sync::LazyLock;

use bytes::Bytes;
use ecs_client::follow::{Following, Told};
use libfuzzer_sys::fuzz_target;
use tokio::runtime::Runtime;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_current_thread().enable_time().build().expect("there is a runtime")
});

fuzz_target!(|data: &[u8]| {
    let mut following = Following::of_bytes(Bytes::copy_from_slice(data));
    let mut told = 0;
    RUNTIME.block_on(async {
        while let Ok(Some(one)) = following.next().await {
            told += 1;
            if let Told::Notification(number, item) = one {
                assert!(format!("{number} {item:?}").len() < 10 * data.len() + 1_000);
            }
        }
    });
    // Every event ends with a blank line.
    assert!(told <= data.len() / 2);
});
