-- Which history this is. One row.
CREATE TABLE meta (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    epoch INTEGER NOT NULL
) STRICT;

-- The newest position of each stream. `activity` orders the streams by when they moved last.
CREATE TABLE streams (
    id       INTEGER PRIMARY KEY,
    name     TEXT    NOT NULL UNIQUE,
    ver      INTEGER NOT NULL,
    seq      INTEGER NOT NULL,
    activity INTEGER NOT NULL
) STRICT;

-- Every row of every stream, as the whole current object in JSON. An append table: a message is written to its end,
-- whatever its channel.
--   seq    the message's place in the channel; of a reaction, that of its message; of a read position in a thread, that of
--          the message that began it; else absent.
--   other  the other side of an active membership: of a member the user's stream, of a membership the channel's.
--   op     the operation that sent a message, as `<op id> <author>`.
--   digest the content of the operation that sent the message or made the channel.
CREATE TABLE rows (
    id     INTEGER PRIMARY KEY,
    stream INTEGER NOT NULL REFERENCES streams (id),
    ver    INTEGER NOT NULL,
    seq    INTEGER,
    other  INTEGER REFERENCES streams (id),
    key    TEXT    NOT NULL UNIQUE,
    op     TEXT,
    digest BLOB,
    body   TEXT    NOT NULL
) STRICT;
CREATE INDEX rows_feed ON rows (stream, ver);
CREATE INDEX rows_plain ON rows (stream, ver) WHERE seq IS NULL;
CREATE INDEX rows_timeline ON rows (stream, seq) WHERE seq IS NOT NULL;
CREATE INDEX rows_other ON rows (stream, other) WHERE other IS NOT NULL;
CREATE UNIQUE INDEX rows_op ON rows (op) WHERE op IS NOT NULL;

-- The answers to operations that no row records, by `<op id> <user>`. A rejection has a code.
CREATE TABLE results (
    key     TEXT    PRIMARY KEY,
    digest  BLOB    NOT NULL,
    code    TEXT,
    message TEXT,
    at      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX results_at ON results (at);
