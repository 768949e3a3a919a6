-- Sessions of people who have logged in. Refresh tokens are numbered within their session; number is that of the next one to be
-- exchanged, and exchanged_at tells when the one before it was.
CREATE TABLE sessions (
    id           BLOB NOT NULL PRIMARY KEY,
    user_id      TEXT NOT NULL REFERENCES users (id),
    number       INTEGER NOT NULL DEFAULT 0,
    started_at   INTEGER NOT NULL,
    exchanged_at INTEGER,
    expires_at   INTEGER NOT NULL,
    ended_at     INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX sessions_of_user ON sessions (user_id) WHERE ended_at IS NULL;
CREATE INDEX sessions_by_end ON sessions (expires_at);
