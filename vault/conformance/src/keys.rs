//! Keys of people.

use ecs_vault::Kept;
use futures::future::join_all;

use crate::{Harness, at, user};

/// Who comes second gets the key of who came first.
pub async fn a_key_is_kept_once<H: Harness>() {
    let harness = H::start().await;
    let vault = harness.vault();
    assert!(vault.kept(&[user(1)]).await.unwrap() == [Kept::Nothing]);
    assert!(vault.keep(user(1), b"first").await.unwrap() == Kept::Key(b"first".to_vec()));
    assert!(vault.keep(user(1), b"second").await.unwrap() == Kept::Key(b"first".to_vec()));
    assert!(vault.kept(&[user(1)]).await.unwrap() == [Kept::Key(b"first".to_vec())]);
}

/// All of them are told the same.
pub async fn of_keys_that_come_at_once_one_prevails<H: Harness>() {
    let harness = H::start().await;
    let vault = harness.vault();
    let keys: Vec<_> = (0..8u8).map(|n| vec![n; 60]).collect();
    let told = join_all(keys.iter().map(|key| vault.keep(user(1), key))).await;
    let kept = vault.kept(&[user(1)]).await.unwrap().pop().unwrap();
    assert!(keys.iter().any(|key| kept == Kept::Key(key.clone())));
    assert!(told.into_iter().all(|told| told.unwrap() == kept));
}

/// In the order in which they were asked for, twice if asked twice.
pub async fn many_are_asked_for_at_once<H: Harness>() {
    let harness = H::start().await;
    let vault = harness.vault();
    vault.keep(user(2), b"two").await.unwrap();
    vault.keep(user(1), b"one").await.unwrap();
    vault.destroy(user(4), at(0)).await.unwrap();
    let kept = vault.kept(&[user(4), user(2), user(3), user(1), user(2)]).await.unwrap();
    let [one, two] = [b"one", b"two"].map(|key| Kept::Key(key.to_vec()));
    assert!(kept == [Kept::Tombstone, two.clone(), Kept::Nothing, one, two]);
    assert!(vault.kept(&[]).await.unwrap().is_empty());
}

/// In the order of the ids, each once.
pub async fn keys_come_in_pages<H: Harness>() {
    let harness = H::start().await;
    let vault = harness.vault();
    for n in [3, 1, 5, 2, 4] {
        vault.keep(user(n), &[u8::try_from(n).unwrap()]).await.unwrap();
    }
    let mut seen = Vec::new();
    loop {
        let page = vault.keys(seen.last().map(|(user, _)| *user), 2).await.unwrap();
        if page.is_empty() {
            break;
        }
        seen.extend(page);
    }
    let expect: Vec<_> = (1..=5u8).map(|n| (user(n.into()), vec![n])).collect();
    assert!(seen == expect);
}

/// Whoever wraps it at the same time is not overwritten.
pub async fn a_key_is_wrapped_anew_only_as_it_was<H: Harness>() {
    let harness = H::start().await;
    let vault = harness.vault();
    vault.keep(user(1), b"old").await.unwrap();
    assert!(!vault.rewrap(user(1), b"other", b"new").await.unwrap());
    assert!(vault.rewrap(user(1), b"old", b"new").await.unwrap());
    assert!(!vault.rewrap(user(1), b"old", b"newer").await.unwrap());
    assert!(vault.kept(&[user(1)]).await.unwrap() == [Kept::Key(b"new".to_vec())]);
    assert!(!vault.rewrap(user(2), b"old", b"new").await.unwrap());
}

/// What was kept is there after a restart.
pub async fn reopening_keeps_keys_and_tombstones<H: Harness>() {
    let harness = H::start().await;
    harness.vault().keep(user(1), b"one").await.unwrap();
    harness.vault().destroy(user(2), at(0)).await.unwrap();
    harness.vault().keep_named("index", None, b"i").await.unwrap();
    let harness = harness.reopen().await;
    let vault = harness.vault();
    let kept = vault.kept(&[user(1), user(2)]).await.unwrap();
    assert!(kept == [Kept::Key(b"one".to_vec()), Kept::Tombstone]);
    assert_eq!(vault.tombstones(0, 10).await.unwrap().len(), 1);
    assert_eq!(vault.named("index").await.unwrap().as_deref(), Some(&b"i"[..]));
}
