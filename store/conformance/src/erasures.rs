//! People who want to be forgotten, and what stands sealed until then.

use ecs_domain::Tombstone;
use ecs_domain::consent::Purpose;
use ecs_domain::permission::{Access, Permission, Role};
use ecs_store::audit::{EntryFilter, FIRST, digest};
use ecs_store::{
    AcceptResult, DeadLetterRow, Erasure, ErasureAsked, ErasureDue, ErasureRequest, EventKey, Fate, Folded,
    Ledger, NewSession, Provision, Reached, RightsChange, RightsChanged, Store, StoreError,
};

use crate::Harness;
use crate::biography::{live, tell};
use crate::dead_letters::letter;
use crate::fixtures::{
    after, approval, day, emotion, first_page, make_offer, message, new_decision, new_user, now, offer_id,
    register, rules, session_id, transaction, user,
};

/// Neither addresses nor partners' ids, neither what a decision read nor why it fell as it did.
pub async fn what_is_personal_stands_sealed<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    store.register(new_user(1, "mark-address@example.com"), None).await.unwrap();
    let external_id = Some("mark-partner".to_owned());
    let email = Some("mark-other@example.com".parse().unwrap());
    let provision = Provision { id: user(2), external_id, email, now: now() };
    store.provision(provision, None).await.unwrap();
    store.record_decision(new_decision(approval(1, 1, now())), None).await.unwrap();
    store.set_consent(user(1), Purpose::EmotionAnalysis, true.into(), now()).await.unwrap();
    tell(&*store, 1).await;
    store.seal(after(1), 100).await.unwrap().unwrap();
    let everything = harness.everything().await;
    for mark in ["mark-", "BR-SP", "account_age", "log_odds", "\"granted\""] {
        assert!(!found(&everything, mark), "{mark}");
    }
    let told = store.entries(&EntryFilter::default(), None, 10).await.unwrap();
    assert!(told.iter().any(|entry| entry.after.contains("granted")), "whoever may read it does");
}

/// Whoever is known already, or wants what is taken, leaves no key behind.
pub async fn no_key_is_made_for_nobody<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    let external_id = || Some("partner-7".to_owned());
    let partners = |id| Provision { id: user(id), external_id: external_id(), email: None, now: now() };
    store.register(new_user(1, "ana@example.com"), None).await.unwrap();
    store.provision(partners(2), None).await.unwrap();
    store.provision(partners(3), None).await.unwrap();
    assert!(store.register(new_user(4, "Ana@example.com"), None).await.is_err());
    let email = Some("ana@example.com".parse().unwrap());
    assert!(
        store.provision(Provision { id: user(5), external_id: None, email, now: now() }, None).await.is_err()
    );
    let keys = harness.keyring().vault().keys(None, 10).await.unwrap();
    assert_eq!(keys.into_iter().map(|(user, _)| user).collect::<Vec<_>>(), [user(1), user(2)]);
}

/// What was written before there were keys is sealed piece by piece, and is the same afterwards.
pub async fn what_was_plain_is_sealed<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1, 2]).await;
    let decision = approval(1, 1, now());
    store.record_decision(new_decision(decision.clone()), None).await.unwrap();
    assert_eq!(store.seal_plain().await.unwrap(), 0);
    let features = ecs_store::decision_text::features_text(&decision.features).unwrap();
    let contributions =
        ecs_store::decision_text::contributions_text(&decision.assessment.contributions).unwrap();
    harness
        .run(&format!("UPDATE decisions SET features = '{features}', contributions = '{contributions}'"))
        .await;
    let plain =
        format!("UPDATE users SET email = 'mark@example.com', email_index = NULL WHERE id = '{}'", user(1));
    harness.run(&plain).await;
    let mut sealed = 0;
    while let rows @ 1.. = store.seal_plain().await.unwrap() {
        sealed += rows;
    }
    assert_eq!(sealed, 2);
    assert!(!found(&harness.everything().await, "mark@example.com"));
    let email = "mark@example.com".parse().unwrap();
    assert_eq!(store.credentials(&email).await.unwrap().unwrap().user, user(1));
    assert_eq!(store.user(user(1)).await.unwrap().unwrap().email, Some(email));
    assert_eq!(store.standing_decision(user(1), after(-1)).await.unwrap(), Some(decision));
}

