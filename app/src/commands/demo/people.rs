//! The demo's people: one who is calm and earns, one who is under stress and hardly does.

use std::time::Duration;

use anyhow::Context as _;
use ecs_client::credit::Analysis;
use ecs_client::events::{Emotion, Transaction};
use ecs_client::{CallError, Client, EventKey, Fate, Ledger};
use ecs_domain::{Clock as _, Money, Timestamp, UserId};
use ecs_web::Auth;
use tokio::time::Instant;

use crate::commands::say;
use crate::platform::SystemClock;

/// How long the platform may take to show what it accepted.
const PATIENCE: Duration = Duration::from_secs(20);
const ASK_AGAIN: Duration = Duration::from_millis(20);

/// Somebody to log in as.
pub(super) struct Person {
    pub(super) name: &'static str,
    pub(super) email: &'static str,
    pub(super) user: UserId,
    pub(super) token: String,
}

struct Story {
    name: &'static str,
    email: &'static str,
    transactions: u32,
    /// Of each of them, in cents.
    cents: i64,
    emotion: &'static str,
    metrics: (f64, f64, f64),
}

const STORIES: [Story; 2] = [
    Story {
        name: "Ana",
        email: "ana@demo.example",
        transactions: 10,
        cents: 30_000,
        emotion: "calm",
        metrics: (0.85, 0.35, 0.1),
    },
    Story {
        name: "Bia",
        email: "bia@demo.example",
        transactions: 2,
        cents: 6_000,
        emotion: "overwhelmed",
        metrics: (0.1, 0.9, 0.97),
    },
];

/// Registers everybody, or finds them again, lets them live a little, and lets them apply for credit.
pub(super) async fn arrive(client: &Client, auth: &Auth, password: &str) -> anyhow::Result<Vec<Person>> {
    let mut people = Vec::new();
    for story in &STORIES {
        let person = enter(client, auth, story, password).await;
        let person = person.with_context(|| format!("{} can't enter", story.name))?;
        live(client, story, person.user).await.with_context(|| format!("{} can't send", story.name))?;
        apply(client, &person).await.with_context(|| format!("{} can't apply", story.name))?;
        people.push(person);
    }
    Ok(people)
}

async fn enter(client: &Client, auth: &Auth, story: &Story, password: &str) -> anyhow::Result<Person> {
    match client.register(story.email, password).await {
        Ok(_) | Err(CallError::Refused { status: 409, .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let session = client.login(story.email, password).await?;
    let token = session.access_token.expose().to_owned();
    let user = auth.tokens.verify(&token, SystemClock.now())?.user;
    Ok(Person { name: story.name, email: story.email, user, token })
}

/// Sends what the story tells, under ids that make a second start of the demo repeat nothing, and waits until it counts.
async fn live(client: &Client, story: &Story, user: UserId) -> anyhow::Result<()> {
    let now = SystemClock.now();
    let mut purchases = Vec::new();
    for n in 0..story.transactions {
        let id = format!("demo-purchase-{n}");
        purchases.push(EventKey::derive(user, &id, now));
        client.transaction(&purchase(story, user, id, now)).await?;
    }
    let mut feelings = Vec::new();
    for n in 0..5 {
        let id = format!("demo-feeling-{n}");
        feelings.push(EventKey::derive(user, &id, now));
        client.emotion(&feeling(story, user, id, now)).await?;
    }
    let deadline = Instant::now() + PATIENCE;
    counted(client, Ledger::Transactions, &purchases, deadline).await?;
    counted(client, Ledger::Emotions, &feelings, deadline).await
}

fn purchase(story: &Story, user: UserId, id: String, at: Timestamp) -> Transaction {
    Transaction {
        user,
        amount: Money::from_minor_units(story.cents),
        client_id: Some(id),
        currency: None,
        merchant: Some("Mercado".to_owned()),
        category: None,
        channel: None,
        at: Some(at),
    }
}

fn feeling(story: &Story, user: UserId, id: String, at: Timestamp) -> Emotion {
    let (positivity, intensity, stress) = story.metrics;
    Emotion { user, at, kind: story.emotion, positivity, intensity, stress, client_id: Some(id) }
}

async fn counted(
    client: &Client,
    ledger: Ledger,
    keys: &[EventKey],
    deadline: Instant,
) -> anyhow::Result<()> {
    loop {
        let fates = client.fates(ledger, keys).await?;
        if fates.iter().all(|fate| *fate == Fate::Counted) {
            return Ok(());
        }
        anyhow::ensure!(Instant::now() < deadline, "not all {ledger} were counted in {PATIENCE:?}");
        tokio::time::sleep(ASK_AGAIN).await;
    }
}

/// Applies, and when there is an offer accepts it and waits for the notification.
async fn apply(client: &Client, person: &Person) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let own = client.with_token(&person.token)?;
    let analysis: Analysis = own.analyse(person.user).await?;
    let Some(offer) = &analysis.offer else {
        say(&format!(
            "{} applied for credit and was denied: {}",
            person.name,
            analysis.reason.unwrap_or_default()
        ));
        return Ok(());
    };
    say(&format!(
        "{} applied for credit and was offered {} at {} % a year",
        person.name,
        offer.credit_limit.digits(),
        offer.interest_rate.digits()
    ));
    match own.accept(offer.offer_id, person.user).await {
        Ok(()) | Err(CallError::Refused { status: 409, .. }) => {}
        Err(error) => return Err(error.into()),
    }
    loop {
        let told = own.notifications(person.user, 1, 1).await?;
        if let Some(notification) = told.items.first() {
            say(&format!("{} accepted and reads: {}", person.name, notification.message));
            return Ok(());
        }
        anyhow::ensure!(Instant::now() < deadline, "no notification came in {PATIENCE:?}");
        tokio::time::sleep(ASK_AGAIN).await;
    }
}
