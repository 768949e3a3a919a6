-- What users may do beyond their own affairs. A missing row means nothing.
CREATE TABLE user_rights (
    user_id     uuid NOT NULL PRIMARY KEY REFERENCES users (id),
    roles       text[] NOT NULL,
    permissions text[] NOT NULL,
    granted_by  uuid NOT NULL,
    granted_at  timestamptz NOT NULL
);

CREATE INDEX admins ON user_rights (user_id) WHERE 'admin' = ANY (roles);

-- The number of the user's newest change.
ALTER TABLE users ADD COLUMN version bigint NOT NULL DEFAULT 0;

-- Tokens of this user or session that don't know of this change hold no more.
CREATE TABLE changes (
    number  bigint NOT NULL PRIMARY KEY,
    subject uuid NOT NULL
);

-- The number of the newest change. Whoever makes one holds this row until the commit, so that numbers are committed in their order.
CREATE TABLE newest_change (
    one    boolean NOT NULL PRIMARY KEY DEFAULT true CHECK (one),
    number bigint NOT NULL
);
INSERT INTO newest_change (number) VALUES (0);
