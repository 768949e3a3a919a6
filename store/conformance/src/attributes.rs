//! Coarse attributes, and the consent that they hang on.

use ecs_domain::attributes::Attributes;
use ecs_domain::consent::Purpose;
use ecs_store::{Store, StoredAttributes};

use crate::Harness;
use crate::fixtures::{after, now, register, user};

pub(crate) async fn say(store: &dyn Store, of: u128, purpose: Purpose, granted: bool) {
    store.set_consent(user(of), purpose, granted.into(), now()).await.unwrap();
}

pub(crate) fn told(age_band: &str, region: Option<&str>) -> Attributes {
    let region = region.map(|region| region.parse().unwrap());
    Attributes { age_band: Some(age_band.parse().unwrap()), region }
}

/// The last word holds, each user's for themselves.
pub async fn attributes_are_replaced_as_a_whole<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1, 2]).await;
    say(&*store, 1, Purpose::Demographics, true).await;
    assert_eq!(store.attributes(user(1)).await.unwrap(), None);
    for (second, attributes) in [(1, told("25-34", Some("BR-SP"))), (2, told("35-44", None))] {
        let kept = store.put_attributes(user(1), attributes, after(second)).await.unwrap();
        let expect = Some(StoredAttributes { attributes, updated_at: after(second) });
        assert_eq!(kept, expect);
        assert_eq!(store.attributes(user(1)).await.unwrap(), expect);
    }
    assert_eq!(store.attributes(user(2)).await.unwrap(), None);
    let of_all = store.attributes_of(&[2, 9, 1].map(user)).await.unwrap();
    assert_eq!(of_all, [(user(1), told("35-44", None))]);
    assert!(store.delete_attributes(user(1)).await.unwrap());
    assert!(!store.delete_attributes(user(1)).await.unwrap());
    assert_eq!(store.attributes(user(1)).await.unwrap(), None);
}

/// Silence is a no, and so is a yes to something else.
pub async fn without_consent_no_attributes_are_kept<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1, 2, 3]).await;
    say(&*store, 2, Purpose::Demographics, false).await;
    say(&*store, 3, Purpose::Research, true).await;
    say(&*store, 3, Purpose::EmotionAnalysis, true).await;
    for number in [1, 2, 3, 9] {
        let kept = store.put_attributes(user(number), told("65+", Some("BR")), now()).await.unwrap();
        assert_eq!(kept, None, "user {number}");
        assert_eq!(store.attributes(user(number)).await.unwrap(), None, "user {number}");
    }
}

/// What hangs on a consent goes with it, and another yes doesn't bring it back.
pub async fn attributes_go_with_their_consent<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1, 2]).await;
    for number in [1, 2] {
        say(&*store, number, Purpose::Demographics, true).await;
        store.put_attributes(user(number), told("18-24", None), now()).await.unwrap().unwrap();
    }
    say(&*store, 1, Purpose::Research, false).await;
    say(&*store, 1, Purpose::EmotionAnalysis, false).await;
    assert!(store.attributes(user(1)).await.unwrap().is_some(), "other purposes are no matter of theirs");
    say(&*store, 1, Purpose::Demographics, false).await;
    assert_eq!(store.attributes(user(1)).await.unwrap(), None);
    say(&*store, 1, Purpose::Demographics, true).await;
    assert_eq!(store.attributes(user(1)).await.unwrap(), None);
    assert!(store.attributes(user(2)).await.unwrap().is_some());
}