/// With the request nobody logs in as them any more, and the address is free.
pub async fn a_request_ends_what_somebody_is_known_by<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1]).await;
    let email = store.user(user(1)).await.unwrap().unwrap().email.unwrap();
    let version = store.rights(user(1)).await.unwrap().unwrap().version;
    begin_session(&*store).await;
    let asked = under_way(store.request_erasure(request(1)).await.unwrap());
    assert_eq!((asked.user, asked.requested_at, asked.tombstone), (user(1), after(1), None));
    assert!(store.credentials(&email).await.unwrap().is_none());
    assert_eq!(store.end_sessions(user(1), after(2)).await.unwrap(), 0, "they were ended");
    assert!(store.rights(user(1)).await.unwrap().unwrap().version > version, "tokens hold no more");
    store.register(new_user(2, email.as_str()), None).await.unwrap();
    let told = store.entries(&EntryFilter::default(), None, 10).await.unwrap();
    let told = told.iter().find(|entry| entry.act == "erasure.requested").unwrap();
    assert_eq!((told.actor, told.subject.as_str()), (user(1).uuid(), user(1).to_string().as_str()));

    let later = ErasureRequest { now: after(9), ..request(1) };
    assert_eq!(under_way(store.request_erasure(later).await.unwrap()), asked, "once is enough");
    assert_eq!(store.erasure(asked.receipt).await.unwrap().as_ref(), Some(&asked));
    assert_eq!(store.erasure_of(user(1)).await.unwrap().as_ref(), Some(&asked));
    assert_eq!(store.erasures_due(ErasureDue::Deletion { swept_by: now() }, 10).await.unwrap(), [asked]);
    assert_eq!(store.request_erasure(request(7)).await.unwrap(), ErasureAsked::Unknown);
    assert_eq!(store.erasure(session_id(7)).await.unwrap(), None);
}

/// Whoever owes something is not forgotten by themselves.
pub async fn credit_stands_in_the_way_unless_it_goes_along<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1, 2]).await;
    make_offer(store.as_ref(), 1, 1, now()).await;
    make_offer(store.as_ref(), 2, 2, now()).await;
    store.accept_offer(user(1), offer_id(1), now(), message(1, 1), None).await.unwrap();
    assert_eq!(store.request_erasure(request(1)).await.unwrap(), ErasureAsked::HasCredit);
    assert!(store.user(user(1)).await.unwrap().unwrap().email.is_some(), "nothing has changed");
    under_way(store.request_erasure(request(2)).await.unwrap());
    let with_credit = ErasureRequest { by: user(9), with_credit: true, ..request(1) };
    under_way(store.request_erasure(with_credit).await.unwrap());
}

/// Of what they were offered before nothing can be accepted, and nothing more is decided or granted.
pub async fn whoever_is_being_erased_gets_nothing_more<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1]).await;
    make_offer(store.as_ref(), 1, 1, now()).await;
    store.set_consent(user(1), Purpose::Research, true.into(), now()).await.unwrap();
    under_way(store.request_erasure(request(1)).await.unwrap());
    let accepted = store.accept_offer(user(1), offer_id(1), after(2), message(1, 1), None).await.unwrap();
    assert_eq!(accepted, AcceptResult::Expired);
    let decided = store.record_decision(new_decision(approval(1, 2, after(900))), None).await;
    assert!(matches!(decided, Err(StoreError::Unavailable(_))), "{decided:?}");
    let held = Permission::ALL.iter().copied().collect();
    let access = Access::of([Role::Admin], []);
    let change = RightsChange { user: user(1), access, granter: user(9), held, now: after(3) };
    assert_eq!(store.change_rights(change).await.unwrap(), RightsChanged::Unknown);
    assert!(!store.consent(user(1), Purpose::Research).await.unwrap().unwrap().granted);
}

/// Somebody must be there who can give rights again.
pub async fn the_last_admin_is_not_erased<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1, 2]).await;
    let admin = |number| {
        let access = Access::of([Role::Admin], []);
        let held = Permission::ALL.iter().copied().collect();
        RightsChange { user: user(number), access, granter: user(9), held, now: now() }
    };
    store.change_rights(admin(1)).await.unwrap();
    assert_eq!(store.request_erasure(request(1)).await.unwrap(), ErasureAsked::LastAdmin);
    store.change_rights(admin(2)).await.unwrap();
    under_way(store.request_erasure(request(1)).await.unwrap());
    assert_eq!(store.request_erasure(request(2)).await.unwrap(), ErasureAsked::LastAdmin);
}

/// Of all that somebody has left in any table only the tombstone and the logs remain, and of others everything does.
pub async fn nothing_is_left_of_whoever_was_erased<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    for of in 1..=2 {
        live(&*store, of).await;
    }
    under_way(store.request_erasure(ErasureRequest { with_credit: true, ..request(1) }).await.unwrap());
    let rows = erase(&*store, tombstone(1, 1)).await;
    assert!(rows >= 30, "{rows} rows");
    assert_eq!(store.user(user(1)).await.unwrap(), None);
    let erasure = store.erasure_of(user(1)).await.unwrap().unwrap();
    assert_eq!((erasure.tombstone, erasure.rows), (Some(1), rows));
    let ids = [user(1).to_string(), user(1).uuid().simple().to_string()];
    for (table, text) in harness.everything().await {
        let may_name = ["erasures", "audit_entries", "changes", "decision_log"].contains(&table.as_str());
        assert!(may_name || !ids.iter().any(|id| text.contains(id)), "{table} still names them");
        assert!(!text.contains("host1"), "{table} still has what they said");
    }
    assert!(found(&harness.everything().await, "host2"));
    assert_eq!(store.offers(user(2), first_page()).await.unwrap().total, 2);
    assert!(store.features(user(2), after(60)).await.unwrap().is_some());
    assert!(!store.dead_letters(&Default::default(), None, 10).await.unwrap().is_empty());
}

