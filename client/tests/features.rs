//! What the simulator says that the platform would see is what the platform's store does see of the same events.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use ecs_client::simulate::population::{Content, Event, Mix, Population, Window};
use ecs_client::simulate::{Outcome, asked_at, joined_at};
use ecs_domain::consent::ConsentRule;
use ecs_domain::emotion::{EmotionEvent, EmotionKind, Metrics, StressThreshold, Unit};
use ecs_domain::features::Features;
use ecs_domain::transaction::Transaction;
use ecs_domain::{EventId, TransactionId, UserId};
use ecs_store::{EmotionRules, Folds, NewUser, Users};
use ecs_store_sqlite::{Options, SqliteStore};
use ecs_vault::Keyring;
use uuid::Uuid;

/// Longer than the windows of a decision, so that events fall out of them.
fn window() -> Window {
    Window::new("2026-08-20".parse().unwrap(), "2026-10-08".parse().unwrap()).unwrap()
}

fn unit(fraction: f64) -> Unit {
    Unit::new(fraction).unwrap()
}

/// Everything that one person does, as the folds take it.
fn events(population: &Population, number: usize, user: UserId) -> (Vec<EmotionEvent>, Vec<Transaction>) {
    let (mut emotions, mut transactions) = (Vec::new(), Vec::new());
    for (place, Event { at, content, .. }) in population.events_of(number, window()).enumerate() {
        let id = EventId::new(Uuid::from_u128(((number as u128) << 64) + place as u128));
        match content {
            Content::Emotion { kind, positivity, intensity, stress } => emotions.push(EmotionEvent {
                id,
                user,
                occurred_at: at,
                kind: EmotionKind::new(kind.to_owned()).unwrap(),
                metrics: Metrics {
                    positivity: unit(positivity),
                    intensity: unit(intensity),
                    stress: unit(stress),
                },
            }),
            Content::Transaction { amount, .. } => transactions.push(Transaction {
                id: TransactionId::from(id),
                user,
                amount,
                currency: "BRL".parse().unwrap(),
                occurred_at: at,
                merchant: None,
                category: None,
                channel: None,
                client_id: None,
            }),
        }
    }
    (emotions, transactions)
}

async fn by_the_store(store: &SqliteStore, population: &Population, number: usize) -> Features {
    let user = UserId::new(Uuid::from_u128(0x5eed_0000_0000_4000_8000_0000_0000_0000 + number as u128));
    let now = asked_at(window());
    let rules = EmotionRules {
        consent: ConsentRule::Assumed,
        stress: StressThreshold(unit(0.7)),
        raw_floor: "2026-08-01".parse().unwrap(),
    };
    let joined = NewUser {
        id: user,
        email: format!("user{number}@example.com").parse().unwrap(),
        password_hash: String::new(),
        now: joined_at(population.people()[number].tenure_days, window()),
    };
    store.register(joined, None).await.unwrap();
    let (emotions, transactions) = events(population, number, user);
    store.fold_emotions(&emotions, rules, now).await.unwrap();
    store.fold_transactions(&transactions, now).await.unwrap();
    store.features(user, now).await.unwrap().unwrap().features
}

#[tokio::test]
async fn the_simulator_sees_what_the_platform_sees() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let store = SqliteStore::open(path, Keyring::in_memory(), Options::default()).unwrap();
    // Many who came lately: of them there are some without a transaction or an emotion.
    let mix: Mix = "steady-earner=1,new-arrival=4,fraudster=1".parse().unwrap();
    let population = Population::new(3, 60, &mix);
    let (mut without_transactions, mut with_emotions) = (0, 0);
    for number in 0..60 {
        let said = Outcome::of(&population, number, window()).unwrap().features;
        let seen = by_the_store(&store, &population, number).await;
        without_transactions += usize::from(seen.days_since_last_transaction.is_none());
        with_emotions += usize::from(seen.emotions.is_some_and(|emotions| emotions.means_7d.is_some()));
        // Sums of money are added in another order; a mean may differ in its last bit.
        let apart = (said.avg_transaction_value_30d - seen.avg_transaction_value_30d).abs();
        assert!(apart <= 1e-12 * seen.avg_transaction_value_30d, "person {number}: {apart}");
        let rest = Features { avg_transaction_value_30d: seen.avg_transaction_value_30d, ..said };
        assert!(rest == seen, "person {number} is not seen as it is said");
    }
    assert!(without_transactions > 0 && with_emotions > 30, "{without_transactions}, {with_emotions}");
}
