//! Keys that were destroyed.

use ecs_vault::Kept;
use futures::future::join_all;

use crate::{Harness, at, user};

/// The first time counts.
pub async fn a_tombstone_takes_the_place_of_a_key<H: Harness>() {
    let harness = H::start().await;
    let vault = harness.vault();
    vault.keep(user(1), b"one").await.unwrap();
    let first = vault.destroy(user(1), at(1)).await.unwrap();
    assert_eq!((first.number, first.user, first.at), (1, user(1), at(1)));
    assert_eq!(vault.destroy(user(1), at(2)).await.unwrap(), first);
    assert!(vault.kept(&[user(1)]).await.unwrap() == [Kept::Tombstone]);
    assert!(vault.keys(None, 10).await.unwrap().is_empty());
}

/// Neither one that comes later nor one that comes at the same time is left.
pub async fn a_tombstone_prevails_over_every_key<H: Harness>() {
    let harness = H::start().await;
    let vault = harness.vault();
    vault.destroy(user(1), at(0)).await.unwrap();
    assert!(vault.keep(user(1), b"late").await.unwrap() == Kept::Tombstone);
    for round in 2..12 {
        let (_, destroyed) =
            futures::join!(vault.keep(user(round), b"key"), vault.destroy(user(round), at(0)));
        destroyed.unwrap();
        assert!(vault.kept(&[user(round)]).await.unwrap() == [Kept::Tombstone]);
    }
    assert!(vault.keys(None, 100).await.unwrap().is_empty());
}

/// In pages, from any number on.
pub async fn tombstones_are_told_in_their_order<H: Harness>() {
    let harness = H::start().await;
    let vault = harness.vault();
    for n in [5, 3, 9] {
        vault.destroy(user(n), at(0)).await.unwrap();
    }
    let told = async |after, most| {
        let tombstones = vault.tombstones(after, most).await.unwrap();
        tombstones.into_iter().map(|it| (it.number, it.user)).collect::<Vec<_>>()
    };
    assert_eq!(told(0, 2).await, [(1, user(5)), (2, user(3))]);
    assert_eq!(told(2, 2).await, [(3, user(9))]);
    assert_eq!(told(3, 2).await, []);
}

/// While many are made, whoever reads on behind the last number sees each once.
pub async fn a_follower_of_tombstones_misses_none<H: Harness>() {
    let harness = H::start().await;
    let vault = harness.vault();
    let made = async {
        for round in 0..5u128 {
            let users = (1..=8).map(|n| user(round * 8 + n));
            join_all(users.map(|user| vault.destroy(user, at(0)))).await.into_iter().for_each(|it| {
                it.unwrap();
            });
        }
    };
    let followed = async {
        let mut numbers = Vec::new();
        while numbers.len() < 40 {
            let after = numbers.last().copied().unwrap_or_default();
            numbers.extend(vault.tombstones(after, 7).await.unwrap().into_iter().map(|it| it.number));
            futures::future::poll_fn(|context| {
                context.waker().wake_by_ref();
                std::task::Poll::Ready(())
            })
            .await;
        }
        numbers
    };
    let ((), numbers) = futures::join!(made, followed);
    assert_eq!(numbers, (1..=40).collect::<Vec<_>>());
}

/// Whoever gets the vault afterwards finds no byte of it.
pub async fn nothing_is_left_of_a_destroyed_key<H: Harness>() {
    let harness = H::start().await;
    let key = b"a-wrapped-key-that-nobody-else-has-0123456789";
    let vault = harness.vault();
    vault.keep(user(1), key).await.unwrap();
    vault.keep(user(2), b"another").await.unwrap();
    assert!(harness.holds(key).await);
    vault.destroy(user(1), at(0)).await.unwrap();
    assert!(!harness.holds(key).await);
    assert!(harness.holds(b"another").await);
}
