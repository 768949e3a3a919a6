//! Who commands are: an operator with a short-lived token, signed with the platform's secret: the one that is set, or that of
//! the data folder.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use ecs_client::{Client, Credentials};
use ecs_domain::permission::Permission;
use ecs_domain::{Clock, UserId};
use ecs_tls::Roots;
use ecs_web::auth::{Changes, SecretKey, ServiceKeys, Tokens};
use ecs_web::{Auth, Identity, Secret};

use crate::data_dir::DataDir;
use crate::platform::reachable;
use crate::settings::{Mode, Settings};

/// Long enough for an import, short enough to be worthless when it leaks.
const TOKEN_LIFETIME: Duration = Duration::from_secs(60 * 60);

/// The id that the operator of a data folder acts under; no account has it.
pub const OPERATOR: UserId = UserId::new(uuid::Uuid::nil());

/// What this process verifies callers with: the settings' secrets, or in embedded mode those of the data folder.
pub fn auth(settings: &Settings, data: &DataDir, clock: Arc<dyn Clock>) -> anyhow::Result<Auth> {
    let (secret_key, internal_key) = keys(settings, data)?;
    let accepted: Result<Vec<_>, _> = settings.accepted_keys.iter().cloned().map(SecretKey::new).collect();
    let tokens = Tokens::with_keys(&SecretKey::new(secret_key)?, &accepted?);
    Ok(Auth { tokens, keys: ServiceKeys::new(internal_key), clock, changes: Changes::followed() })
}

/// A client of the platform for a command of the operator.
pub fn client(settings: &Settings, clock: &dyn Clock) -> anyhow::Result<Client> {
    let data = DataDir::new(&settings.data_dir);
    let url = url(settings, &data)?;
    Client::trusting(&url, &credentials(settings, &data, clock)?, || roots(settings))
}

/// A client that says nothing of who it is.
pub fn anonymous_client(settings: &Settings) -> anyhow::Result<Client> {
    let url = url(settings, &DataDir::new(&settings.data_dir))?;
    Client::trusting(&url, &Credentials::default(), || roots(settings))
}

/// Whom a command believes, where the platform speaks TLS.
fn roots(settings: &Settings) -> anyhow::Result<Roots> {
    settings.tls.roots_of_commands().context("TLS (ECS_TLS_ROOTS, ECS_TLS_CERTIFICATE)")
}

/// Where the platform is: as the settings say, else where the process that holds the data folder listens. Without a data folder
/// it is taken to be beside the command, under the same settings.
fn url(settings: &Settings, data: &DataDir) -> anyhow::Result<String> {
    if let Some(url) = &settings.url {
        return Ok(url.clone());
    }
    if !settings.uses_data_folder() {
        return Ok(format!("{}://{}", settings.tls.scheme(), reachable(settings.listen)));
    }
    data.running_at()?.with_context(|| {
        format!(
            "no platform runs over the data folder {}: start one with `ecs serve`, or name one with --url",
            settings.data_dir.display()
        )
    })
}

fn credentials(settings: &Settings, data: &DataDir, clock: &dyn Clock) -> anyhow::Result<Credentials> {
    let (secret_key, internal_key) = match keys(settings, data) {
        Ok((secret_key, internal_key)) => (Some(secret_key), Some(internal_key)),
        // A command against a platform elsewhere has its token and may have no keys at all.
        Err(_) if settings.token.is_some() => (None, settings.internal_key.clone()),
        Err(error) => return Err(error),
    };
    let token = match (&settings.token, secret_key) {
        (Some(token), _) => Some(token.clone()),
        (None, Some(key)) => Some(sign(key, clock)?),
        (None, None) => {
            anyhow::bail!("ECS_TOKEN must hold an operator's token, or SECRET_KEY the key to sign one")
        }
    };
    Ok(Credentials {
        internal_key: internal_key.map(|key| key.expose().to_owned()),
        token: token.map(|token| token.expose().to_owned()),
    })
}

fn sign(key: Secret, clock: &dyn Clock) -> anyhow::Result<Secret> {
    let operator = Identity::with(OPERATOR, Permission::ALL.iter().copied());
    let tokens = Tokens::new(&SecretKey::new(key)?);
    Ok(Secret::new(tokens.issue(&operator, clock.now(), TOKEN_LIFETIME)?))
}

fn keys(settings: &Settings, data: &DataDir) -> anyhow::Result<(Secret, Secret)> {
    match (&settings.secret_key, &settings.internal_key) {
        (Some(secret_key), Some(internal_key)) => Ok((secret_key.clone(), internal_key.clone())),
        (secret_key, internal_key) => {
            anyhow::ensure!(
                settings.mode == Mode::Embedded,
                "SECRET_KEY and INTERNAL_SERVICE_API_KEY must be set"
            );
            let kept = data.secrets()?;
            Ok((
                secret_key.clone().unwrap_or(kept.secret_key),
                internal_key.clone().unwrap_or(kept.internal_key),
            ))
        }
    }
}
