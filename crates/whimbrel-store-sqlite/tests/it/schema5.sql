-- What a database of the fifth schema had beside that: five messages of bob's, read up to the first; three that are new to the
-- account, of which one mentions it and one was deleted; a reply; and a read position that waits.
INSERT INTO memberships VALUES ('ada', 'messaging:general', 3, 1,
    '{"cid":"messaging:general","user":"ada","role":"member","state":"active","ver":3}');
UPDATE timelines SET listed = 1, runs = '[{"lo":1,"hi":6}]';
INSERT INTO messages VALUES
    (x'0190000000007000800000000000000a', 'messaging:general', 2, 3, 'bob', NULL, 1, 0, 6,
     '{"body":{"text":"@ada","mentions":["bob","ada"]},"composed_at":4,"accepted_at":6,"revision":0}'),
    (x'0190000000007000800000000000000b', 'messaging:general', 3, 4, 'bob', NULL, 1, 0, 7,
     '{"body":{"text":"@bob","mentions":["bob"]},"composed_at":4,"accepted_at":7,"revision":0}'),
    (x'0190000000007000800000000000000c', 'messaging:general', 4, 9, 'bob', NULL, 1, 1, 8,
     '{"body":{},"composed_at":4,"accepted_at":8,"deleted_at":9,"revision":0}'),
    (x'0190000000007000800000000000000d', 'messaging:general', 5, 6, 'bob', x'01900000000070008000000000000009', 0, 0, 9,
     '{"body":{"text":"a reply"},"composed_at":4,"accepted_at":9,"revision":0}'),
    (x'0190000000007000800000000000000e', 'messaging:general', 6, 7, 'ada', NULL, 1, 0, 10,
     '{"body":{"text":"my own"},"composed_at":4,"accepted_at":10,"revision":0}');
INSERT INTO reads (cid, user, ver, epoch, seq, furthest) VALUES
    ('messaging:general', 'ada', 5, 1, 1, 2), ('messaging:general', 'bob', 8, 0, 6, 0);
INSERT INTO outbox VALUES (x'01900000000070008000000000200000', 900, 'ada',
    '{"mark_read":{"cid":"messaging:general","epoch":1,"seq":2}}', 7, 0, 0, NULL, NULL);
PRAGMA user_version = 5;
