//! The fold of transactions: they are history, so the row itself is what is kept, and its id says what is new.

use std::collections::HashSet;

use ecs_domain::Timestamp;
use ecs_domain::transaction::Transaction;
use ecs_store::{Folded, StoreError};
use uuid::Uuid;

use crate::column::{get, micros};
use crate::engine::{Fault, Param, Session};
use crate::evaluations::statements as evaluations;
use crate::plan::FIXED_PLANS;

/// Rows stand by rising id, so that two folds that meet wait for each other in one direction only. Of two rows with the
/// same id the first one is kept, whether the other is in the table or in the same batch. Returns who of the users is
/// known, and, unless everything was new, what was.
pub(crate) const FOLD: &str = "
WITH known AS MATERIALIZED (
    SELECT ARRAY(
        SELECT u.id IS NOT NULL FROM unnest($1::uuid[]) WITH ORDINALITY AS asked (id, place)
        LEFT JOIN users u ON u.id = asked.id ORDER BY asked.place) AS users
),
kept AS (
    INSERT INTO transactions
        (id, user_id, amount, currency, merchant, category, channel, client_id, created_at, occurred_at)
    SELECT r.id, ($1::uuid[])[r.user_at], r.minor * 0.01, r.currency, r.merchant, r.category, r.channel, r.client_id,
        $11::timestamptz, r.occurred_at
    FROM (SELECT unnest($2::integer[]) AS user_at, unnest($3::uuid[]) AS id, unnest($4::bigint[]) AS minor,
            unnest($5::text[]) AS currency, unnest($6::text[]) AS merchant, unnest($7::text[]) AS category,
            unnest($8::text[]) AS channel, unnest($9::text[]) AS client_id,
            unnest($10::timestamptz[]) AS occurred_at) r
    WHERE (SELECT users FROM known)[r.user_at]
    ON CONFLICT DO NOTHING
    RETURNING id
)
SELECT users, (SELECT count(*) FROM kept) AS kept,
    CASE WHEN (SELECT count(*) FROM kept) <> cardinality($3::uuid[])
        THEN ARRAY(SELECT id FROM kept) END AS ids
FROM known";

/// Transactions as the arrays that the statement takes, by rising id and then in the caller's order.
pub(super) struct Columns<'a> {
    users: Vec<Uuid>,
    user: Vec<i32>,
    ids: Vec<Uuid>,
    minor: Vec<i64>,
    currency: Vec<&'a str>,
    merchant: Vec<Option<&'a str>>,
    category: Vec<Option<&'a str>>,
    channel: Vec<Option<&'a str>>,
    client_id: Vec<Option<&'a str>>,
    occurred_at: Vec<Timestamp>,
    /// Index into the caller's slice.
    places: Vec<usize>,
    now: Timestamp,
}

impl<'a> Columns<'a> {
    pub(super) fn new(transactions: &'a [Transaction], now: Timestamp) -> Self {
        let mut users: Vec<Uuid> = transactions.iter().map(|transaction| transaction.user.uuid()).collect();
        users.sort_unstable();
        users.dedup();
        let mut sorted: Vec<(usize, &Transaction)> = transactions.iter().enumerate().collect();
        sorted.sort_by_key(|(_, transaction)| transaction.id.uuid());
        let each = || sorted.iter().map(|(_, transaction)| *transaction);
        let at = |user: Uuid| users.partition_point(|other| *other < user) + 1;
        Self {
            user: each().map(|one| i32::try_from(at(one.user.uuid())).unwrap_or(i32::MAX)).collect(),
            ids: each().map(|one| one.id.uuid()).collect(),
            minor: each().map(|one| one.amount.minor_units()).collect(),
            currency: each().map(|one| one.currency.as_str()).collect(),
            merchant: each().map(|one| one.merchant.as_deref()).collect(),
            category: each().map(|one| one.category.as_deref()).collect(),
            channel: each().map(|one| one.channel.as_deref()).collect(),
            client_id: each().map(|one| one.client_id.as_deref()).collect(),
            occurred_at: each().map(|one| micros(one.occurred_at)).collect(),
            places: sorted.iter().map(|(place, _)| *place).collect(),
            users,
            now: micros(now),
        }
    }

    /// Keeps what is new, and says in the caller's order what became of each.
    pub(super) async fn fold(&self, session: &Session) -> Result<Vec<Folded>, Fault> {
        let Self { users, user, ids, minor, currency, merchant, category, channel, client_id, .. } = self;
        let params: [Param<'_>; 11] = [
            users,
            user,
            ids,
            minor,
            currency,
            merchant,
            category,
            channel,
            client_id,
            &self.occurred_at,
            &self.now,
        ];
        let mut flight = session.flight();
        flight.begin_long();
        flight.add(FIXED_PLANS, &[]);
        let fold = flight.add(FOLD, &params);
        flight.add(evaluations::NOTE, &[users, &self.now]);
        flight.commit();
        let told = flight.send().await?.take(fold);
        let missing = || StoreError::Corrupt("the fold did not say what came of it".to_owned());
        let row = told.first().ok_or_else(missing)?;
        let (known, kept) = (get::<_, Vec<bool>>(row, "users")?, get::<_, Option<Vec<Uuid>>>(row, "ids")?);
        Ok(self.settle(&known, kept.map(HashSet::from_iter)))
    }

    /// `kept` is `None` when all of them were new.
    fn settle(&self, known: &[bool], mut kept: Option<HashSet<Uuid>>) -> Vec<Folded> {
        let mut results = vec![Folded::UnknownUser; self.ids.len()];
        for ((user, id), place) in self.user.iter().zip(&self.ids).zip(&self.places) {
            let owner = usize::try_from(*user).unwrap_or(0).saturating_sub(1);
            let is_known = known.get(owner).copied().unwrap_or(false);
            // Of two with the same id, the first of a known user is the one that was kept.
            let mut is_new = || kept.as_mut().is_none_or(|kept| kept.remove(id));
            let became = match is_known {
                false => Folded::UnknownUser,
                true if is_new() => Folded::Counted,
                true => Folded::Repeated,
            };
            if let Some(result) = results.get_mut(*place) {
                *result = became;
            }
        }
        results
    }
}
