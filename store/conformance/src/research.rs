//! What people did in a month, and who of them is counted.

use ecs_domain::attributes::Attributes;
use ecs_domain::consent::Purpose;
use ecs_domain::measures::{Activity, MeanEmotions};
use ecs_domain::{Month, UserId};
use ecs_store::{ResearchPage, Store, Studied};

use crate::Harness;
use crate::attributes::{say, told};
use crate::fixtures::{approval, at, denial, emotion, new_decision, now, register, rules, transaction, user};

fn october() -> Month {
    "2026-10".parse().unwrap()
}

async fn everybody(store: &dyn Store) -> Vec<Studied> {
    let page = store.research_page(october(), None, 100).await.unwrap();
    assert_eq!(page.next, None);
    page.people
}

/// Exactly the month is counted: its first instant, and not the one behind its last.
pub async fn a_month_is_counted_from_its_first_instant_to_its_last<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1, 2]).await;
    for purpose in Purpose::ALL {
        say(&*store, 1, purpose, true).await;
    }
    store.put_attributes(user(1), told("25-34", Some("BR-SP")), now()).await.unwrap().unwrap();
    let times = [
        "2026-09-30T23:59:59.999999Z",
        "2026-10-01T00:00:00Z",
        "2026-10-31T23:59:59.999999Z",
        "2026-11-01T00:00:00Z",
    ];
    let bought = [(1, times[0], 90_000), (2, times[1], 1_050), (3, times[2], 2_049), (4, times[3], 90_000)];
    let bought = bought.map(|(id, time, cents)| transaction(1, id, time, cents));
    store.fold_transactions(&bought, now()).await.unwrap();
    let felt = [(times[0], 1.0), (times[1], 0.25), (times[2], 0.75), (times[3], 1.0)];
    let felt: Vec<_> =
        (1..).zip(felt).map(|(id, (time, stress))| emotion(1, id, time, [0.5, 0.5, stress])).collect();
    store.fold_emotions(&felt, rules(), now()).await.unwrap();
    // Apart from each other, for a decision stands for a while.
    let decided = [
        denial(1, 1, at("2026-09-30T23:50:00Z")),
        denial(1, 2, at("2026-10-01T00:00:00Z")),
        approval(1, 3, at("2026-10-09T12:00:00Z")),
        denial(1, 4, at("2026-10-31T23:50:00Z")),
        denial(1, 5, at("2026-11-01T00:00:00Z")),
    ];
    for decision in decided {
        assert!(!store.record_decision(new_decision(decision), None).await.unwrap().repeated);
    }
    let emotions = Some(MeanEmotions { positivity: 0.5, stress: 0.5 });
    let expect = Studied {
        user: user(1),
        attributes: told("25-34", Some("BR-SP")),
        activity: Activity { transactions: 2, spend: 30, emotions, approved: 1, denied: 2 },
    };
    assert_eq!(everybody(&*store).await, [expect]);
}

/// Silence is a no, and each purpose is one of its own.
pub async fn only_those_who_agree_are_counted<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), 1..=4).await;
    for number in 1..=4 {
        say(&*store, number, Purpose::Demographics, true).await;
        store.put_attributes(user(number), told("65+", None), now()).await.unwrap().unwrap();
        let felt = emotion(number, number, "2026-10-09T12:00:00Z", [0.5; 3]);
        store.fold_emotions(&[felt], rules(), now()).await.unwrap();
    }
    let counted = async || -> Vec<(UserId, bool, bool)> {
        let told = |studied: &Studied| studied.attributes != Attributes::default();
        let people = everybody(&*store).await;
        people.iter().map(|one| (one.user, told(one), one.activity.emotions.is_some())).collect()
    };
    assert_eq!(counted().await, []);
    for number in [1, 2, 3] {
        say(&*store, number, Purpose::Research, true).await;
    }
    say(&*store, 2, Purpose::EmotionAnalysis, true).await;
    say(&*store, 3, Purpose::EmotionAnalysis, false).await;
    assert_eq!(counted().await, [(user(1), true, false), (user(2), true, true), (user(3), true, false)]);
    say(&*store, 2, Purpose::Demographics, false).await;
    say(&*store, 1, Purpose::Research, false).await;
    assert_eq!(counted().await, [(user(2), false, true), (user(3), true, false)]);
}

/// Pages go on behind the last person of the one before, and the last one says so.
pub async fn people_come_in_pages<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), 1..=5).await;
    for number in 1..=5 {
        say(&*store, number, Purpose::Research, number != 3).await;
    }
    let mut pages = Vec::new();
    let mut after = None;
    loop {
        let ResearchPage { people, next } = store.research_page(october(), after, 2).await.unwrap();
        pages.push(people.into_iter().map(|one| one.user).collect::<Vec<_>>());
        after = next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(pages, [vec![user(1), user(2)], vec![user(4), user(5)], vec![]]);
}
