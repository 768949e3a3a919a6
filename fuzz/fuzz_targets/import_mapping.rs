//! How a file is to be imported, as it is typed on the command line.
#![no_main]

use ecs_client::import::Mapping;
use ecs_fuzz::text;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Some(Ok(mapping)) = text(data).map(str::parse::<Mapping>) {
        assert!(!mapping.namespace.is_empty(), "{mapping:?}");
    }
});
