-- The replay under way, or the last one. Phases: 1 building, 2 built, 3 switched.
CREATE TABLE replay (
    one          integer NOT NULL PRIMARY KEY CHECK (one = 1),
    started_at   timestamptz NOT NULL,
    phase        smallint NOT NULL CHECK (phase IN (1, 2, 3)),
    -- Billionths.
    stress       integer NOT NULL,
    -- The next piece begins with this user's day.
    next_day     date NOT NULL,
    next_user    uuid NOT NULL,
    confirmed    bigint NOT NULL,
    healed       bigint NOT NULL,
    kept         bigint NOT NULL,
    carried_over bigint NOT NULL,
    switched_at  timestamptz
);

-- What is to be added to the rows of the summary to get those of the shadow generation. Rows that are not here are the same in
-- both.
CREATE TABLE replay_shadow (
    user_id            uuid NOT NULL,
    summary_date       date NOT NULL,
    event_count        bigint NOT NULL,
    stress_event_count bigint NOT NULL,
    positivity_sum     bigint NOT NULL,
    intensity_sum      bigint NOT NULL,
    stress_sum         bigint NOT NULL,
    PRIMARY KEY (user_id, summary_date)
);
