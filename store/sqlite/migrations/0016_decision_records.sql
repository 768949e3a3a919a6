-- By which artefacts a decision was made, and all that was said of it; sealed, but for what SQL looks for. Empty in decisions from before.
-- The reason of a denial is sealed as well: those that stand in the clear are sealed when the store is opened.
ALTER TABLE decisions ADD COLUMN model_digest TEXT NOT NULL DEFAULT '';
ALTER TABLE decisions ADD COLUMN policy_digest TEXT NOT NULL DEFAULT '';
ALTER TABLE decisions ADD COLUMN record TEXT;

DROP INDEX decisions_plain;
-- Empty once everything is sealed.
CREATE INDEX decisions_plain ON decisions (id)
    WHERE features LIKE '{%' OR (reason IS NOT NULL AND record IS NULL AND reason NOT LIKE '~1.%');
