-- What channels are often asked for, beside what they are ordered by: a query looks through small rows of one table instead of
-- documents of three. Derived like the rest of the table. `pinned_at` and `archived_at` only of channels that the account is in;
-- the read position is the account's own as the server has it.
ALTER TABLE timelines ADD COLUMN name TEXT;
ALTER TABLE timelines ADD COLUMN folded TEXT;
ALTER TABLE timelines ADD COLUMN custom BLOB;
ALTER TABLE timelines ADD COLUMN created_at INTEGER;
ALTER TABLE timelines ADD COLUMN pinned_at INTEGER;
ALTER TABLE timelines ADD COLUMN archived_at INTEGER;
ALTER TABLE timelines ADD COLUMN last_seq INTEGER NOT NULL DEFAULT 0;
ALTER TABLE timelines ADD COLUMN read_epoch INTEGER NOT NULL DEFAULT 0;
ALTER TABLE timelines ADD COLUMN read_seq INTEGER NOT NULL DEFAULT 0;

UPDATE timelines SET last_seq = (SELECT seq FROM messages m WHERE m.id = last_id) WHERE last_id IS NOT NULL;
UPDATE timelines SET name = nullif(c.row ->> '$.name', ''), folded = c.folded, custom = jsonb(c.row -> '$.custom'),
    created_at = c.row ->> '$.created_at'
    FROM channels c WHERE c.cid = timelines.cid;
UPDATE timelines SET pinned_at = p.pinned_at, archived_at = p.archived_at
    FROM memberships p WHERE p.cid = timelines.cid AND p.user = (SELECT user FROM session) AND p.active = 1;
UPDATE timelines SET read_epoch = r.epoch, read_seq = r.seq
    FROM reads r WHERE r.cid = timelines.cid AND r.thread = x'' AND r.user = (SELECT user FROM session) AND r.ver > 0;

CREATE INDEX timelines_by_name ON timelines (known, listed, name, cid);
CREATE INDEX timelines_pinned ON timelines (known, listed, pinned_at DESC, last_at DESC, cid);

-- From a member to the channels.
CREATE INDEX members_of ON members (user, cid) WHERE active = 1 AND ver > 0;
