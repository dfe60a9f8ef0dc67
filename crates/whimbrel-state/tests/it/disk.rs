//! A store as the documentation of `Store` and `Delta` describes it, in the plainest way: the reference for the laws.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};
use whimbrel_model::{
    AccountRow, Change, Channel, ChannelId, ChannelSummary, Custom, Delta, Draft, FollowedThread,
    HistoryFrom, Member, MemberState, Membership, Message, MessageBody, MessageId, MessagePage, MessageQuery,
    MessageScope, Op, OpId, OutboxItem, OutboxStatus, People, RangeSet, Reaction, Read, ReadPosition, Role,
    Row, RowKey, StreamId, ThreadPlace, Timestamp, UserId,
};
use whimbrel_query::{ChannelItem, PageCursor, Query};
use whimbrel_state::{ChannelRow, ReceiptRows};

#[derive(Default)]
pub(crate) struct Disk {
    rows: BTreeMap<RowKey, Row>,
    pub(crate) ranges: BTreeMap<ChannelId, RangeSet>,
    pub(crate) outbox: BTreeMap<u64, OutboxItem>,
    /// What it is read with.
    pub(crate) people: People,
}

impl Disk {
    pub(crate) fn apply(&mut self, delta: &Delta) {
        for change in &delta.changes {
            match change {
                Change::Row(row) => {
                    let known = self.rows.get(&row.key());
                    if known.is_none_or(|known| row.supersedes(known)) {
                        self.rows.insert(row.key(), row.clone());
                    }
                }
                Change::Ranges(cid, ranges) => {
                    self.ranges.insert(cid.clone(), ranges.clone());
                }
                Change::Rebase(stream) => {
                    for row in self.rows.values_mut().filter(|row| row.stream() == *stream) {
                        forget(row);
                    }
                }
                Change::Outbox(item) => {
                    self.outbox.retain(|_, known| known.id != item.id);
                    self.outbox.insert(item.pos, item.clone());
                }
                Change::OutboxRemoved(id) => self.outbox.retain(|_, known| known.id != *id),
                _ => {}
            }
        }
    }

    /// The account's own rows.
    pub(crate) fn account_rows(&self) -> Vec<AccountRow> {
        let rows = self.rows.values().filter_map(|row| match row {
            Row::Account(row) if row.ver() > 0 => Some(row.clone()),
            _ => None,
        });
        rows.collect()
    }

    fn is_silent(&self, message: &Message) -> bool {
        self.people.is_silent(&message.author)
    }

    pub(crate) fn all_messages(&self) -> impl Iterator<Item = &Message> {
        self.rows.values().filter_map(|row| match row {
            Row::Message(row) if row.ver > 0 => Some(row),
            _ => None,
        })
    }

    pub(crate) fn all_reactions(&self) -> impl Iterator<Item = &Reaction> {
        self.rows.values().filter_map(|row| match row {
            Row::Reaction(row) if row.ver > 0 => Some(row),
            _ => None,
        })
    }

    pub(crate) fn replies(&self, id: MessageId) -> u32 {
        let replies = self
            .all_messages()
            .filter(|row| row.parent == Some(id) && !row.is_deleted());
        u32::try_from(replies.count()).unwrap()
    }

    /// The members of a channel, gone ones included.
    pub(crate) fn members(&self, cid: &ChannelId) -> Vec<Member> {
        let rows = self.rows.values().filter_map(|row| match row {
            Row::Member(row) if row.cid == *cid => Some(row.clone()),
            _ => None,
        });
        rows.collect()
    }

    /// The read positions in a channel or a thread.
    pub(crate) fn reads(&self, cid: &ChannelId, thread: Option<MessageId>) -> Vec<Read> {
        let rows = self.rows.values().filter_map(|row| match row {
            Row::Read(row) if row.cid == *cid && row.thread == thread => Some(row.clone()),
            _ => None,
        });
        rows.collect()
    }

    /// Who is in a channel, and how far they are in it and in a thread.
    pub(crate) fn receipts(&self, cid: &ChannelId, thread: Option<MessageId>) -> ReceiptRows {
        let mut reads = self.reads(cid, None);
        reads.extend(
            thread
                .into_iter()
                .flat_map(|thread| self.reads(cid, Some(thread))),
        );
        let delivered = self.rows.values().filter_map(|row| match row {
            Row::Delivered(row) if row.cid == *cid => Some(row.clone()),
            _ => None,
        });
        ReceiptRows {
            members: self.members(cid),
            delivered: delivered.collect(),
            reads,
        }
    }

