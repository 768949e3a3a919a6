//! What pseudonyms are made with: a random salt for each period, which is destroyed when the period is over. Without it nobody can
//! tell whose a pseudonym was, not even by trying everybody's id.

use ecs_domain::anonymity::Pseudonym;
use ecs_domain::{Month, UserId};
use ecs_vault::{Keyring, VaultError};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// A salt. It is a secret.
pub(super) type Salt = [u8; 32];

/// What salts are called in the vault, before their month.
const NAMES: &str = "research-salt/";

/// The salt of a period, made when it is first asked for. Those of earlier periods are destroyed, and one that was destroyed is not
/// made again: one person has one pseudonym in a period.
pub(super) async fn of(keyring: &Keyring, period: Month) -> Result<Salt, VaultError> {
    // Whoever has begun the next period has destroyed this one's.
    if keyring.vault().named(&name(Month::of(period.end()))).await?.is_some() {
        return Err(VaultError::Unavailable("the clock is behind that of another process".to_owned()));
    }
    let salt = keyring.secret(&name(period)).await?;
    forget(keyring, period).await?;
    Ok(salt)
}

/// Destroys the salts of earlier periods.
pub(super) async fn forget(keyring: &Keyring, period: Month) -> Result<(), VaultError> {
    keyring.vault().destroy_named(NAMES, &name(period)).await.map(drop)
}

fn name(month: Month) -> String {
    format!("{NAMES}{month}")
}

/// Sets pseudonyms apart from whatever else a salt might be used for.
const LABEL: &[u8] = b"ecs/research/1";

/// Makes the pseudonyms of one export. A person has another one in each month that is exported: rows of several months don't add
/// up to somebody's history.
pub(super) struct Pseudonyms {
    mac: Hmac<Sha256>,
}

impl Pseudonyms {
    pub(super) fn new(salt: &Salt, month: Month) -> Result<Self, hmac::digest::InvalidLength> {
        let mac = Hmac::<Sha256>::new_from_slice(salt)?;
        Ok(Self { mac: mac.chain_update(LABEL).chain_update(month.to_string()) })
    }

    pub(super) fn of(&self, user: UserId) -> Pseudonym {
        let digest = self.mac.clone().chain_update(user.uuid().as_bytes()).finalize().into_bytes();
        let mut pseudonym = Pseudonym::default();
        pseudonym.iter_mut().zip(digest).for_each(|(byte, digested)| *byte = digested);
        pseudonym
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_salt_is_one_periods_and_does_not_come_back() {
        let [october, november] = ["2026-10", "2026-11"].map(|month| month.parse::<Month>().unwrap());
        let keyring = Keyring::in_memory();
        let first = of(&keyring, october).await.unwrap();
        assert_eq!(of(&keyring, october).await.unwrap(), first);
        let second = of(&keyring, november).await.unwrap();
        assert_ne!(first, second);
        assert!(keyring.vault().named("research-salt/2026-10").await.unwrap().is_none(), "it was destroyed");
        assert!(of(&keyring, october).await.is_err(), "and is not made again");
        assert_ne!(of(&Keyring::in_memory(), november).await.unwrap(), second);
    }

    #[test]
    fn a_pseudonym_is_one_persons_in_one_month_under_one_salt() {
        let [september, october] = ["2026-09", "2026-10"].map(|month| month.parse::<Month>().unwrap());
        let pseudonym = |salt: u8, month, user: u128| {
            Pseudonyms::new(&[salt; 32], month).unwrap().of(UserId::new(uuid::Uuid::from_u128(user)))
        };
        let one = pseudonym(1, october, 1);
        assert_eq!(pseudonym(1, october, 1), one);
        for other in [pseudonym(2, october, 1), pseudonym(1, september, 1), pseudonym(1, october, 2)] {
            assert_ne!(other, one);
        }
    }
}
