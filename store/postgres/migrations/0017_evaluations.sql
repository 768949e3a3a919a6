-- Those of whom something has changed who said yes to being evaluated without asking. changed_at is set while a change waits; held, while
-- somebody looks at one. due_at is when a look may begin, or the end of the lease of whoever looks. baseline is sealed.
CREATE TABLE evaluations (
    user_id       uuid NOT NULL PRIMARY KEY REFERENCES users (id),
    changed_at    timestamptz,
    held          boolean NOT NULL DEFAULT false,
    due_at        timestamptz NOT NULL,
    evaluation_id uuid,
    evaluated_at  timestamptz,
    baseline      text
);

CREATE INDEX evaluations_due ON evaluations (due_at) WHERE changed_at IS NOT NULL OR held;
-- Every fold asks which of its users said yes; mostly nobody did.
CREATE INDEX consents_to_pre_approval ON consents (user_id) WHERE purpose = 'pre-approval' AND granted;
