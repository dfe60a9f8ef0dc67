-- How often the outbox changed: the journal beside the database says of which state it is.
ALTER TABLE session ADD COLUMN outbox_ver INTEGER NOT NULL DEFAULT 0;
