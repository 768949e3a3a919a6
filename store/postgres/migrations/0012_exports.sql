-- Archives of what is held on a person. due_at is when a worker may take it: while one has it in hand, that is the end of its lease.
CREATE TABLE exports (
    id           uuid NOT NULL PRIMARY KEY,
    user_id      uuid NOT NULL REFERENCES users (id),
    requested_at timestamptz NOT NULL,
    state        text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'running', 'ready', 'failed', 'expired')),
    done         bigint NOT NULL DEFAULT 0,
    total        bigint NOT NULL DEFAULT 0,
    attempt      integer NOT NULL DEFAULT 0,
    due_at       timestamptz CHECK ((due_at IS NOT NULL) = (state IN ('pending', 'running'))),
    finished_at  timestamptz,
    expires_at   timestamptz,
    bytes        bigint,
    failure      text
);

CREATE INDEX exports_of_user ON exports (user_id, requested_at, id);
CREATE UNIQUE INDEX exports_under_way ON exports (user_id) WHERE state IN ('pending', 'running');
CREATE INDEX exports_due ON exports (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX exports_ready ON exports (expires_at) WHERE state = 'ready';

CREATE TABLE export_chunks (
    export_id uuid NOT NULL REFERENCES exports (id) ON DELETE CASCADE,
    number    integer NOT NULL,
    bytes     bytea NOT NULL,
    PRIMARY KEY (export_id, number)
);

-- They are compressed before they come here, so nothing is gained by trying it again.
ALTER TABLE export_chunks ALTER COLUMN bytes SET STORAGE EXTERNAL;

-- What is told of a person is found by the person.
CREATE INDEX dead_letters_of_person ON dead_letters (key, row);
CREATE INDEX sessions_of_person ON sessions (user_id, id);
