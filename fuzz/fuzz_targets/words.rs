//! The words of the domain, which stand in paths, queries and bodies. What is read is written and read again alike.
#![no_main]

use std::fmt::{Debug, Display};
use std::str::FromStr;

use ecs_domain::attributes::{AgeBand, Region};
use ecs_domain::permission::{Permission, Role};
use ecs_domain::{Money, Month, OfferId, Rate, UserId, clock::parse_timestamp};
use ecs_fuzz::text;
use libfuzzer_sys::fuzz_target;

fn again<T: FromStr + Display + PartialEq + Debug>(text: &str) {
    again_by::<T>(text, ToString::to_string);
}

fn again_by<T: FromStr + PartialEq + Debug>(text: &str, write: impl Fn(&T) -> String) {
    if let Ok(read) = text.parse::<T>() {
        let written = write(&read);
        assert_eq!(written.parse::<T>().ok(), Some(read), "{written}");
    }
}

fuzz_target!(|data: &[u8]| {
    let Some(text) = text(data) else { return };
    again::<UserId>(text);
    again::<OfferId>(text);
    again_by::<Money>(text, |money| money.digits());
    again_by::<Rate>(text, |rate| rate.digits());
    again::<Permission>(text);
    again::<Role>(text);
    again::<Month>(text);
    again::<Region>(text);
    again_by::<AgeBand>(text, |band| band.as_str().to_owned());
    let _ = text.parse::<ecs_web::peer::Network>();
    if let Some(at) = parse_timestamp(text) {
        assert_eq!(parse_timestamp(&at.to_string()), Some(at));
    }
    let _ = text.parse::<ecs_domain::transaction::Currency>();
    let _ = text.parse::<ecs_domain::consent::Purpose>();
    let _ = text.parse::<ecs_domain::email::Email>();
});
