-- Reviews of decisions by people. What the person and the officer write is sealed; who looked at it is an id and no reference, for an
-- officer may be erased.
CREATE TABLE decision_reviews (
    id           uuid NOT NULL PRIMARY KEY,
    decision_id  uuid NOT NULL REFERENCES decisions (id) ON DELETE CASCADE,
    user_id      uuid NOT NULL REFERENCES users (id),
    requested_at timestamptz NOT NULL,
    due_at       timestamptz NOT NULL,
    comment      text,
    state        text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'claimed', 'concluded')),
    claimed_by   uuid CHECK (claimed_by <> user_id) CHECK ((claimed_by IS NULL) = (state = 'open')),
    claimed_at   timestamptz CHECK ((claimed_at IS NULL) = (claimed_by IS NULL)),
    concluded_at timestamptz CHECK ((concluded_at IS NOT NULL) = (state = 'concluded')),
    outcome      text CHECK (outcome IN ('upheld', 'overturned')) CHECK ((outcome IS NULL) = (concluded_at IS NULL)),
    explanation  text CHECK ((explanation IS NULL) = (concluded_at IS NULL)),
    offer_id     uuid CHECK (offer_id IS NULL OR outcome = 'overturned')
);

CREATE UNIQUE INDEX decision_reviews_under_way ON decision_reviews (decision_id) WHERE concluded_at IS NULL;
CREATE INDEX decision_reviews_of_decision ON decision_reviews (decision_id, requested_at);
CREATE INDEX decision_reviews_of_user ON decision_reviews (user_id, requested_at, id);
CREATE INDEX decision_reviews_by_state ON decision_reviews (state, due_at, id);
CREATE INDEX decision_reviews_of_offer ON decision_reviews (offer_id) WHERE offer_id IS NOT NULL;

-- A notification speaks of an offer or of a decision.
ALTER TABLE notifications
    ALTER COLUMN offer_id DROP NOT NULL,
    ADD COLUMN decision_id uuid CHECK ((decision_id IS NULL) <> (offer_id IS NULL));
