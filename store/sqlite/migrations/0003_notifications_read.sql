-- When the customer read it; NULL until then.
ALTER TABLE notifications ADD COLUMN read_at TEXT;

-- Most are read sooner or later, so counting what isn't stays cheap however many there are.
CREATE INDEX notifications_unread ON notifications (user_id, sequence) WHERE read_at IS NULL;
