-- A database as the first schema had it, with a full outbox: queued, attempted, and rejected.
INSERT INTO session (one, user, device, heads_token) VALUES (1, 'ada', x'01900000000070008000000000000001', '7/3');
INSERT INTO streams (stream, epoch, ver, seq, head_ver, head_seq) VALUES ('C:messaging:general', 5, 2, 1, 2, 1);
INSERT INTO channels VALUES ('messaging:general', 1, '{"cid":"messaging:general","name":"General","created_by":"ada","created_at":1,"updated_at":1,"ver":1}');
INSERT INTO messages VALUES (x'01900000000070008000000000000009', 'messaging:general', 1, 2, 'bob', NULL, 1, 0, 5,
    '{"body":{"text":"hello"},"composed_at":4,"accepted_at":5,"revision":0}');
INSERT INTO timelines VALUES ('messaging:general', NULL, 1, x'01900000000070008000000000000009', 5);
INSERT INTO outbox
WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 300)
SELECT unhex(printf('019000000000700080000000%08x', 1000000 + n)), n, 'ada',
    json_object('send_message', json_object(
        'cid', 'messaging:general', 'id', printf('01900000-0000-7000-8000-0000%08x', 2000000 + n),
        'body', json_object('text', printf('written offline, number %d', n)))),
    7, n % 3 > 0, n % 3 > 0, iif(n % 3 > 0, 'rate_limited', NULL),
    iif(n % 3 = 2, '{"code":"forbidden","message":"only members may send here"}', NULL)
FROM n;
PRAGMA application_id = 0x5768696d;
PRAGMA user_version = 1;
