//! What the platform has promised to those who called it, and whether it kept it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use ecs_client::check::{self, JournalReport};
use ecs_client::journal::{Entry, State};
use ecs_client::{Client, EventKey, Ledger};
use ecs_domain::{OfferId, UserId};

use crate::tally::Tally;

pub(crate) const PASSWORD: &str = "correct horse battery";

/// How many items a page may have.
const PAGE: u32 = 100;

/// Somebody whose registration was answered.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) user: UserId,
    pub(crate) email: String,
    /// In which life they registered. Later on, what they did since is in the aggregates.
    pub(crate) since: u64,
}

/// Everything that was promised since the disk was blank. The callers' own record: it survives every cut.
#[derive(Default)]
pub(crate) struct Promises(Mutex<Record>);

#[derive(Default)]
pub(crate) struct Record {
    journal: Vec<Entry>,
    pub(crate) people: Vec<Person>,
    /// Those of `people` that were seen to be there after a restart.
    known: usize,
    /// Offers that were read out to their users.
    offered: BTreeMap<OfferId, UserId>,
    /// Offers whose acceptance got its 202.
    accepted: BTreeSet<OfferId>,
    /// What the last look at the journal came to.
    last: JournalReport,
}

impl Promises {
    pub(crate) fn record(&self) -> MutexGuard<'_, Record> {
        self.0.lock().unwrap()
    }

    /// Whether nothing was sent or promised so far.
    pub(crate) fn is_empty(&self) -> bool {
        let record = self.record();
        record.journal.is_empty() && record.people.is_empty()
    }

    pub(crate) fn note(&self, state: State, ledger: Ledger, keys: impl IntoIterator<Item = EventKey>) {
        let entries = keys.into_iter().map(|key| Entry { state, ledger, key });
        self.record().journal.extend(entries);
    }

    pub(crate) fn offered(&self, user: UserId, offer: OfferId) {
        self.record().offered.insert(offer, user);
    }

    pub(crate) fn accepted(&self, offer: OfferId) {
        self.record().accepted.insert(offer);
    }

    /// Holds all of it against a platform that has caught up. Returns the complaints, an error when the platform can't be
    /// asked.
    pub(crate) async fn check(&self, client: &Client) -> anyhow::Result<Vec<String>> {
        let journal = self.record().journal.clone();
        let report = check::journal(&journal, client, Duration::ZERO).await?;
        let mut complaints = report.complaints();
        if report.accepted.counted != report.accepted.total {
            complaints.push(format!("not all that was accepted is counted: {:?}", report.accepted));
        }
        self.record().last = report;
        self.log_in(client, &mut complaints).await?;
        let people: Vec<UserId> = self.record().people.iter().map(|person| person.user).collect();
        let mut standing = BTreeMap::new();
        for user in people {
            standing.extend(credits(client, user, &mut complaints).await?);
        }
        let record = self.record();
        for offer in record.offered.keys().filter(|offer| !standing.contains_key(offer)) {
            complaints.push(format!("the offer {offer} was made, and nobody knows it"));
        }
        for offer in record.accepted.iter().filter(|offer| standing.get(offer) != Some(&true)) {
            complaints.push(format!("the offer {offer} was accepted, and is not active and notified"));
        }
        Ok(complaints)
    }

    /// Whoever was registered since the last check can log in.
    async fn log_in(&self, client: &Client, complaints: &mut Vec<String>) -> anyhow::Result<()> {
        let (people, known) = {
            let record = self.record();
            (record.people.clone(), record.known)
        };
        for person in people.iter().skip(known) {
            match client.login(&person.email, PASSWORD).await {
                Ok(_) => {}
                Err(error) if error.status() == Some(401) => {
                    complaints.push(format!("{} was registered, and nobody knows them", person.user));
                }
                Err(error) => return Err(error.into()),
            }
        }
        self.record().known = people.len();
        Ok(())
    }

    /// Adds what was promised to the sums, once all of it was found kept.
    pub(crate) fn settle_up(&self, tally: &mut Tally) {
        let record = self.record();
        tally.events += record.last.accepted.counted;
        tally.unanswered += record.last.unanswered.total;
        tally.unanswered_arrived += record.last.unanswered.arrived;
        tally.people += record.people.len() as u64;
        tally.offers += record.offered.len() as u64;
        tally.activated += record.accepted.len() as u64;
    }
}

/// A user's offers, and for each whether it is active and its user was told once. Complains of what can't be.
async fn credits(
    client: &Client,
    user: UserId,
    complaints: &mut Vec<String>,
) -> anyhow::Result<BTreeMap<OfferId, bool>> {
    let offers = match client.offers(user, 1, PAGE).await {
        Err(error) if error.status() == Some(404) => {
            complaints.push(format!("{user} was registered, and nobody knows them"));
            return Ok(BTreeMap::new());
        }
        answer => answer?,
    };
    let told = client.notifications(user, 1, PAGE).await?;
    let mut notified: BTreeMap<OfferId, u32> = BTreeMap::new();
    for offer in told.items.iter().filter_map(|notification| notification.offer_id) {
        *notified.entry(offer).or_default() += 1;
    }
    for (offer, times) in notified.iter().filter(|(_, times)| **times > 1) {
        complaints.push(format!("{user} was told {times} times of the offer {offer}"));
    }
    let mut standing = BTreeMap::new();
    for offer in offers.items {
        let active = offer.status == "active";
        let told = notified.remove(&offer.offer_id).is_some();
        if active != told {
            complaints.push(format!("the offer {} is {}, told: {told}", offer.offer_id, offer.status));
        }
        standing.insert(offer.offer_id, active && told);
    }
    complaints.extend(notified.keys().map(|offer| format!("{user} was told of {offer}, which isn't there")));
    Ok(standing)
}
