-- Rows enough for PostgreSQL to choose its plans by.
INSERT INTO users (id, email, email_index, external_id, external_id_index, created_at, updated_at)
    SELECT md5('user' || n)::uuid, n || '', sha256(('e' || n)::bytea), 'x' || n, sha256(('x' || n)::bytea), now(), now()
    FROM generate_series(1, 3000) n;
INSERT INTO erasures (user_id, receipt, requested_by, requested_at, erased_at, closed_at)
    SELECT md5('gone' || n)::uuid, md5('receipt' || n)::uuid, md5('gone' || n)::uuid, now() - n * interval '1 minute',
        CASE WHEN n % 100 > 0 THEN now() END, CASE WHEN n % 50 > 0 THEN now() END FROM generate_series(1, 6000) n;
INSERT INTO consents SELECT id, 'emotion-analysis', true, now() FROM users;
INSERT INTO consents SELECT md5('user' || n)::uuid, 'research', true, now() FROM generate_series(1, 1000) n;
INSERT INTO consents SELECT md5('user' || n)::uuid, 'pre-approval', n % 10 = 0, now() FROM generate_series(1, 3000) n;
INSERT INTO evaluations (user_id, changed_at, due_at)
    SELECT md5('user' || n)::uuid, CASE WHEN n % 10 = 0 THEN now() END, now() + n * interval '1 minute' FROM generate_series(1, 3000) n;
INSERT INTO user_attributes SELECT id, '{}', now() FROM users;
INSERT INTO transactions (id, user_id, amount, currency, created_at, occurred_at)
    SELECT md5('transaction' || n)::uuid, md5('user' || (n % 500 + 1))::uuid, 1, 'BRL', now(), now() - n * interval '1 minute'
    FROM generate_series(1, 6000) n;
CREATE TABLE emotional_events_20261119 PARTITION OF emotional_events FOR VALUES FROM ('2026-11-19') TO ('2026-11-20');
CREATE TABLE emotional_events_20261120 PARTITION OF emotional_events FOR VALUES FROM ('2026-11-20') TO ('2026-11-21');
CREATE INDEX emotional_events_20261119_by_arrival ON emotional_events_20261119 USING brin (arrived_at);
CREATE INDEX emotional_events_20261120_by_arrival ON emotional_events_20261120 USING brin (arrived_at);
INSERT INTO emotional_events SELECT now(), now(), date '2026-11-19' + n % 2, 0, 0, 0, md5('user' || (n % 500 + 1))::uuid,
        md5('event' || n)::uuid, 'calm' FROM generate_series(1, 6000) n;
INSERT INTO emotion_inbox SELECT date '2026-11-01' + n % 30, md5('user' || (n % 500 + 1))::uuid, md5('id' || n)::uuid,
        now() - n * interval '1 minute', 1 FROM generate_series(1, 6000) n;
INSERT INTO emotional_events_summary (user_id, summary_date, event_count, stress_event_count, positivity_sum,
        intensity_sum, stress_sum, updated_at)
    SELECT md5('user' || (n % 500 + 1))::uuid, date '2026-11-01' + n / 500, 1, 0, 0, 0, 0,
        now() FROM generate_series(1, 6000) n;
INSERT INTO replay_shadow SELECT user_id, summary_date, 0, 0, 1, 0, 0 FROM emotional_events_summary LIMIT 30;
INSERT INTO replay_log (day, user_id, event_id, positivity, intensity, stress)
    SELECT day, user_id, event_id, 0, 0, 0 FROM emotional_events;
INSERT INTO credit_limits (id, user_id, status, credit_limit, interest_rate, credit_type, expires_at, created_at, updated_at)
    SELECT md5('offer' || n)::uuid, md5('user' || (n % 500 + 1))::uuid,
        (ARRAY['offered', 'accepted', 'active', 'expired'])[n % 4 + 1], 1, 1, 'SHORT_TERM', now() + n * interval '1 minute',
        now(), now() FROM generate_series(1, 6000) n;
INSERT INTO decisions (id, user_id, decided_at, outcome, reason, risk_score, model_version, policy_version, features,
        contributions)
    SELECT md5('decision' || n)::uuid, md5('user' || (n % 500 + 1))::uuid, now() - n * interval '1 minute', 'denied', 'no',
        0, '', '', '{}', '[]' FROM generate_series(1, 6000) n;
INSERT INTO watch_days SELECT date '2026-11-01' + n % 40, 'model' || n % 3, 'score', n / 120, 1 FROM generate_series(1, 6000) n;
INSERT INTO watch_standings SELECT 'drift', 'model', 'measure' || n, 'calm', now(), 1 FROM generate_series(1, 3000) n;
INSERT INTO decision_reviews (id, decision_id, user_id, requested_at, due_at, state, claimed_by, claimed_at, concluded_at, outcome,
        explanation)
    SELECT md5('review' || n)::uuid, md5('decision' || n)::uuid, md5('user' || (n % 500 + 1))::uuid, now(), now() + n * interval '1 minute',
        CASE WHEN n % 50 = 0 THEN 'open' ELSE 'concluded' END, CASE WHEN n % 50 > 0 THEN md5('officer')::uuid END,
        CASE WHEN n % 50 > 0 THEN now() END, CASE WHEN n % 50 > 0 THEN now() END, CASE WHEN n % 50 > 0 THEN 'upheld' END,
        CASE WHEN n % 50 > 0 THEN 'so' END FROM generate_series(1, 6000) n;
