-- Full text of messages, as `whimbrel_query::indexed` writes it, which no SQL can. It has no text of its own, only the index.
-- The program fills it in behind the writes, a step at a time: that is many times cheaper than a little with each delta, and
-- what the index does not have yet is looked through. A row's number orders by time, and tells the row of the message:
-- (at - 2^41) << 22 | (the row's number in `messages`) & (2^22 - 1).
CREATE VIRTUAL TABLE words USING fts5 (text, content = '', contentless_delete = 1, tokenize = 'ascii');

-- The last row of `messages` that the index was brought up to.
CREATE TABLE indexed (one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1), upto INTEGER NOT NULL) STRICT;
INSERT INTO indexed (one, upto) VALUES (1, 0);

-- Rows of `messages` up to there that are not as the index has them, and the number by which it does.
CREATE TABLE unindexed (message INTEGER NOT NULL PRIMARY KEY, number INTEGER NOT NULL) STRICT;

CREATE TRIGGER messages_changed AFTER UPDATE OF cid, author, deleted, at, rest ON messages
WHEN old.rowid <= (SELECT upto FROM indexed)
    AND (old.cid, old.author, old.deleted, old.at, old.rest) IS NOT (new.cid, new.author, new.deleted, new.at, new.rest)
BEGIN
    INSERT INTO unindexed (message, number) SELECT old.rowid,
        (min(max(old.at, 0), 4398046511103) - 2199023255552) << 22 | (old.rowid & 4194303)
        WHERE true ON CONFLICT DO NOTHING;
END;

CREATE TRIGGER messages_removed AFTER DELETE ON messages WHEN old.rowid <= (SELECT upto FROM indexed)
BEGIN
    INSERT INTO unindexed (message, number) SELECT old.rowid,
        (min(max(old.at, 0), 4398046511103) - 2199023255552) << 22 | (old.rowid & 4194303)
        WHERE true ON CONFLICT DO NOTHING;
END;
