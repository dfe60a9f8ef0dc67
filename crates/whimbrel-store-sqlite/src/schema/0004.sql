-- The furthest message ever read, where marking unread went back behind it.
ALTER TABLE reads ADD COLUMN furthest INTEGER NOT NULL DEFAULT 0;

-- Read positions that wait, so that what is unread is counted past them without looking at every operation. A damaged row
-- must not keep the others from being saved, so no JSON is taken for granted.
ALTER TABLE outbox ADD COLUMN read_cid TEXT GENERATED ALWAYS AS
    (CASE WHEN json_valid(op) THEN json_extract(op, '$.mark_read.cid') END) VIRTUAL;
ALTER TABLE outbox ADD COLUMN read_epoch INTEGER GENERATED ALWAYS AS
    (CASE WHEN json_valid(op) THEN json_extract(op, '$.mark_read.epoch') END) VIRTUAL;
ALTER TABLE outbox ADD COLUMN read_seq INTEGER GENERATED ALWAYS AS
    (CASE WHEN json_valid(op) THEN json_extract(op, '$.mark_read.seq') END) VIRTUAL;

CREATE INDEX outbox_reads ON outbox (read_cid, read_epoch DESC, read_seq DESC)
    WHERE read_cid IS NOT NULL AND rejection IS NULL;