    /// The pinned messages of a channel.
    pub(crate) fn pinned(&self, cid: &ChannelId) -> Vec<Message> {
        let pinned = |row: &&Message| row.cid == *cid && row.pinned.is_some();
        self.all_messages().filter(pinned).cloned().collect()
    }

    /// The drafts that are not empty.
    pub(crate) fn drafts(&self) -> Vec<Draft> {
        let rows = self.rows.values().filter_map(|row| match row {
            Row::Draft(row) if row.ver > 0 && row.content.is_some() => Some(row.clone()),
            _ => None,
        });
        rows.collect()
    }

    /// A thread as `me` sees it.
    pub(crate) fn thread(&self, me: &UserId, parent: MessageId) -> Option<FollowedThread> {
        let message = self.message(parent).filter(|row| row.ver > 0)?.clone();
        let cid = &message.cid;
        let replies = || self.all_messages().filter(|row| row.parent == Some(parent));
        let reads = self.reads(cid, Some(parent));
        let read = reads.into_iter().find(|row| row.user == *me && row.ver > 0);
        let known = read.as_ref().map(Read::position);
        let waiting = ReadPosition::waiting(cid, Some(parent), self.outbox.values());
        let waiting_read = waiting.filter(|waiting| Some(*waiting) > known);
        let position = known.max(waiting_read).unwrap_or_default().seq;
        let unread = replies()
            .filter(|row| row.seq > position && row.counts_as_unread_reply_for(me) && !self.is_silent(row));
        let is_joined = self.rows.values().any(|row| {
            matches!(row, Row::Membership(row)
                if row.user == *me && row.cid == *cid && row.state == MemberState::Active)
        });
        let ranges = self.ranges.get(cid).cloned().unwrap_or_default();
        let lacks = |seq: &u64| !ranges.is_fresh(*seq, *seq);
        let here = u64::from(self.replies(parent));
        let unread_unknown = message.thread.map_or(0, |known| {
            let missing = (position + 1..=known.last_seq).filter(lacks).count() as u64;
            missing.min(u64::from(known.replies).saturating_sub(here))
        });
        let membership = match self.rows.get(&RowKey::Membership(cid.clone(), me.clone())) {
            Some(Row::Membership(row)) => Some(row.clone()),
            _ => None,
        };
        Some(FollowedThread {
            membership,
            last_reply: replies().max_by_key(|row| row.seq).cloned(),
            followed: is_joined && (read.is_some() || message.author == *me),
            unread: unread.count() as u64,
            unread_unknown,
            waiting_read,
            read,
            parent: message,
        })
    }

    /// The followed threads after a place, and whether there are more after those.
    pub(crate) fn threads(
        &self,
        me: &UserId,
        after: Option<ThreadPlace>,
        limit: usize,
    ) -> (Vec<FollowedThread>, bool) {
        let begun = self.all_messages().filter(|row| row.thread.is_some());
        let mut found: Vec<_> = begun.filter_map(|row| self.thread(me, row.id)).collect();
        found.retain(|thread| thread.followed && after.is_none_or(|after| thread.place() < after));
        found.sort_by_key(|thread| Reverse(thread.place()));
        let has_more = found.len() > limit;
        found.truncate(limit);
        (found, has_more)
    }

    pub(crate) fn message(&self, id: MessageId) -> Option<&Message> {
        match self.rows.get(&RowKey::Message(id)) {
            Some(Row::Message(row)) => Some(row),
            _ => None,
        }
    }

    pub(crate) fn messages(&self, query: &MessageQuery) -> MessagePage {
        let mut found: Vec<_> = self
            .all_messages()
            .filter(|row| row.cid == query.cid && in_scope(query.scope, row))
            .cloned()
            .collect();
        found.sort_by_key(|row| row.seq);
        let place = match query.from {
            HistoryFrom::Newest => u64::MAX,
            HistoryFrom::Before(seq) | HistoryFrom::Around(seq) => seq,
            HistoryFrom::After(seq) => seq.saturating_add(1),
            HistoryFrom::AroundMessage(_) | HistoryFrom::AroundTime(_) => panic!("not asked for here"),
        };
        let (older, newer) = query.from.split(query.limit);
        let split = found.iter().filter(|row| row.seq < place).count();
        let (first, last) = (split.saturating_sub(older), (split + newer).min(found.len()));
        let (has_older, has_newer) = (first > 0, last < found.len());
        let messages: Vec<_> = found.drain(first..last).collect();
        let named = |id: &MessageId| messages.iter().any(|row| row.id == *id);
        MessagePage {
            reactions: self
                .all_reactions()
                .filter(|row| !row.removed && named(&row.message))
                .cloned()
                .collect(),
            replies: messages
                .iter()
                .map(|row| (row.id, self.replies(row.id)))
                .filter(|(_, count)| *count > 0)
                .collect(),
            has_older,
            has_newer,
            ranges: self.ranges.get(&query.cid).cloned().unwrap_or_default(),
            messages,
        }
    }

