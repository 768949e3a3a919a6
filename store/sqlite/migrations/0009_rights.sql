-- What users may do beyond their own affairs: names of roles and permissions, each with a space before and after it. A missing row
-- means nothing.
CREATE TABLE user_rights (
    user_id     TEXT NOT NULL PRIMARY KEY REFERENCES users (id),
    roles       TEXT NOT NULL,
    permissions TEXT NOT NULL,
    granted_by  TEXT NOT NULL,
    granted_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX admins ON user_rights (user_id) WHERE roles LIKE '% admin %';

-- The number of the user's newest change.
ALTER TABLE users ADD COLUMN version INTEGER NOT NULL DEFAULT 0;

-- Tokens of this user or session that don't know of this change hold no more.
CREATE TABLE changes (
    number  INTEGER NOT NULL PRIMARY KEY,
    subject BLOB NOT NULL
) STRICT;
