-- Sessions of people who have logged in, and the SHA-256 of their refresh tokens. A token that was exchanged is kept as long as
-- its session, so that it is known when it comes again.
CREATE TABLE sessions (
    id         uuid NOT NULL PRIMARY KEY,
    user_id    uuid NOT NULL REFERENCES users (id),
    started_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    ended_at   timestamptz
);

CREATE INDEX sessions_of_user ON sessions (user_id) WHERE ended_at IS NULL;
CREATE INDEX sessions_by_end ON sessions (expires_at);

CREATE TABLE refresh_tokens (
    hash         bytea NOT NULL PRIMARY KEY,
    session_id   uuid NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    exchanged_at timestamptz
);

CREATE INDEX refresh_tokens_of_session ON refresh_tokens (session_id);
