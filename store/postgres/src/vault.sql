-- Wrapped keys of people, and what is left of those who were erased. In a database of their own, which is never dumped with the store's.
CREATE TABLE IF NOT EXISTS vault_keys (
    user_id uuid NOT NULL PRIMARY KEY,
    wrapped bytea NOT NULL
);

-- Numbered under a lock that holds until the commit, so numbers appear in their order.
CREATE TABLE IF NOT EXISTS vault_tombstones (
    number  bigint NOT NULL PRIMARY KEY,
    user_id uuid NOT NULL UNIQUE,
    at      timestamptz NOT NULL
);

CREATE TABLE IF NOT EXISTS vault_named (
    name    text COLLATE "C" NOT NULL PRIMARY KEY,
    wrapped bytea NOT NULL
);
