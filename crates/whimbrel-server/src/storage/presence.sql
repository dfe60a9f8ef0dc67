-- When users were last seen, and what others see of them while they are offline. It is no row of a stream.
CREATE TABLE last_seen (
    user   TEXT NOT NULL PRIMARY KEY,
    at     INTEGER,
    status TEXT NOT NULL,
    custom TEXT NOT NULL
) STRICT, WITHOUT ROWID;
