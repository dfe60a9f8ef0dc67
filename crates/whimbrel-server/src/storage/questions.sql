-- What questions ask, beside the rows that say it: written in the transaction that writes those.

-- Every channel. `folded` is the name as the query language compares words; `last_*` are of the newest message of the
-- timeline.
CREATE TABLE channels (
    stream     INTEGER PRIMARY KEY REFERENCES streams (id),
    cid        TEXT    NOT NULL,
    name       TEXT,
    folded     TEXT    NOT NULL,
    created_by TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    last_seq   INTEGER,
    last_at    INTEGER
) STRICT;

-- The channels that a user is in, and how the user keeps each.
CREATE TABLE seats (
    user        TEXT    NOT NULL,
    channel     INTEGER NOT NULL REFERENCES streams (id),
    role        TEXT    NOT NULL,
    pinned_at   INTEGER,
    archived_at INTEGER,
    hidden_seq  INTEGER,
    muted_until INTEGER,
    PRIMARY KEY (user, channel)
) STRICT, WITHOUT ROWID;

-- The users who are in a channel.
CREATE TABLE members (
    channel   INTEGER NOT NULL REFERENCES streams (id),
    user      TEXT    NOT NULL,
    role      TEXT    NOT NULL,
    joined_at INTEGER NOT NULL,
    PRIMARY KEY (channel, user)
) STRICT, WITHOUT ROWID;
CREATE INDEX members_joined ON members (channel, joined_at, user);

-- Users with a profile.
CREATE TABLE users (
    id     TEXT PRIMARY KEY,
    name   TEXT,
    folded TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX users_name ON users (name, id);

-- The threads that a user follows, by the message that each hangs on.
CREATE TABLE followed (
    user    TEXT    NOT NULL,
    parent  TEXT    NOT NULL,
    channel INTEGER NOT NULL REFERENCES streams (id),
    PRIMARY KEY (user, parent)
) STRICT, WITHOUT ROWID;

-- Where the pinned messages are.
CREATE TABLE pins (
    channel INTEGER NOT NULL REFERENCES streams (id),
    seq     INTEGER NOT NULL,
    PRIMARY KEY (channel, seq)
) STRICT, WITHOUT ROWID;

-- What a database holds that was made before. The folded names follow.
INSERT INTO channels
SELECT stream, json_extract(body, '$.channel.cid'), nullif(json_extract(body, '$.channel.name'), ''), '',
    json_extract(body, '$.channel.created_by'), json_extract(body, '$.channel.created_at'),
    json_extract(body, '$.channel.updated_at'), NULL, NULL
FROM rows WHERE key >= 'channel ' AND key < 'channel!';

UPDATE channels SET (last_seq, last_at) = (
    SELECT seq, json_extract(body, '$.message.accepted_at') FROM rows
    WHERE rows.stream = channels.stream AND seq IS NOT NULL AND op IS NOT NULL
        AND (json_extract(body, '$.message.parent') IS NULL OR json_extract(body, '$.message.show_in_channel') = 1)
    ORDER BY seq DESC LIMIT 1);

INSERT INTO seats
SELECT json_extract(body, '$.membership.user'), other, json_extract(body, '$.membership.role'),
    json_extract(body, '$.membership.pinned_at'), json_extract(body, '$.membership.archived_at'),
    json_extract(body, '$.membership.hidden_seq'),
    CASE json_type(body, '$.membership.muted')
        WHEN 'object' THEN coalesce(json_extract(body, '$.membership.muted.until'), 9007199254740991) END
FROM rows WHERE key >= 'membership ' AND key < 'membership!' AND other IS NOT NULL;

INSERT INTO members
SELECT stream, json_extract(body, '$.member.user'), json_extract(body, '$.member.role'),
    json_extract(body, '$.member.joined_at')
FROM rows WHERE key >= 'member ' AND key < 'member!' AND other IS NOT NULL;

INSERT INTO users
SELECT json_extract(body, '$.user.id'), nullif(json_extract(body, '$.user.name'), ''), ''
FROM rows WHERE key >= 'user ' AND key < 'user!';

INSERT OR IGNORE INTO followed
SELECT json_extract(body, '$.read.user'), json_extract(body, '$.read.thread'), stream
FROM rows WHERE key >= 'read ' AND key < 'read!' AND json_extract(body, '$.read.thread') IS NOT NULL;

INSERT OR IGNORE INTO followed
SELECT json_extract(body, '$.message.author'), json_extract(body, '$.message.id'), stream
FROM rows WHERE op IS NOT NULL AND json_extract(body, '$.message.thread') IS NOT NULL;

INSERT INTO pins
SELECT stream, seq FROM rows WHERE op IS NOT NULL AND json_extract(body, '$.message.pinned') IS NOT NULL;
