//! The command line of `ecs bridge`.

use std::convert::Infallible;
use std::num::NonZeroU16;

use clap::Args;
use ecs_bus::Subject;

use crate::settings::Address;

/// `ecs bridge`
#[derive(Debug, Args)]
pub struct BridgeArgs {
    /// The bus to copy from, written as in BUS_URL: nats://host:4222 for one, embedded: for the one in the data folder,
    /// embedded:FOLDER for one elsewhere; @FILE reads the address from a file, so that no password is on the command line
    #[arg(value_name = "FROM", value_parser = address)]
    pub from: Address,
    /// The bus to copy to
    #[arg(value_name = "TO", value_parser = address)]
    pub to: Address,
    /// A subject to copy; repeat it for several, leave it out for all
    #[arg(long = "subject", value_name = "NAME", value_parser = subject)]
    pub subjects: Vec<Subject>,
    /// Go on with what comes, until told to stop; else it ends when it has copied what was there at its start
    #[arg(long)]
    pub follow: bool,
    /// Fill an archive: emotion events stay out of it, and it forgets what is older than --keep-days
    #[arg(long, requires = "keep_days", conflicts_with = "unsettled")]
    pub archive: bool,
    /// For how many days an archive keeps what is copied
    #[arg(long, value_name = "DAYS", requires = "archive")]
    pub keep_days: Option<NonZeroU16>,
    /// Take over only what the platform has not worked on yet, instead of copying all that is kept
    #[arg(long)]
    pub unsettled: bool,
    /// The bridge's name: its progress is kept under it, so a bridge from the same bus to another one needs another name
    /// [default: bridge, and archive for an archive]
    #[arg(long, value_name = "NAME", value_parser = name, conflicts_with = "unsettled")]
    pub name: Option<String>,
    /// A setting for FROM alone, such as ECS_KAFKA_PREFIX=old.; repeat it for several
    #[arg(long, value_name = "NAME=VALUE", value_parser = super::pair)]
    pub from_set: Vec<(String, String)>,
    /// A setting for TO alone, such as ECS_BUS_REPLICAS=3
    #[arg(long, value_name = "NAME=VALUE", value_parser = super::pair)]
    pub to_set: Vec<(String, String)>,
    /// Show nothing while it runs
    #[arg(long)]
    pub quiet: bool,
    /// Print what was copied as JSON
    #[arg(long)]
    pub json: bool,
}

/// Takes anything: what can't be understood is refused later, without being repeated.
fn address(text: &str) -> Result<Address, Infallible> {
    Ok(Address::new(text))
}

fn subject(name: &str) -> Result<Subject, String> {
    Subject::parse(name).ok_or_else(|| {
        let all: Vec<&str> = Subject::ALL.iter().map(|subject| subject.as_str()).collect();
        format!("must be one of {}", all.join(", "))
    })
}

/// Transports make names of their own from it. A platform's group must not be met by chance.
fn name(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if !(1..=32).contains(&text.len()) || !text.bytes().all(plain) {
        return Err("must be 1 to 32 of a-z, 0-9 and -".to_owned());
    }
    match Subject::ALL.into_iter().any(|subject| subject.group().0 == text) {
        true => Err("is the name of a group of the platform".to_owned()),
        false => Ok(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_plain_and_no_group_of_the_platform() {
        let check = |text: &str, expect: bool| assert_eq!(name(text).is_ok(), expect, "{text}");
        check("bridge-2", true);
        check("", false);
        check("a.b", false);
        check(&"a".repeat(33), false);
        for subject in Subject::ALL {
            check(subject.group().0, false);
        }
    }
}
