-- The name as it is searched (`whimbrel_query::fold`), which no SQL can make: the program fills in the rows that are there.
ALTER TABLE channels ADD COLUMN folded TEXT NOT NULL DEFAULT '';

-- What a query of channels is about: those with an own row or a membership. Derived like the rest of the table.
ALTER TABLE timelines ADD COLUMN known INTEGER NOT NULL DEFAULT 0;
INSERT INTO timelines (cid, known)
    SELECT cid, 1 FROM channels UNION SELECT cid, 1 FROM memberships WHERE user = (SELECT user FROM session)
    ON CONFLICT DO UPDATE SET known = 1;

DROP INDEX timelines_list;
CREATE INDEX timelines_list ON timelines (known, listed, last_at DESC, cid);
