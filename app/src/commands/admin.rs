//! `ecs admin create`: somebody who may do everything, on a running platform.

use std::io::Read as _;
use std::path::Path;

use anyhow::Context as _;
use ecs_client::Client;
use ecs_domain::UserId;
use ecs_domain::permission::Role;

use super::{Outcome, say};
use crate::cli::access::AdminArgs;
use crate::data_dir::random_text;
use crate::operator;
use crate::platform::SystemClock;
use crate::settings::Settings;

/// Enough for a password that nobody guesses, of letters and digits.
const PASSWORD_BYTES: usize = 16;

pub(super) async fn run(args: &AdminArgs, settings: &Settings) -> anyhow::Result<Outcome> {
    let client = operator::client(settings, &SystemClock)?;
    let (user, made) = match (&args.who.user, &args.who.email) {
        (Some(user), _) => (*user, None),
        (None, Some(email)) => register(&client, email, args.password_file.as_deref()).await?,
        (None, None) => anyhow::bail!("say who: --email ADDRESS or --user ID"),
    };
    client.change_access(user, &[Role::Admin.as_str()], &[]).await.context("can't make an admin")?;
    say(&format!("{user} is admin now"));
    if let Some(password) = made {
        say(&format!("password, shown only now: {password}"));
    }
    Ok(Outcome::Fine)
}

/// The new account, and its password if that was made here.
async fn register(
    client: &Client,
    email: &str,
    file: Option<&Path>,
) -> anyhow::Result<(UserId, Option<String>)> {
    let (password, made) = match file {
        Some(file) => (read(file)?, None),
        None => {
            let password = random_text(PASSWORD_BYTES).context("the system gives no random bytes")?;
            (password.clone(), Some(password))
        }
    };
    let account = client.register(email, &password).await.context("can't register the account")?;
    Ok((account.id, made))
}

/// The first line.
fn read(file: &Path) -> anyhow::Result<String> {
    let text = if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("the standard input can't be read")?;
        text
    } else {
        std::fs::read_to_string(file).with_context(|| format!("{} can't be read", file.display()))?
    };
    Ok(text.lines().next().unwrap_or_default().to_owned())
}
