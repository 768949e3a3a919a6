//! What an application reads of whoever applies, for several of them at once.

use std::sync::Arc;

use ecs_domain::consent::{Consent, Purpose};
use ecs_domain::{Timestamp, UserId};
use ecs_store::{DecisionRow, FeatureSource, StoreError};
use uuid::Uuid;

use super::decisions::{self, Latest, statements};
use crate::column::micros;
use crate::consents;
use crate::engine::{Call, Fault, Primary, Session, Together, placed};
use crate::folds::features::{self, Windows};

/// What decisions about users are made of.
pub(crate) struct Applicants(pub(crate) Arc<Primary>);

/// Of whom, from when on a decision would stand, and now.
pub(crate) struct Applying {
    pub(super) user: UserId,
    pub(super) since: Timestamp,
    pub(super) now: Timestamp,
}

/// What there is of one of them, as it stands in the tables.
pub(crate) struct Found {
    pub(super) standing: Option<DecisionRow>,
    pub(super) latest: Latest,
    pub(super) features: Option<FeatureSource>,
    pub(super) consent: Option<Consent>,
}

impl Together for Applicants {
    type Call = Applying;
    type Answer = Result<Found, StoreError>;

    async fn together(&self, calls: &[Applying]) -> Result<Vec<Self::Answer>, StoreError> {
        let columns = &Columns::of(calls);
        self.0
            .run(Call::quick("credit.applicant"), |session| async move { columns.find(&session).await })
            .await
    }
}

/// Calls as parameters.
struct Columns {
    users: Vec<Uuid>,
    since: Vec<Timestamp>,
    now: Vec<Timestamp>,
    purposes: Vec<&'static str>,
    windows: Windows,
}

impl Columns {
    fn of(calls: &[Applying]) -> Self {
        Self {
            users: calls.iter().map(|call| call.user.uuid()).collect(),
            since: calls.iter().map(|call| micros(call.since)).collect(),
            now: calls.iter().map(|call| micros(call.now)).collect(),
            purposes: vec![Purpose::EmotionAnalysis.as_str(); calls.len()],
            windows: Windows::of(calls.iter().map(|call| (call.user, call.now))),
        }
    }

    async fn find(&self, session: &Session) -> Result<Vec<Result<Found, StoreError>>, Fault> {
        let mut flight = session.flight();
        let standing = flight.add(statements::LAST_OF, &[&self.users, &self.since]);
        let latest = flight.add(statements::FACTS_OF, &[&self.users, &self.now]);
        let features = flight.add(features::READ, &self.windows.params());
        let consent = flight.add(consents::GET_ALL, &[&self.users, &self.purposes]);
        let mut answers = flight.send().await?;
        let count = self.users.len();
        let standing = placed(count, &answers.take(standing).rows, decisions::read)?;
        let latest = placed(count, &answers.take(latest).rows, Latest::read)?;
        let features = placed(count, &answers.take(features).rows, features::read)?;
        let consent = placed(count, &answers.take(consent).rows, consents::read)?;
        let found = standing.into_iter().zip(latest).zip(features).zip(consent);
        Ok(found
            .map(|(((standing, latest), features), consent)| {
                Ok(Found {
                    standing: standing?,
                    latest: latest?.ok_or(Fault::UNANSWERED)?,
                    features: features?,
                    consent: consent?,
                })
            })
            .collect())
    }
}

/// The last decision of a user when it was made after an instant, as it stands in its row.
pub(super) async fn standing(
    session: &Session,
    user: UserId,
    since: Timestamp,
) -> Result<Option<DecisionRow>, Fault> {
    let (user, since) = (&vec![user.uuid()], &vec![micros(since)]);
    session.query(statements::LAST_OF, &[user, since]).await?.first().map(decisions::read).transpose()
}

/// What a policy must know of a user at an instant.
pub(super) async fn latest(session: &Session, user: UserId, now: Timestamp) -> Result<Latest, Fault> {
    let (user, now) = (&vec![user.uuid()], &vec![micros(now)]);
    let found = session.query(statements::FACTS_OF, &[user, now]).await?;
    Latest::read(found.first().ok_or(Fault::UNANSWERED)?)
}
