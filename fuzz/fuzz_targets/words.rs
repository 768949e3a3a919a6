//! The words of the domain, which stand in paths, queries and bodies. What is read is written and read again alike.
#![no_main]

use std::fmt::{Debug, Display};
use std::str::FromStr;

use ecs_domain::permission::{Permission, Role};
use ecs_domain::{Money, OfferId, Rate, UserId, clock::parse_timestamp};
use ecs_fuzz::text;
use libfuzzer_sys::fuzz_target;

fn again<T: FromStr + Display + PartialEq + Debug>(text: &str) {
    if let Ok(read) = text.parse::<T>() {
        let written = read.to_string();
        assert_eq!(written.parse::<T>().ok(), Some(read), "{written}");
    }
}

fuzz_target!(|data: &[u8]| {
    let Some(text) = text(data) else { return };
    again::<UserId>(text);
    again::<OfferId>(text);
    again::<Money>(text);
    again::<Rate>(text);
    again::<Permission>(text);
    again::<Role>(text);
    if let Some(at) = parse_timestamp(text) {
        assert_eq!(parse_timestamp(&at.to_string()), Some(at));
    }
    let _ = text.parse::<ecs_domain::transaction::Currency>();
    let _ = text.parse::<ecs_domain::consent::Purpose>();
    let _ = text.parse::<ecs_domain::email::Email>();
});