/// A raw event that came while the first look was under way has no summary any more, and is found by the second.
pub async fn raw_events_are_found_by_themselves<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1, 2]).await;
    let events = [1, 2].map(|of| emotion(of, of, "2026-11-20T10:00:00Z", [0.5, 0.5, 0.5]));
    store.fold_emotions(&events, rules(), now()).await.unwrap();
    harness.run("DELETE FROM emotional_events_summary").await;
    assert_eq!(erase(&*store, tombstone(1, 1)).await, 2, "the event and the account");
    let left = harness.everything().await;
    let (_, raw) = left.iter().find(|(table, _)| table == "emotional_events").unwrap();
    assert_eq!(raw.matches("calm").count(), 1, "{raw}");
}

/// More rows than go at once.
pub async fn much_is_erased_piece_by_piece<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1]).await;
    let transactions: Vec<_> = (0..4_500).map(|id| transaction(1, id, "2026-11-20T10:00:00Z", 100)).collect();
    store.fold_transactions(&transactions, now()).await.unwrap();
    let first = store.erase(tombstone(1, 1)).await.unwrap();
    assert!(first.more && (1_000..4_500).contains(&first.rows), "{first:?}");
    assert_eq!(first.rows + erase(&*store, tombstone(1, 1)).await, 4_501);
    assert!(!store.erase(tombstone(1, 1)).await.unwrap().more);
}

/// No event, no notification and no letter of theirs leaves anything, whatever order it comes in.
pub async fn nothing_of_the_erased_is_taken_in<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1, 2]).await;
    erase(&*store, tombstone(1, 1)).await;
    let events = [1, 2].map(|of| emotion(of, of, "2026-11-20T10:00:00Z", [0.5, 0.5, 0.5]));
    let folded = store.fold_emotions(&events, rules(), now()).await.unwrap();
    assert_eq!(folded, [Folded::UnknownUser, Folded::Counted]);
    let theirs = [1, 2].map(|of| transaction(of, of, "2026-11-20T10:00:00Z", 100));
    let folded = store.fold_transactions(&theirs, now()).await.unwrap();
    assert_eq!(folded, [Folded::UnknownUser, Folded::Counted]);
    let keys = events.map(|event| EventKey { day: day("2026-11-20"), user: event.user, id: event.id });
    let fates = store.fates(Ledger::Emotions, &keys).await.unwrap();
    assert_eq!(fates, [Fate::Erased, Fate::Counted], "the books know why there is nothing");
    let letters = [1, 2].map(|of| DeadLetterRow { key: user(of), ..letter(of) });
    store.add_dead_letters(&letters).await.unwrap();
    let kept = store.dead_letters(&Default::default(), None, 10).await.unwrap();
    assert_eq!(kept.iter().map(|letter| letter.key).collect::<Vec<_>>(), [user(2)]);
}

/// A tombstone is heeded though nobody asked here: the request was made after this copy of the store.
pub async fn a_tombstone_from_elsewhere_is_heeded<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1]).await;
    erase(&*store, tombstone(7, 1)).await;
    assert_eq!(store.user(user(1)).await.unwrap(), None);
    let erasure = store.erasure_of(user(1)).await.unwrap().unwrap();
    assert_eq!((erasure.tombstone, erasure.requested_at), (Some(7), after(5)));
}

/// Whoever compares the store with a vault finds each of them once.
pub async fn the_erased_are_listed<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1, 2, 3, 4]).await;
    // A vault that was restored gives numbers out twice.
    for (number, of) in [(1, 3), (2, 1), (2, 4)] {
        erase(&*store, tombstone(number, of)).await;
        store.note_erasure(user(of), Reached::Swept, after(6)).await.unwrap();
    }
    // One that was not seen through is done again by whoever compares.
    store.erase(tombstone(9, 9)).await.unwrap();
    under_way(store.request_erasure(request(2)).await.unwrap());
    let asked = [user(4), user(2), user(9), user(1)];
    assert_eq!(store.erased_among(&asked).await.unwrap(), [user(1), user(4)]);
    assert_eq!(store.erased_people(None, 2).await.unwrap(), [user(1), user(3)]);
    assert_eq!(store.erased_people(Some(user(3)), 2).await.unwrap(), [user(4)]);
    assert_eq!(store.erased_people(Some(user(4)), 2).await.unwrap(), []);
}

