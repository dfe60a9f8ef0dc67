//! What the lists of channels are read from: derived from the rows in the transaction that changes them.

use crate::script::Script;
use std::collections::BTreeSet;
use whimbrel_model::ChannelId;

/// The channels of which rows were written, by the kind of row.
#[derive(Debug, Default)]
pub(super) struct Touched<'a> {
    pub(super) messages: BTreeSet<&'a ChannelId>,
    pub(super) channels: BTreeSet<&'a ChannelId>,
    pub(super) memberships: BTreeSet<&'a ChannelId>,
    pub(super) reads: BTreeSet<&'a ChannelId>,
}

impl Touched<'_> {
    /// Derives the rows of `timelines` from what the transaction has written so far.
    pub(super) fn write(&self, script: &mut Script) {
        let mut all = BTreeSet::new();
        for some in [&self.messages, &self.channels, &self.memberships, &self.reads] {
            all.extend(some.iter().copied());
        }
        // First, so that each has a row.
        derive(
            script,
            &all,
            "INSERT INTO timelines (cid, known, listed, last_id, last_at, last_seq) \
             SELECT t.column1, c.cid IS NOT NULL OR p.cid IS NOT NULL, coalesce(p.active, 0), m.id, m.at, coalesce(m.seq, 0) \
             FROM (VALUES ",
            ") t LEFT JOIN channels c ON c.cid = t.column1 \
             LEFT JOIN memberships p ON p.cid = t.column1 AND p.user = (SELECT user FROM session) \
             LEFT JOIN messages m ON m.id = (SELECT id FROM messages \
             WHERE cid = t.column1 AND in_channel = 1 AND ver > 0 ORDER BY seq DESC LIMIT 1) \
             WHERE true ON CONFLICT DO UPDATE SET known = excluded.known, listed = excluded.listed, \
             last_id = excluded.last_id, last_at = excluded.last_at, last_seq = excluded.last_seq \
             WHERE (known, listed, last_id, last_at, last_seq) \
             IS NOT (excluded.known, excluded.listed, excluded.last_id, excluded.last_at, excluded.last_seq)",
        );
        derive(
            script,
            &self.channels,
            "UPDATE timelines SET name = nullif(c.row ->> '$.name', ''), folded = c.folded, \
             custom = jsonb(c.row -> '$.custom'), created_at = c.row ->> '$.created_at' \
             FROM channels c WHERE c.cid = timelines.cid AND timelines.cid IN (VALUES ",
            ")",
        );
        derive(
            script,
            &self.memberships,
            "UPDATE timelines SET pinned_at = CASE WHEN p.active = 1 THEN p.pinned_at END, \
             archived_at = CASE WHEN p.active = 1 THEN p.archived_at END, \
             invited = p.row ->> '$.state' = 'invited', \
             consent = iif(p.row ->> '$.state' <> 'gone', coalesce(p.row ->> '$.consent', 'unknown'), 'unknown'), \
             added_by = iif(p.row ->> '$.state' <> 'gone', p.row ->> '$.added_by', NULL) \
             FROM memberships p WHERE p.cid = timelines.cid AND p.user = (SELECT user FROM session) \
             AND timelines.cid IN (VALUES ",
            ")",
        );
        // Most read positions are of others.
        derive(
            script,
            &self.reads,
            "UPDATE timelines SET read_epoch = coalesce(r.epoch, 0), read_seq = coalesce(r.seq, 0) \
             FROM (VALUES ",
            ") v LEFT JOIN reads r ON r.cid = v.column1 AND r.thread = x'' AND r.user = (SELECT user FROM session) AND r.ver > 0 \
             WHERE timelines.cid = v.column1 \
             AND (timelines.read_epoch, timelines.read_seq) <> (coalesce(r.epoch, 0), coalesce(r.seq, 0))",
        );
    }
}

/// Adds a statement for `channels`, whose ids stand between its head and its tail.
fn derive(script: &mut Script, channels: &BTreeSet<&ChannelId>, head: &str, tail: &str) {
    let channels: Vec<_> = channels.iter().collect();
    script.rows(&channels, (head, 1, tail), |args, cid| args.add(cid.as_str()));
}
