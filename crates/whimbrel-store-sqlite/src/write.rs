//! A delta as one transaction.
//!
//! Changes of different objects commute, so they are gathered by table and each table gets few statements. What does
//! not commute keeps its order: a rebase and the rows before and after it, and the changes of one object.

mod local;
mod rows;
mod timelines;

use crate::{own::Own, script::Script};
use rows::Batch;
use sqlx::sqlite::SqliteArguments;
use std::collections::BTreeMap;
use timelines::Touched;
use whimbrel_model::{
    Account, Change, ChannelId, Cursor, Delta, Head, OpId, OutboxItem, OutboxStatus, RangeSet, StreamId,
    Timestamp,
};
use whimbrel_store::StoreError;

/// Builds the transaction that commits `delta`, and counts that the outbox changed if it did.
///
/// # Errors
/// A value that the database cannot hold.
pub(crate) fn script(delta: &Delta) -> Result<(String, SqliteArguments), StoreError> {
    plan(delta).finish()
}

/// Builds the transaction that gives a new database the account and the outbox of another one.
///
/// # Errors
/// A value that the database cannot hold.
pub(crate) fn restoring(own: &Own) -> Result<(String, SqliteArguments), StoreError> {
    let mut script = plan(&own.as_delta());
    let sql = "INSERT INTO session (one, outbox_ver) VALUES (1, ?) ON CONFLICT DO UPDATE \
               SET outbox_ver = excluded.outbox_ver";
    script.statement(sql, |args| args.number(own.ver));
    script.finish()
}

fn plan(delta: &Delta) -> Script {
    let mut plan = Plan::default();
    for change in &delta.changes {
        plan.add(change);
    }
    let mut script = Script::new();
    plan.write(&mut script);
    script
}

/// A delta, gathered by table.
#[derive(Debug, Default)]
struct Plan<'a> {
    account: Option<&'a Account>,
    batches: Vec<Batch<'a>>,
    streams: BTreeMap<&'a StreamId, StreamChange>,
    ranges: BTreeMap<&'a ChannelId, &'a RangeSet>,
    heads_token: Option<&'a str>,
    synced_at: Option<Timestamp>,
    outbox: BTreeMap<OpId, Option<&'a OutboxItem>>,
    local: local::Plan<'a>,
}

/// What becomes of the cursor and the head of one stream.
#[derive(Debug, Default)]
struct StreamChange {
    unfollow: bool,
    reset_head: bool,
    cursor: Option<Cursor>,
    head: Option<Head>,
}

impl<'a> Plan<'a> {
    fn add(&mut self, change: &'a Change) {
        match change {
            Change::Account(account) => {
                self.account.get_or_insert(account);
            }
            Change::Row(row) => self.batch(|_| true).add(row),
            Change::Rebase(stream) => {
                self.batch(Batch::has_no_rows).rebase(stream);
                let change = self.streams.entry(stream).or_default();
                change.reset_head = true;
                change.head = None;
            }
            Change::Cursor(stream, cursor) => {
                self.streams.entry(stream).or_default().cursor = Some(*cursor);
            }
            Change::Head(stream, head) => {
                let change = self.streams.entry(stream).or_default();
                change.head = Some(change.head.map_or(*head, |known| known.max(*head)));
            }
            Change::Unfollow(stream) => {
                let unfollow = StreamChange {
                    unfollow: true,
                    ..StreamChange::default()
                };
                self.streams.insert(stream, unfollow);
            }
            Change::Ranges(cid, ranges) => {
                self.ranges.insert(cid, ranges);
            }
            Change::HeadsToken(token) => self.heads_token = Some(token),
            Change::SyncedAt(at) => self.synced_at = Some(*at),
            Change::Outbox(item) => {
                self.outbox.insert(item.id, Some(item));
            }
            Change::OutboxRemoved(id) => {
                self.outbox.insert(*id, None);
            }
            Change::Local(change) => self.local.add(change),
        }
    }

