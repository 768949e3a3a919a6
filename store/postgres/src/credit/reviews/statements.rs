//! The SQL of reviews, where the test of the query plans sees it.

macro_rules! select {
    ($which:literal) => {
        concat!(
            "SELECT id, decision_id, user_id, requested_at, due_at, comment, claimed_by, claimed_at, concluded_at,
        outcome, explanation, offer_id
     FROM decision_reviews WHERE ",
            $which
        )
    };
}

pub(crate) const HAS_DECISION: &str = "SELECT EXISTS (SELECT FROM decisions WHERE id = $1 AND user_id = $2)";
pub(crate) const IS_UNDER_WAY: &str =
    "SELECT EXISTS (SELECT FROM decision_reviews WHERE decision_id = $1 AND concluded_at IS NULL)";
pub(crate) const FIND: &str = select!("id = $1");
pub(crate) const LOCK: &str = select!("id = $1 FOR UPDATE");
pub(crate) const BY_IDS: &str = select!("id = ANY ($1::uuid[])");
pub(crate) const OF_DECISION: &str =
    select!("decision_id = $1 AND user_id = $2 ORDER BY requested_at DESC, id DESC LIMIT 1");
pub(crate) const COUNT: &str = "SELECT count(*) FROM decision_reviews WHERE state = $1";
pub(crate) const PAGE: &str = select!("state = $1 ORDER BY due_at, id LIMIT $2 OFFSET $3");
pub(crate) const PAGE_BACK: &str = select!("state = $1 ORDER BY due_at DESC, id DESC LIMIT $2 OFFSET $3");
pub(crate) const CLAIM: &str =
    "UPDATE decision_reviews SET state = 'claimed', claimed_by = $2, claimed_at = $3 WHERE id = $1";
pub(crate) const CONCLUDE: &str =
    "UPDATE decision_reviews SET state = 'concluded', concluded_at = $2, outcome = $3, explanation = $4,
        offer_id = $5 WHERE id = $1";
/// What the decision itself offered, while nobody has accepted it.
pub(crate) const WITHDRAW: &str = "UPDATE credit_limits SET status = 'expired', updated_at = $2
     WHERE id = (SELECT offer_id FROM decisions WHERE id = $1) AND status = 'offered'";
pub(crate) const BACKLOG: &str =
    "SELECT count(*) AS waiting, min(requested_at) AS oldest FROM decision_reviews
     WHERE state IN ('open', 'claimed')";
