-- What counts as unread: 0 nothing (deleted, or silent), 1 it does, 2 and it names users, 3 and it is meant for everyone.
ALTER TABLE messages ADD COLUMN notice INTEGER NOT NULL DEFAULT 1;
UPDATE messages SET notice = 0 WHERE deleted = 1;
UPDATE messages SET notice = 2 WHERE deleted = 0 AND json_array_length(rest, '$.body.mentions') > 0;
DROP INDEX messages_timeline;
CREATE INDEX messages_timeline ON messages (cid, in_channel, seq, author, notice) WHERE ver > 0;
DROP INDEX messages_thread;
CREATE INDEX messages_thread ON messages (parent, seq, author, notice, deleted) WHERE parent IS NOT NULL AND ver > 0;

-- When a message was pinned; and of one that began a thread, when the newest reply was accepted.
ALTER TABLE messages ADD COLUMN pinned_at INTEGER;
ALTER TABLE messages ADD COLUMN thread_at INTEGER;
CREATE INDEX messages_pinned ON messages (cid, seq) WHERE pinned_at IS NOT NULL AND ver > 0;
CREATE INDEX messages_threads ON messages (thread_at, id) WHERE thread_at IS NOT NULL AND ver > 0;

-- Read positions in threads beside those in timelines, whose `thread` is empty.
CREATE TABLE reads_of (
    cid TEXT NOT NULL,
    user TEXT NOT NULL,
    thread BLOB NOT NULL,
    ver INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    furthest INTEGER NOT NULL,
    PRIMARY KEY (cid, thread, user)
) STRICT, WITHOUT ROWID;
INSERT INTO reads_of (cid, user, thread, ver, epoch, seq, furthest)
    SELECT cid, user, x'', ver, epoch, seq, furthest FROM reads;
DROP TABLE reads;
ALTER TABLE reads_of RENAME TO reads;
CREATE INDEX reads_of_thread ON reads (thread, user) WHERE thread <> x'';

ALTER TABLE outbox ADD COLUMN read_thread TEXT GENERATED ALWAYS AS
    (CASE WHEN json_valid(op) THEN json_extract(op, '$.mark_read.thread') END) VIRTUAL;
DROP INDEX outbox_reads;
CREATE INDEX outbox_reads ON outbox (read_cid, read_thread, read_epoch DESC, read_seq DESC)
    WHERE read_cid IS NOT NULL AND rejection IS NULL;

-- How the account keeps its channels, for queries.
ALTER TABLE memberships ADD COLUMN pinned_at INTEGER GENERATED ALWAYS AS (json_extract(row, '$.pinned_at')) VIRTUAL;
ALTER TABLE memberships ADD COLUMN archived_at INTEGER GENERATED ALWAYS AS (json_extract(row, '$.archived_at')) VIRTUAL;
ALTER TABLE memberships ADD COLUMN hidden_seq INTEGER GENERATED ALWAYS AS (json_extract(row, '$.hidden_seq')) VIRTUAL;

CREATE TABLE drafts (
    user TEXT NOT NULL,
    cid TEXT NOT NULL,
    parent BLOB NOT NULL,
    device BLOB NOT NULL,
    ver INTEGER NOT NULL,
    row TEXT NOT NULL,
    PRIMARY KEY (user, cid, parent, device)
) STRICT, WITHOUT ROWID;
