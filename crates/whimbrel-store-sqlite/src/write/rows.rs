//! Server rows: one statement form per table, all with the same guard.

use super::timelines::Touched;
use crate::{
    message::{Rest, notice},
    script::Script,
};
use whimbrel_model::{
    AccountRow, Channel, Delivered, Draft, Member, MemberState, Membership, Message, MessageId, Reaction,
    Read, Row, StreamId, User,
};

/// Rebases, and rows that come after them.
#[derive(Debug, Default)]
pub(super) struct Batch<'a> {
    rebased: Vec<&'a StreamId>,
    channels: Vec<&'a Channel>,
    members: Vec<&'a Member>,
    messages: Vec<&'a Message>,
    reactions: Vec<&'a Reaction>,
    reads: Vec<&'a Read>,
    memberships: Vec<&'a Membership>,
    users: Vec<&'a User>,
    drafts: Vec<&'a Draft>,
    delivered: Vec<&'a Delivered>,
    account: Vec<&'a AccountRow>,
    rows: usize,
}

impl<'a> Batch<'a> {
    pub(super) fn has_no_rows(&self) -> bool {
        self.rows == 0
    }

    pub(super) fn rebase(&mut self, stream: &'a StreamId) {
        self.rebased.push(stream);
    }

    pub(super) fn add(&mut self, row: &'a Row) {
        self.rows += 1;
        match row {
            Row::Channel(row) => self.channels.push(row),
            Row::Member(row) => self.members.push(row),
            Row::Message(row) => self.messages.push(row),
            Row::Reaction(row) => self.reactions.push(row),
            Row::Read(row) => self.reads.push(row),
            Row::Membership(row) => self.memberships.push(row),
            Row::User(row) => self.users.push(row),
            Row::Draft(row) => self.drafts.push(row),
            Row::Delivered(row) => self.delivered.push(row),
            Row::Account(row) => self.account.push(row),
        }
    }

    /// Adds its statements, and to `touched` the channels of which something has to be derived again.
    pub(super) fn write(&self, script: &mut Script, touched: &mut Touched<'a>) {
        for stream in &self.rebased {
            write_rebase(script, stream);
            if let StreamId::Channel(cid) = stream {
                touched.messages.insert(cid);
                touched.reads.insert(cid);
            }
        }
        touched.messages.extend(self.messages.iter().map(|row| &row.cid));
        touched
            .memberships
            .extend(self.memberships.iter().map(|row| &row.cid));
        touched.channels.extend(self.channels.iter().map(|row| &row.cid));
        let reads = self.reads.iter().filter(|row| row.thread.is_none());
        touched.reads.extend(reads.map(|row| &row.cid));
        self.write_messages(script);
        self.write_reactions(script);
        self.write_members(script);
        self.write_objects(script);
    }

    fn write_messages(&self, script: &mut Script) {
        let form = (
            "INSERT INTO messages (id, cid, seq, ver, author, parent, in_channel, deleted, at, rest, notice, \
             pinned_at, thread_at) VALUES ",
            13,
            " ON CONFLICT DO UPDATE SET cid = excluded.cid, seq = excluded.seq, ver = excluded.ver, \
             author = excluded.author, parent = excluded.parent, in_channel = excluded.in_channel, \
             deleted = excluded.deleted, at = excluded.at, rest = excluded.rest, notice = excluded.notice, \
             pinned_at = excluded.pinned_at, thread_at = excluded.thread_at WHERE excluded.ver > ver",
        );
        script.rows(&self.messages, form, |args, row| {
            args.add(row.id.0.as_bytes().as_slice());
            args.add(row.cid.as_str());
            args.number(row.seq);
            args.number(row.ver);
            args.add(row.author.as_str());
            args.add(row.parent.as_ref().map(|id| id.0.as_bytes().as_slice()));
            args.add(row.is_in_channel());
            args.add(row.is_deleted());
            args.add(row.accepted_at.unwrap_or(row.composed_at).0);
            args.json(&Rest::of(row));
            args.add(notice(row));
            args.add(row.pinned.as_ref().map(|pin| pin.at.0));
            args.add(row.thread.map(|thread| thread.last_at.0));
        });
    }

    fn write_reactions(&self, script: &mut Script) {
        let form = (
            "INSERT INTO reactions (message, user, kind, cid, ver, removed, at) VALUES ",
            7,
            " ON CONFLICT DO UPDATE SET cid = excluded.cid, ver = excluded.ver, removed = excluded.removed, \
             at = excluded.at WHERE excluded.ver > ver",
        );
        script.rows(&self.reactions, form, |args, row| {
            args.add(row.message.0.as_bytes().as_slice());
            args.add(row.user.as_str());
            args.add(row.kind.as_str());
            args.add(row.cid.as_str());
            args.number(row.ver);
            args.add(row.removed);
            args.add(row.at.0);
        });
    }

