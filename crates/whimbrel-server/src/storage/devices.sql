-- Devices that have a push token and are not revoked: those that may be woken.
CREATE TABLE wakes (
    user   TEXT NOT NULL,
    device TEXT NOT NULL,
    PRIMARY KEY (user, device)
) STRICT, WITHOUT ROWID;

-- Devices that are revoked, by when, so that they are found once they are old.
CREATE TABLE revoked (
    at     INTEGER NOT NULL,
    user   TEXT    NOT NULL,
    device TEXT    NOT NULL,
    PRIMARY KEY (at, user, device)
) STRICT, WITHOUT ROWID;

-- When devices were last seen, and the token of the last heads that each has. It is no row of a stream.
CREATE TABLE seen (
    user   TEXT    NOT NULL,
    device TEXT    NOT NULL,
    at     INTEGER NOT NULL,
    token  TEXT,
    PRIMARY KEY (user, device)
) STRICT, WITHOUT ROWID;
