-- Events and what is folded from them.

-- No foreign key on the two tables that every event meets: the fold looks its users up once per batch.
CREATE TABLE transactions (
    id          uuid NOT NULL PRIMARY KEY,
    user_id     uuid NOT NULL,
    amount      numeric(14, 2) NOT NULL CHECK (amount > 0),
    currency    text NOT NULL,
    merchant    text,
    category    text,
    channel     text,
    client_id   text,
    created_at  timestamptz NOT NULL,
    occurred_at timestamptz NOT NULL
);

-- Covers the features: count, mean and last transaction of a window come from the index alone.
CREATE INDEX transactions_by_user ON transactions (user_id, occurred_at) INCLUDE (amount);

-- Raw emotion events, a partition for each UTC day, made when the day is first needed and dropped as a whole. There is no
-- default partition: it would have to be searched whenever another one is made. Columns stand in the order of their
-- alignment, which saves 16 bytes of padding in every row.
CREATE TABLE emotional_events (
    occurred_at timestamptz NOT NULL,
    arrived_at  timestamptz NOT NULL,
    day         date NOT NULL,
    -- Billionths.
    positivity  integer NOT NULL,
    intensity   integer NOT NULL,
    stress      integer NOT NULL,
    user_id     uuid NOT NULL,
    event_id    uuid NOT NULL,
    kind        text NOT NULL,
    PRIMARY KEY (day, user_id, event_id)
) PARTITION BY RANGE (day);

-- Events of days before this one have no raw row: theirs were dropped, or were never kept. It only ever rises, and while a
-- fold runs it stands still, so all folds agree where an event's id is noted, and an event can't be counted in two places.
CREATE TABLE raw_floor (
    one integer NOT NULL PRIMARY KEY CHECK (one = 1),
    day date NOT NULL
);

INSERT INTO raw_floor (one, day) VALUES (1, '0001-01-01');

-- Ids of emotion events that are settled without a raw row: counted ones from before the floor (fate 1), and discarded
-- ones (fate 2). Old ids go in large numbers, and what they leave behind is to be swept up soon.
CREATE TABLE emotion_inbox (
    day        date NOT NULL,
    user_id    uuid NOT NULL,
    event_id   uuid NOT NULL,
    arrived_at timestamptz NOT NULL,
    fate       smallint NOT NULL CHECK (fate IN (1, 2)),
    PRIMARY KEY (day, user_id, event_id)
) WITH (autovacuum_vacuum_scale_factor = 0.05);

CREATE INDEX emotion_inbox_by_arrival ON emotion_inbox (arrived_at);

-- Sums are integers of billionths: they don't depend on the order in which events came. The means derive from them. Pages
-- are left with room, so that a changed row stays on its page and no index has to hear of it: none is on what changes.
CREATE TABLE emotional_events_summary (
    user_id              uuid NOT NULL,
    summary_date         date NOT NULL,
    event_count          bigint NOT NULL CHECK (event_count > 0),
    stress_event_count   bigint NOT NULL,
    positivity_sum       bigint NOT NULL,
    intensity_sum        bigint NOT NULL,
    stress_sum           bigint NOT NULL,
    avg_positivity_score double precision GENERATED ALWAYS AS (positivity_sum / 1e9::double precision / event_count) STORED,
    avg_intensity_score  double precision GENERATED ALWAYS AS (intensity_sum / 1e9::double precision / event_count) STORED,
    avg_stress_level     double precision GENERATED ALWAYS AS (stress_sum / 1e9::double precision / event_count) STORED,
    updated_at           timestamptz NOT NULL,
    PRIMARY KEY (user_id, summary_date)
) WITH (fillfactor = 70);

CREATE INDEX emotional_events_summary_by_date ON emotional_events_summary (summary_date);

-- A letter waits for somebody to look at it, was published again, or was dropped for good. Rows of the last two stay for
-- a while without their payload: the books need to know what became of the event. The history is json and not jsonb: no
-- index looks into it, and it is read as it was written.
CREATE TABLE dead_letters (
    row            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subject        text COLLATE "C" NOT NULL,
    "group"        text COLLATE "C" NOT NULL,
    event_id       uuid NOT NULL,
    key            uuid NOT NULL,
    kind           text COLLATE "C" NOT NULL,
    reason         text NOT NULL,
    history        json NOT NULL,
    payload        bytea,
    schema_version integer NOT NULL,
    request_id     text,
    traceparent    text,
    created_at     timestamptz NOT NULL,
    state          text COLLATE "C" NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'replayed', 'dropped')),
    state_at       timestamptz,
    replays        bigint NOT NULL DEFAULT 0,
    -- The row of the outbox that took the payload when the letter was last replayed.
    outbox_row     bigint,
    CHECK ((payload IS NOT NULL) = (state = 'waiting'))
);

CREATE INDEX dead_letters_by_event ON dead_letters (event_id, subject);
CREATE INDEX dead_letters_by_subject ON dead_letters (subject, state) INCLUDE (event_id);
CREATE INDEX dead_letters_decided ON dead_letters (state_at) WHERE state <> 'waiting';