    pub(crate) fn channel(&self, me: &UserId, cid: &ChannelId) -> Option<ChannelSummary> {
        let channel = match self.rows.get(&RowKey::Channel(cid.clone())) {
            Some(Row::Channel(row)) => Some(row.clone()),
            _ => None,
        };
        let membership = match self.rows.get(&RowKey::Membership(cid.clone(), me.clone())) {
            Some(Row::Membership(row)) => Some(row.clone()),
            _ => None,
        };
        if channel.is_none() && membership.is_none() {
            return None;
        }
        let read = match self.rows.get(&RowKey::Read(cid.clone(), me.clone(), None)) {
            Some(Row::Read(row)) if row.ver > 0 => Some(row.clone()),
            _ => None,
        };
        let known = read.as_ref().map_or((0, 0), |read| (read.epoch, read.seq));
        let waiting = self.outbox.values().filter_map(|item| match &item.op {
            Op::MarkRead {
                cid: here,
                thread: None,
                epoch,
                seq,
            } if here == cid && item.rejection().is_none() => Some((*epoch, *seq)),
            _ => None,
        });
        let waiting = waiting.max().filter(|waiting| *waiting > known);
        let position = waiting.unwrap_or(known).1;
        let messages = || self.all_messages().filter(|row| row.cid == *cid);
        let unread = || {
            messages()
                .filter(|row| row.seq > position && row.counts_as_unread_for(me) && !self.is_silent(row))
        };
        let members = self.rows.values().filter(
            |row| matches!(row, Row::Member(row) if row.cid == *cid && row.state == MemberState::Active),
        );
        let head_seq = messages().map(|row| row.seq).max().unwrap_or(0);
        let ranges = self.ranges.get(cid).cloned().unwrap_or_default();
        let lacks = |seq: &u64| !ranges.is_fresh(*seq, *seq);
        Some(ChannelSummary {
            mentions: unread().filter(|row| row.body.mentions(me)).count() as u64,
            cid: cid.clone(),
            waiting_read: waiting.map(|(epoch, seq)| ReadPosition { epoch, seq }),
            unread_unknown: (position + 1..=head_seq).filter(lacks).count() as u64,
            channel,
            membership,
            last_message: messages()
                .filter(|row| row.is_in_channel())
                .max_by_key(|row| row.seq)
                .cloned(),
            read,
            unread: unread().count() as u64,
            members: members.count() as u64,
            head_seq,
        })
    }

    /// The channel with its active members.
    pub(crate) fn channel_row(&self, me: &UserId, cid: &ChannelId) -> Option<ChannelRow> {
        let active = self.rows.values().filter_map(|row| match row {
            Row::Member(row) if row.cid == *cid && row.state == MemberState::Active => Some(row.user.clone()),
            _ => None,
        });
        Some(ChannelRow {
            summary: self.channel(me, cid)?,
            members: Some(active.collect()),
        })
    }

    /// What a query wants after a cursor, and whether there is more after that.
    pub(crate) fn channels(
        &self,
        me: &UserId,
        query: &Query,
        after: Option<&PageCursor>,
        limit: usize,
    ) -> (Vec<ChannelRow>, bool) {
        let after = after.map(|after| query.place_of(after).unwrap());
        let cids: BTreeSet<_> = self.rows.values().filter_map(Row::cid).collect();
        let mut found = BTreeMap::new();
        for row in cids.into_iter().filter_map(|cid| self.channel_row(me, cid)) {
            let item = ChannelItem {
                summary: &row.summary,
                members: row.members.as_deref().unwrap(),
                people: &self.people,
            };
            let place = query.place(&item);
            if query.filter().matches(&item) && after.as_ref().is_none_or(|after| place > *after) {
                found.insert(place, row);
            }
        }
        let has_more = found.len() > limit;
        (found.into_values().take(limit).collect(), has_more)
    }
}

fn forget(row: &mut Row) {
    match row {
        Row::Channel(row) => row.ver = 0,
        Row::Member(row) => row.ver = 0,
        Row::Message(row) => row.ver = 0,
        Row::Reaction(row) => row.ver = 0,
        Row::Read(row) => row.ver = 0,
        Row::Membership(row) => row.ver = 0,
        Row::User(row) => row.ver = 0,
        Row::Draft(row) => row.ver = 0,
        Row::Delivered(row) => row.ver = 0,
        Row::Account(row) => row.set_ver(0),
    }
}

