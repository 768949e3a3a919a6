-- When the customer read it; NULL until then.
ALTER TABLE notifications ADD COLUMN read_at TEXT;
