//! The SQL of grouped decisions. It touches the rows that the platform's own statements touch, of many people at once.

/// Accounts, with what was bought and felt in the windows that a decision looks at.
pub(super) const FEATURES: &str = "
SELECT u.id, u.created_at, t.transactions, t.spent, l.occurred_at, e.*
FROM unnest($1::uuid[]) AS asked (id)
JOIN users u ON u.id = asked.id
CROSS JOIN LATERAL (
    SELECT count(*) AS transactions, coalesce(sum(amount), 0)::double precision AS spent
    FROM transactions WHERE user_id = asked.id AND occurred_at > $2 AND occurred_at <= $3) t
LEFT JOIN LATERAL (
    SELECT occurred_at FROM transactions WHERE user_id = asked.id AND occurred_at <= $3
    ORDER BY occurred_at DESC LIMIT 1) l ON true
CROSS JOIN LATERAL (
    SELECT coalesce(sum(event_count) FILTER (WHERE summary_date >= $5), 0)::bigint AS events,
        coalesce(sum(positivity_sum) FILTER (WHERE summary_date >= $5), 0)::bigint AS positivity,
        coalesce(sum(intensity_sum) FILTER (WHERE summary_date >= $5), 0)::bigint AS intensity,
        coalesce(sum(stress_sum) FILTER (WHERE summary_date >= $5), 0)::bigint AS stress,
        coalesce(sum(stress_event_count) FILTER (WHERE summary_date >= $5), 0)::bigint AS stress_events_7d,
        coalesce(sum(stress_event_count), 0)::bigint AS stress_events_30d
    FROM emotional_events_summary WHERE user_id = asked.id AND summary_date >= $4 AND summary_date <= $6) e";

/// Consents, decisions that stand, what could be owed, and last denials. The last column says whether a decision stands.
pub(super) const STANDING: &str = "
SELECT asked.id, c.granted, o.exposure_minor, d.decided_at, d.record, s.id IS NOT NULL
FROM unnest($1::uuid[]) AS asked (id)
LEFT JOIN consents c ON c.user_id = asked.id AND c.purpose = $2
CROSS JOIN LATERAL (
    SELECT (coalesce(sum(credit_limit), 0) * 100)::bigint AS exposure_minor FROM credit_limits
    WHERE user_id = asked.id AND (status IN ('accepted', 'active') OR (status = 'offered' AND expires_at > $3))) o
LEFT JOIN LATERAL (
    SELECT decided_at, record FROM decisions WHERE user_id = asked.id AND outcome = 'denied'
    ORDER BY decided_at DESC LIMIT 1) d ON true
LEFT JOIN LATERAL (
    SELECT id FROM decisions WHERE user_id = asked.id AND decided_at > $4 ORDER BY decided_at DESC LIMIT 1) s ON true";

pub(super) const OFFERS: &str = "
INSERT INTO credit_limits (id, user_id, status, credit_limit, interest_rate, credit_type, expires_at, created_at, updated_at)
SELECT id, user_id, 'offered', credit_limit * 0.01, interest_rate * 0.01, credit_type, $7, $6, $6
FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[], $5::text[])
    AS r (id, user_id, credit_limit, interest_rate, credit_type)";

pub(super) const DECISIONS: &str = "
INSERT INTO decisions (id, user_id, decided_at, outcome, reason, offer_id, risk_score, model_version, model_digest,
    policy_version, policy_digest, features, contributions, record)
SELECT id, user_id, $14, outcome, reason, offer_id, risk_score, model_version, model_digest, policy_version, policy_digest,
    features, contributions, record
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::uuid[], $6::float8[], $7::text[], $8::text[], $9::text[],
        $10::text[], $11::text[], $12::text[], $13::text[])
    AS r (id, user_id, outcome, reason, offer_id, risk_score, model_version, model_digest, policy_version, policy_digest,
        features, contributions, record)";

pub(super) const ENTRIES: &str = "
INSERT INTO decision_log (at, act, decision_id, user_id, digest)
SELECT $4, 'made', decision_id, user_id, digest
FROM unnest($1::uuid[], $2::uuid[], $3::bytea[]) AS r (decision_id, user_id, digest)";

/// Some of what the platform decided, denials and approvals as they come.
pub(super) const MADE: &str = "
SELECT d.outcome, d.reason, d.risk_score, d.model_version, d.model_digest, d.policy_version, d.policy_digest, d.features,
    d.contributions, d.record, l.digest, (o.credit_limit * 100)::bigint, (o.interest_rate * 100)::bigint, o.credit_type
FROM decisions d
JOIN decision_log l ON l.decision_id = d.id AND l.act = 'made'
LEFT JOIN credit_limits o ON o.id = d.offer_id
ORDER BY d.decided_at LIMIT 500";
