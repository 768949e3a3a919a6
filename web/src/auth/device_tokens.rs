//! Device tokens: somebody has logged in from here before, under this user's password.
//!
//! They open nothing. Whoever guesses at a password without one is counted together with all others who do, so what they use up is not
//! the share of a device that its user has logged in from. Nothing of them is stored.

use std::time::Duration;

use ecs_domain::{Timestamp, UserId};
use uuid::Uuid;

use super::Auth;
use super::opaque::Opaque;

/// What device tokens begin with.
const PREFIX: &str = "ecsd_";
/// Sets the keys of these tokens apart from those of others, which come from the same secrets.
const LABEL: &str = "ecs/token/device/1";
/// A user, a device and seconds since 1970.
const TOLD: usize = 16 + 16 + 8;
/// How long a device is remembered from its last log-in on.
const REMEMBERED: Duration = Duration::from_secs(365 * 24 * 3600);

/// Makes and reads device tokens, under the secrets that access tokens are signed with.
#[derive(Clone)]
pub struct DeviceTokens(Opaque<TOLD>);

/// What a device token tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceToken {
    /// Who has logged in.
    pub user: UserId,
    /// From which device: a random number.
    pub device: Uuid,
}

impl DeviceTokens {
    /// Tokens that are made under the signing secret, and hold under the accepted ones, too.
    #[must_use]
    pub fn new(auth: &Auth) -> Self {
        Self(Opaque::new(PREFIX, auth.tokens.macs(LABEL)))
    }

    /// The token of a device whose user has logged in now.
    #[must_use]
    pub fn make(&self, token: DeviceToken, now: Timestamp) -> String {
        let mut told = [0; TOLD];
        told[..16].copy_from_slice(token.user.uuid().as_bytes());
        told[16..32].copy_from_slice(token.device.as_bytes());
        told[32..].copy_from_slice(&now.as_second().to_be_bytes());
        self.0.seal(&told)
    }

    /// What a token tells that was made under one of the secrets, within a year before `now`.
    #[must_use]
    pub fn read(&self, text: &str, now: Timestamp) -> Option<DeviceToken> {
        let told = self.0.open(text)?;
        let issued = Timestamp::from_second(i64::from_be_bytes(told[32..].try_into().ok()?)).ok()?;
        let age = Duration::try_from(now.duration_since(issued)).unwrap_or_default();
        let (user, device) = (Uuid::from_slice(&told[..16]).ok()?, Uuid::from_slice(&told[16..32]).ok()?);
        (age <= REMEMBERED).then_some(DeviceToken { user: UserId::new(user), device })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{SecretKey, Tokens};
    use crate::secret::Secret;

    const DEVICE: DeviceToken =
        DeviceToken { user: UserId::new(Uuid::from_u128(7)), device: Uuid::from_u128(8) };

    fn tokens(letter: &str) -> DeviceTokens {
        let key = SecretKey::new(Secret::new(letter.repeat(32))).unwrap();
        DeviceTokens(Opaque::new(PREFIX, Tokens::new(&key).macs(LABEL)))
    }

    #[test]
    fn a_device_is_known_for_a_year_and_only_under_our_key() {
        let made: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let text = tokens("a").make(DEVICE, made);
        let check = |letter: &str, text: &str, later: Duration, expect: Option<DeviceToken>| {
            assert_eq!(tokens(letter).read(text, made + later), expect, "{text} {later:?}");
        };
        check("a", &text, Duration::ZERO, Some(DEVICE));
        check("a", &text, REMEMBERED, Some(DEVICE));
        check("a", &text, REMEMBERED + Duration::from_secs(1), None);
        check("b", &text, Duration::ZERO, None);
        for made_up in ["", "ecsd_", &text[1..], &text[..text.len() - 1], &format!("{text}00")] {
            check("a", made_up, Duration::ZERO, None);
        }
        for at in PREFIX.len()..text.len() {
            let mut forged = text.clone().into_bytes();
            forged[at] = if forged[at] == b'0' { b'1' } else { b'0' };
            check("a", std::str::from_utf8(&forged).unwrap(), Duration::ZERO, None);
        }
    }
}
