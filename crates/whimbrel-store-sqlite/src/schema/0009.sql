-- Rows about the account itself: settings, contacts, devices.
CREATE TABLE account_rows (
    user TEXT NOT NULL,
    key TEXT NOT NULL,
    ver INTEGER NOT NULL,
    row TEXT NOT NULL,
    PRIMARY KEY (user, key)
) STRICT, WITHOUT ROWID;

-- What has reached whom.
CREATE TABLE delivered (
    cid TEXT NOT NULL,
    user TEXT NOT NULL,
    ver INTEGER NOT NULL,
    row TEXT NOT NULL,
    PRIMARY KEY (cid, user)
) STRICT, WITHOUT ROWID;

-- Read positions that only their user sees.
ALTER TABLE reads ADD COLUMN private INTEGER NOT NULL DEFAULT 0;