INSERT INTO policies (version, digest, text, author, created_at, state, active_from)
    SELECT 'policy-' || n, md5('policy' || n), '', md5('user1')::uuid, now() - n * interval '1 minute', 'draft', now()
    FROM generate_series(1, 3000) n;
UPDATE policies SET state = 'approved', approver = md5('user2')::uuid, approved_at = now() WHERE active_from > created_at;
INSERT INTO outbox (event_id, subject, key, payload, schema_version)
    SELECT md5('outbox' || n)::uuid, 'x', md5('user' || n)::uuid, '', 1 FROM generate_series(1, 6000) n;
INSERT INTO notifications (id, user_id, sequence, type, title, message, offer_id, created_at, stored_at)
    SELECT md5('notification' || n)::uuid, md5('user' || (n % 500 + 1))::uuid, n / 500 + 1, '', '', '',
        md5('offer' || n)::uuid, now(), now() FROM generate_series(1, 5999) n;
INSERT INTO idempotency_keys (scope, key, fingerprint, holder, claimed_until, created_at)
    SELECT 'scope', n::text, '', md5(n::text)::uuid, now(), now() - n * interval '1 minute'
    FROM generate_series(1, 6000) n;
INSERT INTO sessions (id, user_id, started_at, expires_at)
    SELECT md5('session' || n)::uuid, md5('user' || (n % 500 + 1))::uuid, now(), now() + n * interval '1 minute'
    FROM generate_series(1, 6000) n;
INSERT INTO user_rights SELECT md5('user' || n)::uuid, '{}', '{}', md5('user1')::uuid, now() FROM generate_series(1, 400) n;
INSERT INTO changes SELECT n, md5('user' || n % 500 + 1)::uuid FROM generate_series(1, 6000) n;
INSERT INTO webhooks (id, user_id, url, host, secret, created_at)
    SELECT md5('webhook' || n)::uuid, md5('user' || (n % 500 + 1))::uuid, '', n || '.example.com', '', now()
    FROM generate_series(1, 2000) n;
INSERT INTO webhook_deliveries (webhook_id, notification_id, host, state, next_attempt_at, created_at)
    SELECT md5('webhook' || (n % 2000 + 1))::uuid, md5('notification' || n)::uuid, 'host',
        (ARRAY['pending', 'delivered'])[n % 2 + 1], now() + n * interval '1 minute', now() - n * interval '1 minute'
    FROM generate_series(1, 6000) n;
INSERT INTO exports (id, user_id, requested_at, state, due_at, expires_at)
    SELECT md5('export' || n)::uuid, md5('user' || n)::uuid, now(), (ARRAY['pending', 'ready'])[n % 2 + 1],
        CASE WHEN n % 2 = 0 THEN now() END, now() + n * interval '1 minute' FROM generate_series(1, 3000) n;
INSERT INTO export_chunks SELECT id, 0, '' FROM exports;
INSERT INTO backtests (id, version, digest, from_at, until_at, loss_given_default, actor, requested_at, state, due_at, expires_at, report)
    SELECT md5('backtest' || n)::uuid, 'policy-' || n, 'digest' || n % 300, now(), now(), 4500, md5('user1')::uuid,
        now() - n * interval '1 minute', (ARRAY['pending', 'finished'])[n % 2 + 1], CASE WHEN n % 2 = 0 THEN now() END,
        CASE WHEN n % 2 = 1 THEN now() + n * interval '1 minute' END, CASE WHEN n % 2 = 1 THEN '{}' END
    FROM generate_series(1, 3000) n;
INSERT INTO backtest_flips SELECT md5('backtest' || (n % 3000 + 1))::uuid, 'lost', md5('decision' || n)::uuid,
    md5('user' || (n % 500 + 1))::uuid FROM generate_series(1, 6000) n;
SET session_replication_role = replica; -- past the rule that these logs only grow
INSERT INTO audit_entries (at, actor, act, subject, was, became, batch)
    SELECT n, md5('user' || n % 500 + 1)::uuid, 'act', 'subject' || n % 900, '', '', CASE WHEN n < 5990 THEN n / 50 + 1 END
    FROM generate_series(1, 6000) n;
INSERT INTO audit_batches SELECT n, 50, '', now() FROM generate_series(1, 2000) n;
INSERT INTO decision_log (at, act, decision_id, user_id, digest, batch)
    SELECT n, 'made', md5('decision' || n)::uuid, md5('user' || n % 500 + 1)::uuid, sha256(n::text::bytea),
        CASE WHEN n < 5990 THEN n / 50 + 1 END FROM generate_series(1, 6000) n;
INSERT INTO decision_batches SELECT n, 50, '', now() FROM generate_series(1, 2000) n;
RESET session_replication_role;
INSERT INTO consent_history (user_id, purpose, granted, said_at)
    SELECT md5('user' || (n % 500 + 1))::uuid, 'emotion-analysis', true, now() FROM generate_series(1, 6000) n;
INSERT INTO dead_letters (subject, "group", event_id, key, kind, reason, history, payload, schema_version, created_at,
        state, state_at)
    SELECT 'subject' || n % 4, 'group', md5('letter' || n)::uuid, md5('user' || n)::uuid, 'gave-up', '', '[]',
        CASE WHEN n % 2 = 0 THEN ''::bytea END, 1, now(), CASE WHEN n % 2 = 0 THEN 'waiting' ELSE 'dropped' END,
        now() - n * interval '1 minute' FROM generate_series(1, 6000) n;
ANALYZE
