-- Whether the account is invited to a channel, what it has decided of it, and who brought it in.
-- Of what it has left, nothing.
ALTER TABLE timelines ADD COLUMN invited INTEGER NOT NULL DEFAULT 0;
ALTER TABLE timelines ADD COLUMN consent TEXT NOT NULL DEFAULT 'unknown';
ALTER TABLE timelines ADD COLUMN added_by TEXT;
