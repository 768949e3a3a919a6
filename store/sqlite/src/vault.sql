-- Wrapped keys of people, and what is left of those who were erased. No part of the store, and never to be copied with it.
CREATE TABLE IF NOT EXISTS vault_keys (
    user_id BLOB NOT NULL PRIMARY KEY,
    wrapped BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- One connection writes, so numbers rise in the order of the commits. Rows are never deleted, so there are no gaps.
CREATE TABLE IF NOT EXISTS vault_tombstones (
    number  INTEGER NOT NULL PRIMARY KEY,
    user_id BLOB NOT NULL UNIQUE,
    at      INTEGER NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS vault_named (
    name    TEXT NOT NULL PRIMARY KEY,
    wrapped BLOB NOT NULL
) STRICT, WITHOUT ROWID;
