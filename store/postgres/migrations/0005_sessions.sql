-- Sessions of people who have logged in. Refresh tokens are numbered within their session; number is that of the next one to be
-- exchanged, and exchanged_at tells when the one before it was.
CREATE TABLE sessions (
    id           uuid NOT NULL PRIMARY KEY,
    user_id      uuid NOT NULL REFERENCES users (id),
    number       bigint NOT NULL DEFAULT 0,
    started_at   timestamptz NOT NULL,
    exchanged_at timestamptz,
    expires_at   timestamptz NOT NULL,
    ended_at     timestamptz
);

CREATE INDEX sessions_of_user ON sessions (user_id) WHERE ended_at IS NULL;
CREATE INDEX sessions_by_end ON sessions (expires_at);
