//! Decisions that the platform made, and new rows that say the same of others.

use ecs_domain::UserId;
use tokio_postgres::Row;
use uuid::Uuid;

use super::statements;
use crate::engines;

/// A decision without its ids.
pub(crate) struct Made {
    outcome: String,
    reason: Option<String>,
    risk_score: f64,
    model_version: String,
    model_digest: String,
    policy_version: String,
    policy_digest: String,
    features: String,
    contributions: String,
    record: Option<String>,
    digest: Option<Vec<u8>>,
    offer: Option<(i64, i64, String)>,
}

/// Some of the decisions in a database.
pub(crate) async fn made(url: &str) -> anyhow::Result<Vec<Made>> {
    let rows = engines::connect(url).await?.query(statements::MADE, &[]).await?;
    anyhow::ensure!(!rows.is_empty(), "the platform made no decision");
    rows.iter().map(read).collect()
}

fn read(row: &Row) -> anyhow::Result<Made> {
    let (limit, rate): (Option<i64>, Option<i64>) = (row.try_get(11)?, row.try_get(12)?);
    let kind: Option<String> = row.try_get(13)?;
    Ok(Made {
        outcome: row.try_get(0)?,
        reason: row.try_get(1)?,
        risk_score: row.try_get(2)?,
        model_version: row.try_get(3)?,
        model_digest: row.try_get(4)?,
        policy_version: row.try_get(5)?,
        policy_digest: row.try_get(6)?,
        features: row.try_get(7)?,
        contributions: row.try_get(8)?,
        record: row.try_get(9)?,
        digest: row.try_get(10)?,
        offer: limit.zip(rate).zip(kind).map(|((limit, rate), kind)| (limit, rate, kind)),
    })
}

/// What is written about one batch, column by column.
#[derive(Default)]
pub(super) struct Columns<'a> {
    pub(super) ids: Vec<Uuid>,
    pub(super) users: Vec<Uuid>,
    pub(super) outcomes: Vec<&'a str>,
    pub(super) reasons: Vec<Option<&'a str>>,
    pub(super) offer_ids: Vec<Option<Uuid>>,
    pub(super) risk_scores: Vec<f64>,
    pub(super) model_versions: Vec<&'a str>,
    pub(super) model_digests: Vec<&'a str>,
    pub(super) policy_versions: Vec<&'a str>,
    pub(super) policy_digests: Vec<&'a str>,
    pub(super) features: Vec<&'a str>,
    pub(super) contributions: Vec<&'a str>,
    pub(super) records: Vec<Option<&'a str>>,
    pub(super) digests: Vec<Option<&'a [u8]>>,
    pub(super) offers: Offers<'a>,
}

/// The offers of those who are approved.
#[derive(Default)]
pub(super) struct Offers<'a> {
    pub(super) ids: Vec<Uuid>,
    pub(super) users: Vec<Uuid>,
    pub(super) limits: Vec<i64>,
    pub(super) rates: Vec<i64>,
    pub(super) kinds: Vec<&'a str>,
}

impl<'a> Columns<'a> {
    /// One decision after the other that was made, now about these people.
    pub(super) fn new(users: &[UserId], made: &'a [Made], first: usize) -> Self {
        let mut columns = Self::default();
        for (user, made) in users.iter().zip(made.iter().cycle().skip(first % made.len().max(1))) {
            columns.push(user.uuid(), made);
        }
        columns
    }

    fn push(&mut self, user: Uuid, made: &'a Made) {
        self.ids.push(Uuid::now_v7());
        self.users.push(user);
        self.outcomes.push(&made.outcome);
        self.reasons.push(made.reason.as_deref());
        self.offer_ids.push(made.offer.as_ref().map(|offer| self.offers.push(user, offer)));
        self.risk_scores.push(made.risk_score);
        self.model_versions.push(&made.model_version);
        self.model_digests.push(&made.model_digest);
        self.policy_versions.push(&made.policy_version);
        self.policy_digests.push(&made.policy_digest);
        self.features.push(&made.features);
        self.contributions.push(&made.contributions);
        self.records.push(made.record.as_deref());
        self.digests.push(made.digest.as_deref());
    }
}

impl<'a> Offers<'a> {
    /// Returns the offer's id.
    fn push(&mut self, user: Uuid, (limit, rate, kind): &'a (i64, i64, String)) -> Uuid {
        let id = Uuid::now_v7();
        self.ids.push(id);
        self.users.push(user);
        self.limits.push(*limit);
        self.rates.push(*rate);
        self.kinds.push(kind);
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::population::user;

    fn example(outcome: &str, offer: Option<(i64, i64, String)>) -> Made {
        let text = |what: &str| format!("{outcome} {what}");
        Made {
            outcome: outcome.to_owned(),
            reason: offer.is_none().then(|| text("reason")),
            risk_score: 0.5,
            model_version: text("model"),
            model_digest: text("model digest"),
            policy_version: text("policy"),
            policy_digest: text("policy digest"),
            features: text("features"),
            contributions: text("contributions"),
            record: Some(text("record")),
            digest: Some(vec![1; 32]),
            offer,
        }
    }

    #[test]
    fn everybody_gets_one_of_the_decisions_in_turn_and_its_offer_if_it_has_one() {
        let made =
            [example("denied", None), example("approved", Some((500_000, 1425, "SHORT_TERM".to_owned())))];
        let check = |users: u32, first: usize, expect: &[&str]| {
            let users: Vec<UserId> = (0..users).map(user).collect();
            let columns = Columns::new(&users, &made, first);
            assert_eq!(columns.outcomes, expect, "{first}");
            assert_eq!(columns.users, users.iter().map(|user| user.uuid()).collect::<Vec<_>>());
            let offered: Vec<Uuid> = columns.offer_ids.iter().flatten().copied().collect();
            assert_eq!(columns.offers.ids, offered);
            assert_eq!(offered.len(), expect.iter().filter(|outcome| **outcome == "approved").count());
            assert!(
                columns
                    .reasons
                    .iter()
                    .zip(expect)
                    .all(|(reason, outcome)| { reason.is_some() == (*outcome == "denied") })
            );
        };
        check(0, 0, &[]);
        check(3, 0, &["denied", "approved", "denied"]);
        check(2, 1, &["approved", "denied"]);
        check(2, 4, &["denied", "approved"]);
    }
}
