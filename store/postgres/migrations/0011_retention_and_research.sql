-- What went for its age, as far as the books ask for it: of 'emotion-summaries' how many events were in them, of 'notifications' that
-- all kept before a time are gone.
CREATE TABLE aged (
    rows   text NOT NULL PRIMARY KEY,
    events bigint NOT NULL,
    before timestamptz NOT NULL
);

-- The number of the last notification of the user that went. The next one goes on behind it.
ALTER TABLE users ADD COLUMN notifications_gone bigint NOT NULL DEFAULT 0;

CREATE INDEX notifications_by_age ON notifications (stored_at);
CREATE INDEX denials_by_age ON decisions (decided_at) WHERE offer_id IS NULL;
CREATE INDEX dead_letters_waiting ON dead_letters (created_at) WHERE state = 'waiting';
CREATE INDEX webhooks_replaced ON webhooks (previous_until) WHERE previous_until IS NOT NULL;
-- Rows come in the order of their arrival, so a few summaries of pages tell where the old ones are; an index that every transaction
-- has to keep up with is too dear for that.
CREATE INDEX transactions_by_arrival ON transactions USING brin (created_at) WITH (autosummarize = on);

-- What people told of themselves, as one text that no statement looks into. It is there while their consent to it is.
CREATE TABLE user_attributes (
    user_id    uuid NOT NULL PRIMARY KEY REFERENCES users (id),
    value      text NOT NULL,
    updated_at timestamptz NOT NULL
);

-- Who agrees to be counted, without a look at what everybody said about everything.
CREATE INDEX consents_to_research ON consents (user_id) WHERE purpose = 'research' AND granted;