pub(crate) fn in_scope(scope: MessageScope, row: &Message) -> bool {
    match scope {
        MessageScope::Channel => row.is_in_channel(),
        MessageScope::Thread(parent) => row.parent == Some(parent),
    }
}

pub(crate) fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

pub(crate) fn cid(name: &str) -> ChannelId {
    ChannelId::new(format!("messaging:{name}")).unwrap()
}

pub(crate) fn message_id(n: u64) -> MessageId {
    format!("01900000-0000-7000-8000-{n:012x}").parse().unwrap()
}

pub(crate) fn op_id(n: u64) -> OpId {
    format!("01900000-0000-7000-9000-{n:012x}").parse().unwrap()
}

/// A message of bob, accepted with `seq` and `ver`.
pub(crate) fn message(n: u64, cid: &ChannelId, seq: u64, ver: u64) -> Message {
    Message {
        kind: whimbrel_model::MessageKind::Regular,
        silent: false,
        pinned: None,
        thread: None,
        id: message_id(n),
        cid: cid.clone(),
        author: user("bob"),
        seq,
        ver,
        body: MessageBody::text(format!("message {n}")),
        parent: None,
        show_in_channel: false,
        quoted: None,
        composed_at: Timestamp(0),
        accepted_at: Some(Timestamp(i64::try_from(ver).unwrap())),
        edited_at: None,
        revision: 0,
        deleted_at: None,
    }
}

pub(crate) fn send(n: u64, cid: &ChannelId) -> Op {
    Op::SendMessage {
        kind: whimbrel_model::MessageKind::Regular,
        silent: false,
        cid: cid.clone(),
        id: message_id(n),
        body: MessageBody::text(format!("own {n}")),
        parent: None,
        show_in_channel: false,
        quoted: None,
    }
}

pub(crate) fn queued(pos: u64, op: Op) -> OutboxItem {
    OutboxItem {
        pos,
        id: op_id(pos),
        op,
        user: user("ada"),
        composed_at: Timestamp(i64::try_from(pos).unwrap()),
        attempted: false,
        failures: 0,
        last_error: None,
        status: OutboxStatus::Queued,
    }
}

/// The server's row of an own message that was sent with `op`.
pub(crate) fn accepted(op: &Op, seq: u64, ver: u64) -> Message {
    let Op::SendMessage {
        cid,
        id,
        body,
        parent,
        show_in_channel,
        quoted,
        kind,
        silent,
    } = op
    else {
        panic!("only a send is accepted as a message");
    };
    Message {
        id: *id,
        author: user("ada"),
        body: body.clone(),
        parent: *parent,
        show_in_channel: *show_in_channel,
        quoted: *quoted,
        kind: *kind,
        silent: *silent,
        ..message(0, cid, seq, ver)
    }
}

pub(crate) fn membership(cid: &ChannelId, state: MemberState, ver: u64) -> Row {
    Row::Membership(Membership::new(
        cid.clone(),
        user("ada"),
        Role::Member,
        state,
        ver,
    ))
}

pub(crate) fn member(cid: &ChannelId, name: &str, ver: u64) -> Row {
    Row::Member(Member {
        cid: cid.clone(),
        user: user(name),
        role: Role::Member,
        state: MemberState::Active,
        joined_at: Timestamp(0),
        ver,
    })
}

pub(crate) fn channel(cid: &ChannelId, name: &str, ver: u64) -> Row {
    Row::Channel(Channel {
        cid: cid.clone(),
        name: name.to_owned(),
        image: String::new(),
        custom: Custom::default(),
        created_by: user("bob"),
        created_at: Timestamp(0),
        updated_at: Timestamp(0),
        ver,
    })
}

pub(crate) fn read(cid: &ChannelId, seq: u64, ver: u64) -> Row {
    Row::Read(Read {
        thread: None,
        cid: cid.clone(),
        user: user("ada"),
        epoch: 0,
        seq,
        furthest: 0,
        private: false,
        ver,
    })
}

pub(crate) fn rows(rows: impl IntoIterator<Item = Row>) -> Delta {
    Delta {
        changes: rows.into_iter().map(Change::Row).collect(),
    }
}

pub(crate) fn covered(cid: &ChannelId, runs: &[(u64, u64)]) -> Change {
    let mut ranges = RangeSet::default();
    for (lo, hi) in runs {
        ranges.insert(*lo, *hi);
    }
    Change::Ranges(cid.clone(), ranges)
}

pub(crate) fn rebase(cid: &ChannelId) -> Change {
    Change::Rebase(StreamId::Channel(cid.clone()))
}