    /// Returns the last batch if it is `fit`, else a new one after it.
    fn batch(&mut self, fit: impl Fn(&Batch<'a>) -> bool) -> &mut Batch<'a> {
        if !self.batches.last().is_some_and(fit) {
            self.batches.push(Batch::default());
        }
        let last = self.batches.len() - 1;
        &mut self.batches[last]
    }

    fn write(&self, script: &mut Script) {
        if let Some(account) = self.account {
            let sql = "INSERT INTO session (one, user, device) VALUES (1, ?, ?) ON CONFLICT DO UPDATE \
                       SET user = excluded.user, device = excluded.device WHERE user IS NULL";
            script.statement(sql, |args| {
                args.add(account.user.as_str());
                args.add(account.device.0.as_bytes().as_slice());
            });
        }
        let mut touched = Touched::default();
        for batch in &self.batches {
            batch.write(script, &mut touched);
        }
        touched.write(script);
        self.write_ranges(script);
        self.write_streams(script);
        if let Some(token) = self.heads_token {
            let sql = "INSERT INTO session (one, heads_token) VALUES (1, ?) ON CONFLICT DO UPDATE \
                       SET heads_token = excluded.heads_token";
            script.statement(sql, |args| args.add(token));
        }
        if let Some(at) = self.synced_at {
            let sql = "INSERT INTO session (one, synced_at) VALUES (1, ?) ON CONFLICT DO UPDATE \
                       SET synced_at = excluded.synced_at";
            script.statement(sql, |args| args.add(at.as_millis()));
        }
        self.write_outbox(script);
        self.local.write(script);
        if self.account.is_some() || !self.outbox.is_empty() || self.local.has_settings() {
            let sql = "INSERT INTO session (one, outbox_ver) VALUES (1, 1) ON CONFLICT DO UPDATE \
                       SET outbox_ver = outbox_ver + 1";
            script.statement(sql, |_| {});
        }
    }

    fn write_ranges(&self, script: &mut Script) {
        let ranges: Vec<_> = self.ranges.iter().collect();
        let tail = " ON CONFLICT DO UPDATE SET runs = excluded.runs WHERE runs IS NOT excluded.runs";
        let form = ("INSERT INTO timelines (cid, runs) VALUES ", 2, tail);
        script.rows(&ranges, form, |args, (cid, ranges)| {
            args.add(cid.as_str());
            args.json(ranges);
        });
    }

    fn write_streams(&self, script: &mut Script) {
        for (stream, change) in &self.streams {
            if change.unfollow {
                script.statement("DELETE FROM streams WHERE stream = ?", |args| {
                    args.add(stream.to_string());
                });
            } else if change.reset_head {
                let sql = "UPDATE streams SET head_ver = NULL, head_seq = NULL WHERE stream = ?";
                script.statement(sql, |args| args.add(stream.to_string()));
            }
        }
        let set = |change: &StreamChange| change.cursor.is_some() || change.head.is_some();
        let changes: Vec<_> = self.streams.iter().filter(|(_, change)| set(change)).collect();
        let form = (
            "INSERT INTO streams (stream, epoch, ver, seq, window_lo, window_ver, head_ver, head_seq) VALUES ",
            8,
            " ON CONFLICT DO UPDATE SET ver = coalesce(excluded.ver, ver), seq = coalesce(excluded.seq, seq), \
             window_lo = CASE WHEN excluded.epoch IS NULL THEN window_lo ELSE excluded.window_lo END, \
             window_ver = CASE WHEN excluded.epoch IS NULL THEN window_ver ELSE excluded.window_ver END, \
             epoch = coalesce(excluded.epoch, epoch), \
             head_ver = coalesce(max(head_ver, excluded.head_ver), head_ver, excluded.head_ver), \
             head_seq = coalesce(max(head_seq, excluded.head_seq), head_seq, excluded.head_seq)",
        );
        script.rows(&changes, form, |args, (stream, change)| {
            let cursor = change.cursor.as_ref();
            let window = cursor.and_then(|cursor| cursor.window);
            args.add(stream.to_string());
            // Only compared for equality, so the sign does not matter.
            args.add(cursor.map(|cursor| cursor.epoch.0.cast_signed()));
            args.opt_number(cursor.map(|cursor| cursor.ver));
            args.opt_number(cursor.map(|cursor| cursor.seq));
            args.opt_number(window.map(|window| window.lo));
            args.opt_number(window.map(|window| window.ver));
            args.opt_number(change.head.map(|head| head.ver));
            args.opt_number(change.head.map(|head| head.seq));
        });
    }

    fn write_outbox(&self, script: &mut Script) {
        let removed: Vec<_> = self.outbox.iter().filter(|(_, item)| item.is_none()).collect();
        let form = ("DELETE FROM outbox WHERE id IN (VALUES ", 1, ")");
        script.rows(&removed, form, |args, (id, _)| {
            args.add(id.0.as_bytes().as_slice());
        });

        let items: Vec<_> = self.outbox.values().flatten().collect();
        let form = (
            "INSERT INTO outbox \
             (id, pos, account, op, composed_at, attempted, failures, last_error, rejection) VALUES ",
            9,
            " ON CONFLICT DO UPDATE SET pos = excluded.pos, account = excluded.account, op = excluded.op, \
             composed_at = excluded.composed_at, attempted = excluded.attempted, \
             failures = excluded.failures, last_error = excluded.last_error, rejection = excluded.rejection",
        );
        script.rows(&items, form, |args, item| {
            args.add(item.id.0.as_bytes().as_slice());
            args.number(item.pos);
            args.add(item.user.as_str());
            args.json(&item.op);
            args.add(item.composed_at.0);
            args.add(item.attempted);
            args.add(i64::from(item.failures));
            args.add(item.last_error.as_ref().map(|code| code.as_str()));
            match &item.status {
                OutboxStatus::Queued => args.add(None::<&str>),
                OutboxStatus::Rejected(rejection) => args.json(rejection),
            }
        });
    }
}
