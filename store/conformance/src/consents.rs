//! Consent.

use ecs_domain::consent::{Consent, Purpose};
use ecs_store::StoreError;

use crate::Harness;
use crate::fixtures::{after, now, register, user};

const PURPOSE: Purpose = Purpose::EmotionAnalysis;

/// Silence, yes, no: the last word holds.
pub async fn what_was_said_last_holds<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1, 2]).await;
    assert_eq!(store.consent(user(1), PURPOSE).await.unwrap(), None);
    for (granted, seconds) in [(true, 0), (false, 1)] {
        let said = store.set_consent(user(1), PURPOSE, granted, after(seconds)).await.unwrap();
        assert_eq!(said, Consent { granted, updated_at: after(seconds) });
        assert_eq!(store.consent(user(1), PURPOSE).await.unwrap(), Some(said));
    }
    assert_eq!(store.consent(user(2), PURPOSE).await.unwrap(), None);
}

/// The time is that of the change.
pub async fn saying_the_same_again_keeps_its_time<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1]).await;
    let first = store.set_consent(user(1), PURPOSE, true, now()).await.unwrap();
    assert_eq!(store.set_consent(user(1), PURPOSE, true, after(60)).await.unwrap(), first);
    assert_eq!(store.consent(user(1), PURPOSE).await.unwrap(), Some(first));
}

/// Nothing is kept for nobody.
pub async fn consent_of_an_unknown_user_is_refused<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    let refused = store.set_consent(user(1), PURPOSE, true, now()).await.unwrap_err();
    assert!(matches!(refused, StoreError::Corrupt(_)), "{refused}");
    assert_eq!(store.consent(user(1), PURPOSE).await.unwrap(), None);
}
