//! What people did in a month. It may come from a replica; who agrees is asked of the primary, and afterwards.

use std::collections::HashMap;

use async_trait::async_trait;
use ecs_domain::attributes::Attributes;
use ecs_domain::consent::Purpose;
use ecs_domain::measures::{Activity, MeanEmotions};
use ecs_domain::{Month, UserId};
use ecs_store::{ATTRIBUTES_PURPOSE, Research, ResearchPage, StoreError, Studied, sealed};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::PostgresStore;
use crate::column::{count, get, limit};
use crate::engine::{Call, Fault, Session};

pub(crate) const PAGE: &str = "
SELECT c.user_id, a.value, t.transactions, t.spend, s.events, s.positivity, s.stress, d.approved, d.denied
FROM (SELECT user_id FROM consents WHERE purpose = 'research' AND granted AND user_id > $1::uuid
        ORDER BY user_id LIMIT $2) c
    LEFT JOIN user_attributes a ON a.user_id = c.user_id
    CROSS JOIN LATERAL (SELECT count(*) AS transactions,
            least(trunc(coalesce(sum(amount), 0)), 1000000000000000)::bigint AS spend
        FROM transactions WHERE user_id = c.user_id AND occurred_at >= $3::timestamptz AND occurred_at < $4::timestamptz) t
    CROSS JOIN LATERAL (SELECT coalesce(sum(event_count), 0)::bigint AS events,
            coalesce(sum(positivity_sum), 0)::double precision AS positivity,
            coalesce(sum(stress_sum), 0)::double precision AS stress
        FROM emotional_events_summary WHERE user_id = c.user_id AND summary_date >= $5::date AND summary_date < $6::date) s
    CROSS JOIN LATERAL (SELECT count(*) FILTER (WHERE outcome = 'approved') AS approved,
            count(*) FILTER (WHERE outcome = 'denied') AS denied
        FROM decisions WHERE user_id = c.user_id AND decided_at >= $3::timestamptz AND decided_at < $4::timestamptz) d
ORDER BY c.user_id";
pub(crate) const AGREED: &str =
    "SELECT user_id, purpose FROM consents WHERE user_id = ANY ($1::uuid[]) AND granted";

/// Nobody's own writes are waited for: a month that is over has been copied long ago.
const NOBODY: UserId = UserId::new(Uuid::nil());

#[async_trait]
impl Research for PostgresStore {
    async fn research_page(
        &self,
        month: Month,
        after: Option<UserId>,
        most: usize,
    ) -> Result<ResearchPage, StoreError> {
        let after = after.map_or_else(Uuid::nil, UserId::uuid);
        let found =
            self.read_about(NOBODY, "research.page", |session| async move {
                page(&session, month, after, most).await
            })
            .await?;
        let is_full = found.len() == most;
        let found = sealed::open_studied(found, &self.keyring).await?;
        let next = found.last().map(|studied| studied.user).filter(|_| is_full);
        let users: &Vec<Uuid> = &found.iter().map(|studied| studied.user.uuid()).collect();
        let agreed = self
            .primary
            .run(Call::quick("research.agreed"), |session| async move { Agreed::read(&session, users).await })
            .await?;
        Ok(ResearchPage { people: found.into_iter().filter_map(|one| agreed.restrict(one)).collect(), next })
    }
}

/// People with what they told as it stands in the table.
async fn page(
    session: &Session,
    month: Month,
    after: Uuid,
    most: usize,
) -> Result<Vec<(Studied, Option<String>)>, Fault> {
    let (start, end) = (month.start(), month.end());
    let (first, last) = (month.first_day(), month.end_day());
    let page = session.query(PAGE, &[&after, &limit(most), &start, &end, &first, &last]).await?;
    page.rows.iter().map(studied).collect()
}

/// Billionths per one.
const SCALE: f64 = 1e9;

#[expect(clippy::cast_precision_loss, reason = "means are told to a tenth")]
fn studied(row: &Row) -> Result<(Studied, Option<String>), Fault> {
    let told = get(row, "value")?;
    let events = count(row, "events")?;
    let mean = |column| Ok::<_, Fault>(get::<_, f64>(row, column)? / SCALE / events as f64);
    let emotions = match events {
        0 => None,
        _ => Some(MeanEmotions { positivity: mean("positivity")?, stress: mean("stress")? }),
    };
    let studied = Studied {
        user: UserId::new(get(row, "user_id")?),
        attributes: Attributes::default(),
        activity: Activity {
            transactions: count(row, "transactions")?,
            spend: count(row, "spend")?,
            emotions,
            approved: count(row, "approved")?,
            denied: count(row, "denied")?,
        },
    };
    Ok((studied, told))
}

/// What each person agrees to now.
struct Agreed(HashMap<Uuid, Vec<String>>);

impl Agreed {
    async fn read(session: &Session, users: &Vec<Uuid>) -> Result<Self, Fault> {
        let mut agreed: HashMap<Uuid, Vec<String>> = HashMap::new();
        for row in &session.query(AGREED, &[users]).await?.rows {
            agreed.entry(get(row, "user_id")?).or_default().push(get(row, "purpose")?);
        }
        Ok(Self(agreed))
    }

    /// What is left of somebody: nothing without their consent to be counted.
    fn restrict(&self, mut studied: Studied) -> Option<Studied> {
        let agreed = self.0.get(&studied.user.uuid())?;
        let to = |purpose: Purpose| agreed.iter().any(|agreed| agreed == purpose.as_str());
        if !to(ATTRIBUTES_PURPOSE) {
            studied.attributes = Attributes::default();
        }
        if !to(Purpose::EmotionAnalysis) {
            studied.activity.emotions = None;
        }
        to(Purpose::Research).then_some(studied)
    }
}
