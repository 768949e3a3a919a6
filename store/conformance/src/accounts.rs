//! Accounts.

use ecs_domain::Email;
use ecs_store::{Provision, StoreError};
use futures::future::join_all;

use crate::Harness;
use crate::fixtures::{new_user, now, user};

/// An account that was made is found by its id.
pub async fn registering_makes_an_account<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    assert_eq!(store.user(user(1)).await.unwrap(), None);
    let made = store.register(new_user(1, "ana@example.com"), None).await.unwrap();
    assert_eq!(made.email.as_ref().map(Email::as_str), Some("ana@example.com"));
    assert_eq!(store.user(user(1)).await.unwrap(), Some(made));
}

/// The same address in another case is the same address.
pub async fn an_address_is_taken_once_whatever_its_case<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    store.register(new_user(1, "ana@example.com"), None).await.unwrap();
    let refused = store.register(new_user(2, "Ana@Example.COM"), None).await.unwrap_err();
    assert!(matches!(refused, StoreError::Taken("email")), "{refused}");
    assert_eq!(store.user(user(2)).await.unwrap(), None);
}

/// Log-in data exist for registered users only.
pub async fn credentials_are_for_those_with_a_password<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    store.register(new_user(1, "ana@example.com"), None).await.unwrap();
    store.provision(provision(2, None, Some("bia@example.com")), None).await.unwrap();
    let found = store.credentials(&"ANA@example.com".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!((found.user, found.password_hash.as_str()), (user(1), "hash of 1"));
    assert!(store.credentials(&"bia@example.com".parse().unwrap()).await.unwrap().is_none());
    assert!(store.credentials(&"eva@example.com".parse().unwrap()).await.unwrap().is_none());
}

/// A partner that sends the same user again gets the same user, unchanged.
pub async fn provisioning_is_idempotent_by_external_id<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    let first = store.provision(provision(1, Some("partner-7"), None), None).await.unwrap();
    assert!(first.created);
    let again =
        store.provision(provision(2, Some("partner-7"), Some("new@example.com")), None).await.unwrap();
    assert!(!again.created);
    assert_eq!(again.user, first.user);
    assert_eq!(store.user(user(2)).await.unwrap(), None);
}

/// An address belongs to who had it first.
pub async fn provisioning_does_not_take_an_address_over<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    store.register(new_user(1, "ana@example.com"), None).await.unwrap();
    let refused =
        store.provision(provision(2, Some("partner-7"), Some("ana@example.com")), None).await.unwrap_err();
    assert!(matches!(refused, StoreError::Taken("email")), "{refused}");
    assert!(store.provision(provision(2, Some("partner-7"), None), None).await.unwrap().created);
}

/// Sixteen registrations of one address at the same time make one account.
pub async fn of_many_registrations_at_once_one_wins<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    let all = join_all((0..16).map(|number| store.register(new_user(number, "ana@example.com"), None))).await;
    assert_eq!(all.iter().filter(|result| result.is_ok()).count(), 1);
    assert!(all.iter().all(|result| matches!(result, Ok(_) | Err(StoreError::Taken("email")))));
}

fn provision(number: u128, external_id: Option<&str>, email: Option<&str>) -> Provision {
    Provision {
        id: user(number),
        external_id: external_id.map(str::to_owned),
        email: email.map(|email| email.parse().unwrap()),
        now: now(),
    }
}
