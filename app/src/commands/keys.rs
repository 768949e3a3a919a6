//! `ecs keys new`: a key, and what the platform keeps of it.

use anyhow::Context as _;
use ecs_web::auth::service_keys::digest;

use super::{Outcome, say};
use crate::cli::access::NewKeyArgs;
use crate::data_dir::random_text;

/// What keys begin with, so that scanners of leaked secrets know one when they see it.
const PREFIX: &str = "ecsk_";
const KEY_BYTES: usize = 32;

pub(super) fn run(args: &NewKeyArgs) -> anyhow::Result<Outcome> {
    let key = format!("{PREFIX}{}", random_text(KEY_BYTES).context("the system gives no random bytes")?);
    say(&format!(
        "key, shown only now: {key}\n\nits entry in ECS_SERVICE_KEYS_FILE:\n\n{}",
        entry(args, &key)
    ));
    Ok(Outcome::Fine)
}

fn entry(args: &NewKeyArgs, key: &str) -> String {
    let text = |text: &str| toml::Value::String(text.to_owned());
    let permissions = args.permissions.iter().map(|permission| text(permission.as_str())).collect();
    let sha256 = hex::encode(digest(key.as_bytes()));
    let mut entry = format!("[[keys]]\nname = {}\nsha256 = {}\n", text(&args.name), text(&sha256));
    entry += &format!("permissions = {}\n", toml::Value::Array(permissions));
    if let Some(until) = args.until {
        entry += &format!("until = {}\n", text(&until.to_string()));
    }
    entry
}

#[cfg(test)]
mod tests {
    use ecs_domain::permission::Permission;

    use super::*;
    use crate::service_keys;

    #[test]
    fn an_entry_is_read_as_what_was_asked_for() {
        let args = NewKeyArgs {
            name: "a \"phone\"".to_owned(),
            permissions: vec![Permission::EmotionsWriteAny, Permission::ModelScore],
            until: Some("2027-11-20T00:00:00Z".parse().unwrap()),
        };
        let keys = service_keys::parse(&entry(&args, "ecsk_1")).unwrap();
        assert_eq!(keys.len(), 1);
        assert_eq!((keys[0].name.as_str(), keys[0].until), ("a \"phone\"", args.until));
        assert_eq!(keys[0].permissions, args.permissions.into_iter().collect());
        assert_eq!(keys[0].digest, digest(b"ecsk_1"));
    }
}
