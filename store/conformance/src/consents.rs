//! Consent.

use ecs_domain::consent::{Consent, Locale, Purpose, Said, Shown};
use ecs_store::StoreError;
use futures::future::join_all;

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
        let said = store.set_consent(user(1), PURPOSE, granted.into(), after(seconds)).await.unwrap();
        assert_eq!(said, Consent { granted, shown: None, updated_at: after(seconds) });
        assert_eq!(store.consent(user(1), PURPOSE).await.unwrap(), Some(said));
    }
    assert_eq!(store.consent(user(2), PURPOSE).await.unwrap(), None);
}

/// Of many who ask at once each hears what was said by whom they ask for, to the purpose that they name.
pub async fn what_many_said_is_each_their_own<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    register(store, 1..=20).await;
    let granted = |of: u128| (!of.is_multiple_of(3)).then_some(of % 3 == 1);
    for of in 1..=20 {
        let Some(granted) = granted(of) else { continue };
        store.set_consent(user(of), PURPOSE, granted.into(), now()).await.unwrap();
    }
    let asked = (1..=21).flat_map(|of| [(of, PURPOSE), (of, Purpose::Research)]);
    let heard = join_all(asked.clone().map(|(of, purpose)| store.consent(user(of), purpose))).await;
    for ((of, purpose), heard) in asked.zip(heard) {
        let expect = granted(of).filter(|_| purpose == PURPOSE && of < 21);
        assert_eq!(heard.unwrap().map(|consent| consent.granted), expect, "{of}, {purpose:?}");
    }
}

/// The time is that of the change.
pub async fn saying_the_same_again_keeps_its_time<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1]).await;
    let first = store.set_consent(user(1), PURPOSE, true.into(), now()).await.unwrap();
    assert_eq!(store.set_consent(user(1), PURPOSE, true.into(), after(60)).await.unwrap(), first);
    assert_eq!(store.consent(user(1), PURPOSE).await.unwrap(), Some(first));
}

/// Each word is kept with the text that was shown; a repeated one is none, and one on another text is.
pub async fn what_was_said_is_kept_with_what_was_shown<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1, 2]).await;
    let shown = |version, locale| Some(Shown { version, locale });
    let says = [
        (true, shown(1, Locale::En)),
        (true, shown(1, Locale::En)),
        (true, None),
        (true, shown(1, Locale::PtBr)),
        (false, None),
        (true, shown(2, Locale::Es)),
    ];
    for (second, (granted, shown)) in (1..).zip(says) {
        store.set_consent(user(1), PURPOSE, Said { granted, shown }, after(second)).await.unwrap();
    }
    let said = |granted, shown, second| Consent { granted, shown, updated_at: after(second) };
    let expect = [
        said(true, shown(2, Locale::Es), 6),
        said(false, None, 5),
        said(true, shown(1, Locale::PtBr), 4),
        said(true, shown(1, Locale::En), 1),
    ];
    assert_eq!(store.consent_history(user(1), PURPOSE, 10).await.unwrap(), expect);
    assert_eq!(store.consent_history(user(1), PURPOSE, 2).await.unwrap(), expect[..2]);
    assert_eq!(store.consent(user(1), PURPOSE).await.unwrap(), Some(expect[0]));
    assert_eq!(store.consent_history(user(2), PURPOSE, 10).await.unwrap(), []);
}

/// Nothing is kept for nobody.
pub async fn consent_of_an_unknown_user_is_refused<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    let refused = store.set_consent(user(1), PURPOSE, true.into(), now()).await.unwrap_err();
    assert!(matches!(refused, StoreError::Corrupt(_)), "{refused}");
    assert_eq!(store.consent(user(1), PURPOSE).await.unwrap(), None);
}