/// The keys of another vault are told from those with which everything was sealed.
pub async fn a_store_knows_its_vault<H: Harness>() {
    let harness = H::start().await;
    assert!(harness.store().is_sealed_with([1; 32]).await.unwrap());
    assert!(!harness.store().is_sealed_with([2; 32]).await.unwrap());
    let harness = harness.reopen().await;
    assert!(harness.store().is_sealed_with([1; 32]).await.unwrap());
    assert!(!harness.store().is_sealed_with([2; 32]).await.unwrap());
}

/// Each stage is noted once, with its first time.
pub async fn an_erasure_tells_how_far_it_is<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1]).await;
    let asked = under_way(store.request_erasure(request(1)).await.unwrap());
    erase(&*store, tombstone(1, 1)).await;
    let stages: [(Reached, i64); 4] =
        [(Reached::Swept, 10), (Reached::Swept, 11), (Reached::Erased, 12), (Reached::Closed, 13)];
    for (reached, seconds) in stages {
        store.note_erasure(user(1), reached, after(seconds)).await.unwrap();
        let due = |swept_by| store.erasures_due(ErasureDue::Deletion { swept_by }, 10);
        let again = (due(after(9)).await.unwrap().len(), due(after(10)).await.unwrap().len());
        assert_eq!(again, if reached == Reached::Swept { (0, 1) } else { (0, 0) });
        let to_close = store.erasures_due(ErasureDue::Closing(after(12)), 10).await.unwrap();
        assert_eq!(to_close.len(), usize::from(reached == Reached::Erased));
    }
    let erasure = store.erasure(asked.receipt).await.unwrap().unwrap();
    let times = [erasure.swept_at, erasure.erased_at, erasure.closed_at];
    assert_eq!(times, [10, 12, 13].map(|seconds| Some(after(seconds))));
    for due in [ErasureDue::Deletion { swept_by: after(99) }, ErasureDue::Closing(after(99))] {
        assert_eq!(store.erasures_due(due, 10).await.unwrap(), []);
    }
}

/// The chain is over what nobody can read any more, so it holds when the key is gone.
pub async fn the_audit_log_outlives_whom_it_is_about<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1]).await;
    store.set_consent(user(1), Purpose::EmotionAnalysis, true.into(), now()).await.unwrap();
    let first = store.seal(after(1), 10).await.unwrap().unwrap();
    store.set_consent(user(1), Purpose::EmotionAnalysis, false.into(), after(2)).await.unwrap();
    harness.keyring().destroy(user(1), after(3)).await.unwrap();
    erase(&*store, tombstone(1, 1)).await;
    let second = store.seal(after(4), 10).await.unwrap().unwrap();
    let mut previous = FIRST;
    for batch in [first, second] {
        let entries = store.entries_of(Some(batch.number)).await.unwrap();
        assert_eq!(digest(batch.number, &previous, &entries), batch.digest);
        previous = batch.digest;
    }
    let told = store.entries(&EntryFilter::default(), None, 10).await.unwrap();
    assert_eq!(told.len(), 2);
    assert!(told.iter().all(|entry| entry.before == "null" && entry.after == "null"), "{told:?}");
    assert!(!found(&harness.everything().await, "granted"));
}

/// Whether any table has this text, as it is or in its bytes.
fn found(everything: &[(String, String)], mark: &str) -> bool {
    let bytes: String = mark.bytes().map(|byte| format!("{byte:02x}")).collect();
    everything.iter().any(|(_, text)| text.contains(mark) || text.contains(&bytes))
}

fn request(number: u128) -> ErasureRequest {
    ErasureRequest { user: user(number), by: user(number), with_credit: false, now: after(1) }
}

fn tombstone(number: u64, of: u128) -> Tombstone {
    Tombstone { number, user: user(of), at: after(5) }
}

fn under_way(asked: ErasureAsked) -> Erasure {
    match asked {
        ErasureAsked::UnderWay(erasure) => erasure,
        other => panic!("not taken: {other:?}"),
    }
}

/// Erases until nothing is left. Returns how many rows went.
async fn erase(store: &dyn Store, tombstone: Tombstone) -> u64 {
    let mut rows = 0;
    loop {
        let erased = store.erase(tombstone).await.unwrap();
        rows += erased.rows;
        if !erased.more {
            return rows;
        }
    }
}

async fn begin_session(store: &dyn Store) {
    let password_hash = new_user(1, "ana@example.com").password_hash;
    let new =
        NewSession { id: session_id(1), user: user(1), password_hash, now: now(), expires_at: after(3_600) };
    assert!(store.begin_session(new).await.unwrap().is_some());
}
