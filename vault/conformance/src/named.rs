//! Keys of the deployment's.

use futures::future::join_all;

use crate::Harness;

/// Of those who come at the same time one prevails, and all are told which.
pub async fn a_named_key_is_kept_once<H: Harness>() {
    let harness = H::start().await;
    let vault = harness.vault();
    assert_eq!(vault.named("index").await.unwrap(), None);
    let keys: Vec<_> = (0..6u8).map(|n| vec![n]).collect();
    let told = join_all(keys.iter().map(|key| vault.keep_named("index", None, key))).await;
    let kept = vault.named("index").await.unwrap().unwrap();
    assert!(keys.contains(&kept));
    assert!(told.into_iter().all(|told| told.unwrap() == kept));
}

/// Whoever replaces it at the same time is not overwritten.
pub async fn a_named_key_is_replaced_only_as_it_was<H: Harness>() {
    let harness = H::start().await;
    let vault = harness.vault();
    vault.keep_named("index", None, b"old").await.unwrap();
    assert_eq!(vault.keep_named("index", Some(b"other"), b"new").await.unwrap(), b"old");
    assert_eq!(vault.keep_named("index", Some(b"old"), b"new").await.unwrap(), b"new");
    assert_eq!(vault.named("index").await.unwrap().as_deref(), Some(&b"new"[..]));
}

/// By the order of their names.
pub async fn old_named_keys_go<H: Harness>() {
    let harness = H::start().await;
    let vault = harness.vault();
    for name in ["salt/2026-09", "salt/2026-10", "salt/2026-11", "a", "tz"] {
        vault.keep_named(name, None, name.as_bytes()).await.unwrap();
    }
    let all: Vec<String> = vault.all_named().await.unwrap().into_iter().map(|(name, _)| name).collect();
    assert_eq!(all, ["a", "salt/2026-09", "salt/2026-10", "salt/2026-11", "tz"]);
    assert_eq!(vault.destroy_named("salt/", "salt/2026-11").await.unwrap(), 2);
    assert_eq!(vault.destroy_named("salt/", "salt/2026-11").await.unwrap(), 0);
    for (name, stays) in
        [("salt/2026-09", false), ("salt/2026-10", false), ("salt/2026-11", true), ("a", true), ("tz", true)]
    {
        assert_eq!(vault.named(name).await.unwrap().is_some(), stays, "{name}");
    }
    assert!(!harness.holds(b"salt/2026-09").await);
}
