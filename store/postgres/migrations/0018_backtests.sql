-- Backtests of policies. due_at is when a worker may take one: while one has it in hand, that is the end of its lease.
CREATE TABLE backtests (
    id                 uuid NOT NULL PRIMARY KEY,
    version            text NOT NULL,
    digest             text NOT NULL,
    from_at            timestamptz NOT NULL,
    until_at           timestamptz NOT NULL,
    loss_given_default integer NOT NULL CHECK (loss_given_default BETWEEN 0 AND 10000),
    actor              uuid NOT NULL,
    requested_at       timestamptz NOT NULL,
    state              text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'running', 'finished', 'failed')),
    done               bigint NOT NULL DEFAULT 0,
    total              bigint NOT NULL DEFAULT 0,
    attempt            integer NOT NULL DEFAULT 0,
    due_at             timestamptz CHECK ((due_at IS NOT NULL) = (state IN ('pending', 'running'))),
    finished_at        timestamptz,
    expires_at         timestamptz,
    report             text CHECK ((report IS NOT NULL) = (state = 'finished')),
    failure            text
);

CREATE INDEX backtests_of_policy ON backtests (digest, requested_at, id);
CREATE INDEX backtests_due ON backtests (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX backtests_ended ON backtests (expires_at) WHERE expires_at IS NOT NULL;

-- Decisions that would have been the other ones. They go with their backtest, and with their person.
CREATE TABLE backtest_flips (
    backtest_id uuid NOT NULL REFERENCES backtests (id) ON DELETE CASCADE,
    direction   text NOT NULL CHECK (direction IN ('gained', 'lost')),
    decision_id uuid NOT NULL,
    user_id     uuid NOT NULL REFERENCES users (id),
    PRIMARY KEY (backtest_id, direction, decision_id)
);

CREATE INDEX backtest_flips_of_person ON backtest_flips (user_id);

-- How many decisions some days have. By the day, so that nobody who pages through decisions takes it for an order of theirs.
CREATE INDEX decision_log_by_day ON decision_log ((at / 86400000000)) WHERE act = 'made';
