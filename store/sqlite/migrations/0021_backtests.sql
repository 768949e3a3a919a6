-- Backtests of policies. due_at is when a worker may take one: while one has it in hand, that is the end of its lease.
CREATE TABLE backtests (
    id                 TEXT NOT NULL PRIMARY KEY,
    version            TEXT NOT NULL,
    digest             TEXT NOT NULL,
    from_at            INTEGER NOT NULL,
    until_at           INTEGER NOT NULL,
    loss_given_default INTEGER NOT NULL CHECK (loss_given_default BETWEEN 0 AND 10000),
    actor              TEXT NOT NULL,
    requested_at       INTEGER NOT NULL,
    state              TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'running', 'finished', 'failed')),
    done               INTEGER NOT NULL DEFAULT 0,
    total              INTEGER NOT NULL DEFAULT 0,
    attempt            INTEGER NOT NULL DEFAULT 0,
    due_at             INTEGER CHECK ((due_at IS NOT NULL) = (state IN ('pending', 'running'))),
    finished_at        INTEGER,
    expires_at         INTEGER,
    report             TEXT CHECK ((report IS NOT NULL) = (state = 'finished')),
    failure            TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX backtests_of_policy ON backtests (digest, requested_at, id);
CREATE INDEX backtests_due ON backtests (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX backtests_ended ON backtests (expires_at) WHERE expires_at IS NOT NULL;

-- Decisions that would have been the other ones. They go with their backtest, and with their person.
CREATE TABLE backtest_flips (
    backtest_id TEXT NOT NULL REFERENCES backtests (id) ON DELETE CASCADE,
    direction   TEXT NOT NULL CHECK (direction IN ('gained', 'lost')),
    decision_id TEXT NOT NULL,
    user_id     TEXT NOT NULL REFERENCES users (id),
    PRIMARY KEY (backtest_id, direction, decision_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX backtest_flips_of_person ON backtest_flips (user_id);

-- How many decisions some days have. By the day, so that nobody who pages through decisions takes it for an order of theirs.
CREATE INDEX decision_log_by_day ON decision_log (at / 86400000000) WHERE act = 'made';
