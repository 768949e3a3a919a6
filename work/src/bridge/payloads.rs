//! Payloads on their way into an archive, where they stand sealed under the key of whom they are about, and out of one again.
//!
//! An archive outlives what the platform itself keeps. When somebody is erased their key is destroyed, and with it what every copy of
//! the archive says of them.

use std::collections::BTreeMap;

use bytes::Bytes;
use ecs_bus::{Delivery, Event};
use ecs_domain::UserId;
use ecs_vault::{Kept, Keyring, PersonKey, VaultError, is_sealed};

use super::Bridge;

/// What is done about the events of a batch.
#[derive(Default)]
pub(super) struct Sorted {
    /// They are copied, as they are to stand on the other side.
    pub(super) copied: Vec<Delivery>,
    /// They are left out, for their people were erased.
    pub(super) erased: Vec<Delivery>,
    /// They can't be read here, and why.
    pub(super) unreadable: Vec<(Delivery, String)>,
}

/// Sorts a batch, and seals or opens what is copied.
pub(super) async fn sort(bridge: &Bridge, batch: Vec<Delivery>) -> Result<Sorted, VaultError> {
    let mut sorted = Sorted::default();
    let Some(keyring) = &bridge.keyring else {
        let (sealed, plain) = batch.into_iter().partition(|delivery| is_sealed_payload(&delivery.event));
        let why = "its payload stands sealed, and no vault is found here (ECS_VAULT_URL)";
        sorted.unreadable =
            Vec::from_iter(sealed).into_iter().map(|delivery| (delivery, why.to_owned())).collect();
        sorted.copied = plain;
        return Ok(sorted);
    };
    let mut users: Vec<UserId> = batch.iter().map(|delivery| delivery.event.key).collect();
    users.sort_unstable();
    users.dedup();
    let erased = erased(keyring, &users).await?;
    let keys = match bridge.plan.archive {
        Some(_) => keys(keyring, users.iter().filter(|user| erased.binary_search(user).is_err())).await?,
        None => keyring.known(&users).await?.into_iter().flatten().map(|key| (key.user(), key)).collect(),
    };
    for mut delivery in batch {
        let event = &mut delivery.event;
        if erased.binary_search(&event.key).is_ok() {
            sorted.erased.push(delivery);
            continue;
        }
        let key = keys.get(&event.key);
        let turned = match bridge.plan.archive {
            Some(_) => sealed(event, key),
            None => opened(event, key),
        };
        match turned {
            Ok(payload) => {
                event.payload = payload;
                sorted.copied.push(delivery);
            }
            Err(error) => sorted.unreadable.push((delivery, error.to_string())),
        }
    }
    Ok(sorted)
}

/// Those of these people who were erased, in their order.
async fn erased(keyring: &Keyring, users: &[UserId]) -> Result<Vec<UserId>, VaultError> {
    let kept = keyring.vault().kept(users).await?;
    let erased = users.iter().zip(kept).filter(|(_, kept)| *kept == Kept::Tombstone);
    Ok(erased.map(|(user, _)| *user).collect())
}

/// The keys of these people, made where there are none.
async fn keys(
    keyring: &Keyring,
    users: impl Iterator<Item = &UserId>,
) -> Result<BTreeMap<UserId, PersonKey>, VaultError> {
    let mut keys = BTreeMap::new();
    for user in users {
        match keyring.person(*user).await {
            Ok(key) => drop(keys.insert(*user, key)),
            // Just now: what is left of them without a key can't be sealed, and comes again to be left out.
            Err(VaultError::Erased) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(keys)
}

fn sealed(event: &Event, key: Option<&PersonKey>) -> Result<Bytes, VaultError> {
    let key = key.ok_or(VaultError::Erased)?;
    // Whoever fills an archive from another one finds it sealed already.
    if is_sealed_payload(event) {
        return Ok(event.payload.clone());
    }
    Ok(key.seal(&about(event), &event.payload)?.into())
}

fn opened(event: &Event, key: Option<&PersonKey>) -> Result<Bytes, VaultError> {
    if !is_sealed_payload(event) {
        return Ok(event.payload.clone());
    }
    let lost = || VaultError::Corrupt("the key to its payload is not there".to_owned());
    let text = std::str::from_utf8(&event.payload).map_err(|_| lost())?;
    Ok(key.ok_or_else(lost)?.open(&about(event), text)?.into())
}

/// A payload belongs to its event.
fn about(event: &Event) -> String {
    format!("{} {}", event.subject, event.id)
}

fn is_sealed_payload(event: &Event) -> bool {
    std::str::from_utf8(&event.payload).is_ok_and(is_sealed)
}
