//! A person with something in every section of what is held on them.

use std::time::Duration;

use bytes::Bytes;
use ecs_domain::attributes::Attributes;
use ecs_domain::consent::{Locale, Purpose, Said, Shown};
use ecs_domain::permission::{Access, Permission, Role};
use ecs_domain::{EvaluationId, ExportId, WebhookId};
use ecs_store::{
    Claim, DeadLetterRow, DeliveryClaim, DeliveryFate, EmotionRules, LookEnd, NewExport, NewSession,
    NewWebhook, RightsChange, Store, WebhookAddress,
};
use uuid::Uuid;

use crate::dead_letters::letter;
use crate::fixtures::{
    after, approval, consent_required, denial, emotion, message, new_decision, new_user, now, offer_id,
    rules, session_id, transaction, user,
};
use crate::webhooks::{notification, settle};

const MORNING: &str = "2026-11-20T08:00:00.123456Z";
const MINUTE: Duration = Duration::from_secs(60);

/// Registers the `of`th user, and leaves something of theirs in every table. Whatever has a number has one from `of` hundred on.
pub async fn live(store: &dyn Store, of: u128) {
    crate::fixtures::register(store, [of]).await;
    feel_and_buy(store, of).await;
    borrow(store, of).await;
    hear(store, of).await;
    tell(store, of).await;
    be_looked_at(store, of).await;
    let access = Access::of([Role::Operator, Role::Analyst], [Permission::UsersReadAny]);
    let held = Permission::ALL.iter().copied().collect();
    let change = RightsChange { user: user(of), access, granter: user(99), held, now: after(3) };
    store.change_rights(change).await.unwrap();
    let password_hash = new_user(of, "ana@example.com").password_hash;
    let (id, now) = (session_id(of * 100), now());
    let session = NewSession { id, user: user(of), password_hash, now, expires_at: after(3_600) };
    store.begin_session(session).await.unwrap().unwrap();
    lose(store, of).await;
    let scope = format!("{} POST /v1/users/{{user_id}}/credit-analysis", user(of));
    let claim = Claim { scope, key: "order 7".to_owned(), holder: Uuid::from_u128(of) };
    store.begin_request(&claim, [1; 32], now, MINUTE).await.unwrap();
    let export = NewExport { id: export_id(of * 100), user: user(of), actor: user(of), keep: 3, now };
    store.request_export(export).await.unwrap();
}

/// The `number`th export.
#[must_use]
pub fn export_id(number: u128) -> ExportId {
    ExportId::new(Uuid::from_u128(0xec50_0000_0000_4000_8000_0000_0000_0000 + number))
}

/// Something is discarded before there is consent, something is counted, and of something only the id is kept.
async fn feel_and_buy(store: &dyn Store, of: u128) {
    let first = of * 100;
    let discarded = emotion(of, first, MORNING, [0.5; 3]);
    store.fold_emotions(&[discarded], consent_required(), now()).await.unwrap();
    let shown = Some(Shown { version: 1, locale: Locale::PtBr });
    for (second, said) in
        [(1, Said { granted: true, shown }), (2, false.into()), (3, Said { granted: true, shown })]
    {
        store.set_consent(user(of), Purpose::EmotionAnalysis, said, after(second)).await.unwrap();
    }
    let events = [
        emotion(of, first + 1, MORNING, [0.8, 0.25, 0.123_456_789]),
        emotion(of, first + 2, "2026-11-19T08:00:00Z", [1.0, 0.0, 0.9]),
    ];
    store.fold_emotions(&events, rules(), after(4)).await.unwrap();
    let late = EmotionRules { raw_floor: "2026-11-21".parse().unwrap(), ..rules() };
    let old = emotion(of, first + 3, "2026-10-01T08:00:00Z", [0.5; 3]);
    store.fold_emotions(&[old], late, after(4)).await.unwrap();
    let bought = [
        transaction(of, first + 10, MORNING, 1_230),
        transaction(of, first + 11, MORNING, 5),
        transaction(of, first + 12, "2026-11-19T08:00:00Z", 99_999_999_999_900),
    ];
    store.fold_transactions(&bought, after(4)).await.unwrap();
}

/// A denial that somebody has reviewed, an offer, and an acceptance that waits to be published.
async fn borrow(store: &dyn Store, of: u128) {
    store.record_decision(new_decision(denial(of, of * 100, now())), None).await.unwrap();
    let approval = approval(of, of * 100 + 1, after(600));
    store.record_decision(new_decision(approval), None).await.unwrap();
    let (offer, told) = (offer_id(of * 100 + 1), message(of, of * 100 + 20));
    store.accept_offer(user(of), offer, after(601), told, None).await.unwrap();
    crate::reviews::concluded(store, of, of * 100).await;
}

/// A webhook that a notification was sent to, and failed once.
async fn hear(store: &dyn Store, of: u128) {
    let id = WebhookId::new(Uuid::from_u128(0x40cc_0000_0000_4000_8000_0000_0000_0000 + of * 100));
    let at = WebhookAddress { url: format!("https://host{of}/hooks"), host: format!("host{of}") };
    let webhook = NewWebhook { id, user: user(of), at, secret: b"secret".to_vec(), now: after(1) };
    store.add_webhook(webhook, 3).await.unwrap();
    store.add_notifications(&[notification(of, of * 100 + 1)], after(2)).await.unwrap();
    let claim =
        DeliveryClaim { now: after(3), lease: MINUTE, most: 9, most_per_host: 9, busy_hosts: Vec::new() };
    for due in store.claim_deliveries(claim).await.unwrap() {
        settle(store, &due, DeliveryFate::Retry(after(100_000)), 4).await.unwrap();
    }
}

/// What a person tells of themselves, with their consent to it.
pub(crate) async fn tell(store: &dyn Store, of: u128) {
    store.set_consent(user(of), Purpose::Demographics, true.into(), now()).await.unwrap();
    let attributes = Attributes { region: Some("BR-SP".parse().unwrap()), ..Attributes::default() };
    assert!(store.put_attributes(user(of), attributes, now()).await.unwrap().is_some());
}

/// An evaluation that was asked for, with what their features were then.
async fn be_looked_at(store: &dyn Store, of: u128) {
    store.set_consent(user(of), Purpose::PreApproval, true.into(), after(5)).await.unwrap();
    // It was kept before, and is noted all the same.
    store.fold_transactions(&[transaction(of, of * 100 + 10, MORNING, 1_230)], after(5)).await.unwrap();
    for looked_at in store.claim_changed(9, after(5), MINUTE).await.unwrap() {
        let evaluation = EvaluationId::new(Uuid::from_u128(of * 100 + 40));
        let features = denial(of, 1, now()).features;
        let (again_at, message) = (after(86_400), message(of, of * 100 + 40));
        let end = LookEnd::Evaluate { evaluation, features, again_at, message };
        assert!(store.end_look(&looked_at, end).await.unwrap());
    }
}

/// Events that wait as dead letters: one of JSON over several lines, and one that is no text at all.
async fn lose(store: &dyn Store, of: u128) {
    let lost = |number: u128, payload: &'static [u8]| DeadLetterRow {
        key: user(of),
        payload: Bytes::from_static(payload),
        ..letter(of * 100 + number)
    };
    let letters = [lost(30, b"{\n  \"amount\": 12.30\n}"), lost(31, &[0xff, 0x00])];
    store.add_dead_letters(&letters).await.unwrap();
}
