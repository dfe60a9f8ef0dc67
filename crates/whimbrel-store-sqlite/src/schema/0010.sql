-- What the device keeps for itself: no server has it.
CREATE TABLE settings (
    key TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Archives on their way between this device and another one, encrypted.
CREATE TABLE transfers (
    request BLOB NOT NULL PRIMARY KEY,
    row TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE transfer_parts (
    request BLOB NOT NULL,
    "offset" INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (request, "offset")
) STRICT;
