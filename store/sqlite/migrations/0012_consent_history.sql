-- What people said about a purpose, one time after the other, and the text that they were shown.
ALTER TABLE consents ADD COLUMN text_version INTEGER;
ALTER TABLE consents ADD COLUMN locale TEXT;

CREATE TABLE consent_history (
    number       INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    user_id      TEXT NOT NULL REFERENCES users (id),
    purpose      TEXT NOT NULL,
    granted      INTEGER NOT NULL CHECK (granted IN (0, 1)),
    text_version INTEGER,
    locale       TEXT,
    said_at      TEXT NOT NULL
) STRICT;

CREATE INDEX consent_history_of_user ON consent_history (user_id, purpose, number);

-- The last word of before is the first of the history.
INSERT INTO consent_history (user_id, purpose, granted, said_at)
SELECT user_id, purpose, granted, updated_at FROM consents;