    fn write_members(&self, script: &mut Script) {
        let tail = " ON CONFLICT DO UPDATE SET ver = excluded.ver, active = excluded.active, row = excluded.row \
                    WHERE excluded.ver > ver";
        let form = (
            "INSERT INTO members (cid, user, ver, active, row) VALUES ",
            5,
            tail,
        );
        script.rows(&self.members, form, |args, row| {
            args.add(row.cid.as_str());
            args.add(row.user.as_str());
            args.number(row.ver);
            args.add(row.state == MemberState::Active);
            args.json(row);
        });
        let form = (
            "INSERT INTO memberships (cid, user, ver, active, row) VALUES ",
            5,
            tail,
        );
        script.rows(&self.memberships, form, |args, row| {
            args.add(row.cid.as_str());
            args.add(row.user.as_str());
            args.number(row.ver);
            args.add(row.state == MemberState::Active);
            args.json(row);
        });
        let form = (
            "INSERT INTO reads (cid, user, thread, ver, epoch, seq, furthest, private) VALUES ",
            8,
            " ON CONFLICT DO UPDATE SET ver = excluded.ver, epoch = excluded.epoch, seq = excluded.seq, \
             furthest = excluded.furthest, private = excluded.private WHERE excluded.ver > ver",
        );
        script.rows(&self.reads, form, |args, row| {
            args.add(row.cid.as_str());
            args.add(row.user.as_str());
            args.add(thread_key(row.thread.as_ref()));
            args.number(row.ver);
            args.add(i64::from(row.epoch));
            args.number(row.seq);
            args.number(row.furthest);
            args.add(row.private);
        });
    }

    fn write_objects(&self, script: &mut Script) {
        let form = (
            "INSERT INTO channels (cid, ver, row, folded) VALUES ",
            4,
            " ON CONFLICT DO UPDATE SET ver = excluded.ver, row = excluded.row, folded = excluded.folded \
             WHERE excluded.ver > ver",
        );
        script.rows(&self.channels, form, |args, row| {
            args.add(row.cid.as_str());
            args.number(row.ver);
            args.json(row);
            args.add(whimbrel_query::fold(&row.name));
        });
        let tail =
            " ON CONFLICT DO UPDATE SET ver = excluded.ver, row = excluded.row WHERE excluded.ver > ver";
        let form = ("INSERT INTO users (id, ver, row) VALUES ", 3, tail);
        script.rows(&self.users, form, |args, row| {
            args.add(row.id.as_str());
            args.number(row.ver);
            args.json(row);
        });
        let form = (
            "INSERT INTO drafts (user, cid, parent, device, ver, row) VALUES ",
            6,
            tail,
        );
        script.rows(&self.drafts, form, |args, row| {
            args.add(row.user.as_str());
            args.add(row.cid.as_str());
            args.add(thread_key(row.parent.as_ref()));
            args.add(row.device.0.as_bytes().as_slice());
            args.number(row.ver);
            args.json(row);
        });
        let form = ("INSERT INTO delivered (cid, user, ver, row) VALUES ", 4, tail);
        script.rows(&self.delivered, form, |args, row| {
            args.add(row.cid.as_str());
            args.add(row.user.as_str());
            args.number(row.ver);
            args.json(row);
        });
        let form = ("INSERT INTO account_rows (user, key, ver, row) VALUES ", 4, tail);
        script.rows(&self.account, form, |args, row| {
            args.add(row.user().as_str());
            args.add(row.key().to_string());
            args.number(row.ver());
            args.json(row);
        });
    }
}

/// Returns how the timeline of a channel, or the thread of a message, is named in a key.
fn thread_key(thread: Option<&MessageId>) -> &[u8] {
    thread.map_or(&[], |id| id.0.as_bytes())
}

fn write_rebase(script: &mut Script, stream: &StreamId) {
    match stream {
        StreamId::Channel(cid) => {
            for sql in [
                "UPDATE channels SET ver = 0 WHERE cid = ? AND ver > 0",
                "UPDATE members SET ver = 0 WHERE cid = ? AND ver > 0",
                "UPDATE messages SET ver = 0 WHERE cid = ? AND ver > 0",
                "UPDATE reactions SET ver = 0 WHERE cid = ? AND ver > 0",
                "UPDATE reads SET ver = 0 WHERE cid = ? AND ver > 0",
                "UPDATE delivered SET ver = 0 WHERE cid = ? AND ver > 0",
            ] {
                script.statement(sql, |args| args.add(cid.as_str()));
            }
        }
        StreamId::User(user) => {
            for sql in [
                "UPDATE memberships SET ver = 0 WHERE user = ? AND ver > 0",
                "UPDATE users SET ver = 0 WHERE id = ? AND ver > 0",
                "UPDATE drafts SET ver = 0 WHERE user = ? AND ver > 0",
                "UPDATE account_rows SET ver = 0 WHERE user = ? AND ver > 0",
            ] {
                script.statement(sql, |args| args.add(user.as_str()));
            }
        }
    }
}
