-- Server rows. `ver` is a column everywhere: it guards each write, and a rebase sets it to 0. `row` is the whole row
-- as JSON, in which `ver` is not looked at.

CREATE TABLE channels (
    cid TEXT NOT NULL PRIMARY KEY,
    ver INTEGER NOT NULL,
    row TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE members (
    cid TEXT NOT NULL,
    user TEXT NOT NULL,
    ver INTEGER NOT NULL,
    active INTEGER NOT NULL,
    row TEXT NOT NULL,
    PRIMARY KEY (cid, user)
) STRICT, WITHOUT ROWID;

-- Appended in order of arrival, not clustered by (cid, seq): scattered writes of whole messages are six times slower.
CREATE TABLE messages (
    id BLOB NOT NULL PRIMARY KEY,
    cid TEXT NOT NULL,
    seq INTEGER NOT NULL,
    ver INTEGER NOT NULL,
    author TEXT NOT NULL,
    parent BLOB,
    in_channel INTEGER NOT NULL,
    deleted INTEGER NOT NULL,
    at INTEGER NOT NULL,
    rest TEXT NOT NULL
) STRICT;

-- The timeline; with author and deleted, so that unread messages are counted without looking at them.
CREATE INDEX messages_timeline ON messages (cid, in_channel, seq, author, deleted) WHERE ver > 0;
CREATE INDEX messages_thread ON messages (parent, seq, deleted) WHERE parent IS NOT NULL AND ver > 0;

CREATE TABLE reactions (
    message BLOB NOT NULL,
    user TEXT NOT NULL,
    kind TEXT NOT NULL,
    cid TEXT NOT NULL,
    ver INTEGER NOT NULL,
    removed INTEGER NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (message, user, kind)
) STRICT, WITHOUT ROWID;

CREATE INDEX reactions_of_channel ON reactions (cid) WHERE ver > 0;

CREATE TABLE reads (
    cid TEXT NOT NULL,
    user TEXT NOT NULL,
    ver INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (cid, user)
) STRICT, WITHOUT ROWID;

CREATE TABLE memberships (
    user TEXT NOT NULL,
    cid TEXT NOT NULL,
    ver INTEGER NOT NULL,
    active INTEGER NOT NULL,
    row TEXT NOT NULL,
    PRIMARY KEY (user, cid)
) STRICT, WITHOUT ROWID;

CREATE TABLE users (
    id TEXT NOT NULL PRIMARY KEY,
    ver INTEGER NOT NULL,
    row TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Derived from memberships and messages in the transaction that changes them, so that the channel list is read in
-- its order without looking at every channel's messages. `runs` is not derived: the message runs on the device.
CREATE TABLE timelines (
    cid TEXT NOT NULL PRIMARY KEY,
    runs TEXT,
    listed INTEGER NOT NULL DEFAULT 0,
    last_id BLOB,
    last_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX timelines_list ON timelines (last_at DESC, cid) WHERE listed = 1;

-- What belongs to the device.

CREATE TABLE session (
    one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    user TEXT,
    device BLOB,
    heads_token TEXT
) STRICT;

CREATE TABLE streams (
    stream TEXT NOT NULL PRIMARY KEY,
    epoch INTEGER,
    ver INTEGER,
    seq INTEGER,
    window_lo INTEGER,
    window_ver INTEGER,
    head_ver INTEGER,
    head_seq INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE outbox (
    id BLOB NOT NULL PRIMARY KEY,
    pos INTEGER NOT NULL,
    account TEXT NOT NULL,
    op TEXT NOT NULL,
    composed_at INTEGER NOT NULL,
    attempted INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    last_error TEXT,
    rejection TEXT
) STRICT, WITHOUT ROWID;
