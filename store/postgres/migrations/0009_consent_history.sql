-- What people said about a purpose, one time after the other, and the text that they were shown.
ALTER TABLE consents ADD COLUMN text_version bigint;
ALTER TABLE consents ADD COLUMN locale text;

CREATE TABLE consent_history (
    number       bigint NOT NULL GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id      uuid NOT NULL REFERENCES users (id),
    purpose      text NOT NULL,
    granted      boolean NOT NULL,
    text_version bigint,
    locale       text,
    said_at      timestamptz NOT NULL
);

CREATE INDEX consent_history_of_user ON consent_history (user_id, purpose, number);

-- The last word of before is the first of the history.
INSERT INTO consent_history (user_id, purpose, granted, said_at)
SELECT user_id, purpose, granted, updated_at FROM consents;
