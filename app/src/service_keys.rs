//! The file of service keys: whose they are, what they may be used for and when. It is read again when it changes, so keys come and go
//! without a restart; while two of them are listed, both hold.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use ecs_domain::Timestamp;
use ecs_domain::permission::Permission;
use ecs_tls::looks::{Found, Looks};
use ecs_web::Auth;
use ecs_web::auth::service_keys::{PERMISSIONS, ServiceKey};
use ecs_work::{OnFailure, OnStop, Supervisor};
use serde::Deserialize;

/// How often the file is looked at.
const EVERY: Duration = Duration::from_secs(1);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    keys: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    sha256: String,
    permissions: Vec<String>,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
}

/// Takes in the keys of the file, and from then on whatever the file becomes. One that can't be understood ends the start; later it
/// is complained of, and the keys stay what they were.
pub(crate) fn follow(path: &Path, auth: &Arc<Auth>, supervisor: &Supervisor) -> anyhow::Result<()> {
    let text = read(path)?;
    auth.keys.replace(parse(&text).with_context(|| in_file(path))?);
    let (path, auth, stop) = (path.to_owned(), Arc::clone(auth), supervisor.token());
    let following = async move {
        stop.run_until_cancelled(watch(path, auth, text)).await;
        Ok::<(), std::convert::Infallible>(())
    };
    supervisor.spawn("service-keys", OnFailure::StopProcess, OnStop::Wait, following);
    Ok(())
}

async fn watch(path: PathBuf, auth: Arc<Auth>, known: String) {
    // A file that can't be read is told from one that can by why it can't.
    let mut looks = Looks::new(Ok(known));
    loop {
        tokio::time::sleep(EVERY).await;
        let text = read(&path).map_err(|error| format!("{error:#}"));
        if looks.found(text.clone()) != Found::New {
            continue;
        }
        let keys = text.and_then(|text| {
            parse(&text).with_context(|| in_file(&path)).map_err(|error| format!("{error:#}"))
        });
        match keys {
            Ok(keys) => {
                tracing::info!(keys = keys.len(), "the service keys were changed");
                auth.keys.replace(keys);
            }
            Err(error) => tracing::error!(error, "the service keys stay what they were"),
        }
    }
}

fn in_file(path: &Path) -> String {
    format!("ECS_SERVICE_KEYS_FILE {}", path.display())
}

fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| in_file(path))
}

/// The keys of a file's text.
pub(crate) fn parse(text: &str) -> anyhow::Result<Vec<ServiceKey>> {
    let file: File = toml::from_str(text)?;
    file.keys.into_iter().map(Entry::read).collect()
}

impl Entry {
    fn read(self) -> anyhow::Result<ServiceKey> {
        let Self { name, sha256, permissions, from, until } = self;
        let digest = hex::decode(&sha256).ok().and_then(|bytes| bytes.try_into().ok());
        let digest = digest.with_context(|| format!("{name}: sha256 must be 64 hexadecimal digits"))?;
        let permission = |text: &String| {
            let known = PERMISSIONS.into_iter().find(|permission| permission.as_str() == text);
            known.with_context(|| {
                let known = PERMISSIONS.map(Permission::as_str).join(", ");
                format!("{name}: {text:?} is nothing that keys are asked for; these are {known}")
            })
        };
        let permissions = permissions.iter().map(permission).collect::<anyhow::Result<_>>()?;
        Ok(ServiceKey { name, digest, permissions, from, until })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_or_refused_with_the_place() {
        let check = |text: &str, expect: Result<usize, &str>| match (parse(text), expect) {
            (Ok(keys), Ok(count)) => assert_eq!(keys.len(), count, "{text}"),
            (Err(error), Err(part)) => assert!(format!("{error:#}").contains(part), "{text}: {error:#}"),
            (got, _) => panic!("{text}: {got:?}"),
        };
        let entry =
            |sha256: &str, rest: &str| format!("[[keys]]\nname = \"phones\"\nsha256 = \"{sha256}\"\n{rest}");
        let digest = "0f".repeat(32);
        let may = "permissions = [\"emotions:write-any\"]\n";
        check("", Ok(0));
        check(&entry(&digest, may), Ok(1));
        check(&entry(&digest, &format!("{may}until = \"2027-01-01T00:00:00Z\"")), Ok(1));
        check(&entry(&digest, &format!("{may}until = \"soon\"")), Err("until"));
        check(&entry(&digest, ""), Err("permissions"));
        check(
            &entry(&digest, "permissions = [\"users:create\"]"),
            Err("phones: \"users:create\" is nothing"),
        );
        check(&entry(&digest[2..], may), Err("64 hexadecimal digits"));
        check(&entry(&"zz".repeat(32), may), Err("64 hexadecimal digits"));
        check(&entry(&digest, &format!("{may}key = \"plain\"")), Err("key"));
    }
}
