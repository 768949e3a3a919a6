-- Reviews of decisions by people. What the person and the officer write is sealed; who looked at it is an id and no reference, for an
-- officer may be erased.
CREATE TABLE decision_reviews (
    id           TEXT NOT NULL PRIMARY KEY,
    decision_id  TEXT NOT NULL REFERENCES decisions (id) ON DELETE CASCADE,
    user_id      TEXT NOT NULL REFERENCES users (id),
    requested_at TEXT NOT NULL,
    due_at       TEXT NOT NULL,
    comment      TEXT,
    state        TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'claimed', 'concluded')),
    claimed_by   TEXT CHECK (claimed_by <> user_id) CHECK ((claimed_by IS NULL) = (state = 'open')),
    claimed_at   TEXT CHECK ((claimed_at IS NULL) = (claimed_by IS NULL)),
    concluded_at TEXT CHECK ((concluded_at IS NOT NULL) = (state = 'concluded')),
    outcome      TEXT CHECK (outcome IN ('upheld', 'overturned')) CHECK ((outcome IS NULL) = (concluded_at IS NULL)),
    explanation  TEXT CHECK ((explanation IS NULL) = (concluded_at IS NULL)),
    offer_id     TEXT CHECK (offer_id IS NULL OR outcome = 'overturned')
) STRICT;

CREATE UNIQUE INDEX decision_reviews_under_way ON decision_reviews (decision_id) WHERE concluded_at IS NULL;
CREATE INDEX decision_reviews_of_decision ON decision_reviews (decision_id, requested_at);
CREATE INDEX decision_reviews_of_user ON decision_reviews (user_id, requested_at, id);
CREATE INDEX decision_reviews_by_state ON decision_reviews (state, due_at, id);
CREATE INDEX decision_reviews_of_offer ON decision_reviews (offer_id) WHERE offer_id IS NOT NULL;

-- A notification speaks of an offer or of a decision. A column's rule can't be changed, so it is made again.
DROP INDEX notifications_by_offer;
ALTER TABLE notifications RENAME COLUMN offer_id TO only_offer_id;
ALTER TABLE notifications ADD COLUMN offer_id TEXT;
UPDATE notifications SET offer_id = only_offer_id;
ALTER TABLE notifications DROP COLUMN only_offer_id;
ALTER TABLE notifications ADD COLUMN decision_id TEXT CHECK ((decision_id IS NULL) <> (offer_id IS NULL));
CREATE INDEX notifications_by_offer ON notifications (offer_id);
