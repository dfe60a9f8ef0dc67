-- Full text of messages, as `whimbrel_query::indexed` writes it: the index only, by the number of the row. The server fills it
-- in behind the writes, a step at a time: that is many times cheaper than a little in each commit, and what the index does
-- not have yet is looked through.
CREATE VIRTUAL TABLE words USING fts5 (text, content = '', contentless_delete = 1, tokenize = 'ascii');

-- The last row that the index was brought up to.
CREATE TABLE indexed (one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1), upto INTEGER NOT NULL) STRICT;
INSERT INTO indexed (one, upto) VALUES (1, 0);

-- Messages up to there that are not as the index has them.
CREATE TABLE unindexed (id INTEGER NOT NULL PRIMARY KEY) STRICT;

CREATE TRIGGER rows_changed AFTER UPDATE OF body ON rows
WHEN old.op IS NOT NULL AND old.id <= (SELECT upto FROM indexed)
BEGIN
    INSERT INTO unindexed (id) SELECT old.id WHERE true ON CONFLICT DO NOTHING;
END;
