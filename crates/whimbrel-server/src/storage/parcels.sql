-- What one device of an account leaves for another one: encrypted, and in no stream. `request` is what it answers, `device` is
-- whom it is from.
CREATE TABLE parcels (
    id      INTEGER PRIMARY KEY,
    user    TEXT    NOT NULL,
    request TEXT    NOT NULL,
    device  TEXT    NOT NULL,
    total   INTEGER NOT NULL,
    sha256  TEXT    NOT NULL,
    stored  INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    UNIQUE (user, request, device)
) STRICT;

CREATE INDEX parcels_by_age ON parcels (at);

CREATE TABLE parcel_parts (
    parcel   INTEGER NOT NULL REFERENCES parcels (id),
    "offset" INTEGER NOT NULL,
    bytes    BLOB    NOT NULL,
    PRIMARY KEY (parcel, "offset")
) STRICT;
