//! The naive model: all rows in one map, every answer computed from all of them.

mod threads;

use std::collections::{BTreeMap, BTreeSet};
use whimbrel_model::{
    Account, AccountRow, Change, ChannelId, ChannelSummary, Cursor, Delivered, Delta, Draft, HistoryFrom,
    Loaded, Member, MemberState, Membership, Message, MessageId, MessagePage, MessageQuery, MessageScope, Op,
    OutboxItem, OutboxStatus, People, Reaction, Read, ReadPosition, Row, RowKey, StreamId, User, UserId,
};
use whimbrel_query::{ChannelItem, Query, SearchQuery};

#[derive(Debug, Default)]
pub(super) struct Model {
    rows: BTreeMap<RowKey, Row>,
    loaded: Loaded,
}

macro_rules! rows_of {
    ($($name:ident: $kind:ident;)*) => {$(
        pub(super) fn $name(&self) -> impl DoubleEndedIterator<Item = &$kind> {
            self.rows.values().filter_map(|row| match row {
                Row::$kind(row) => Some(row),
                _ => None,
            })
        }
    )*};
}

impl Model {
    rows_of! {
        all_members: Member;
        all_messages: Message;
        all_reactions: Reaction;
        all_reads: Read;
        all_memberships: Membership;
        all_users: User;
        all_drafts: Draft;
        all_delivered: Delivered;
    }

    pub(super) const fn account(&self) -> Option<&Account> {
        self.loaded.account.as_ref()
    }

    /// Iterates over the channels that have a cursor.
    pub(super) fn followed(&self) -> impl Iterator<Item = (&ChannelId, Cursor)> {
        self.loaded
            .cursors
            .iter()
            .filter_map(|(stream, cursor)| match stream {
                StreamId::Channel(cid) => Some((cid, *cursor)),
                StreamId::User(_) => None,
            })
    }

    pub(super) fn apply(&mut self, delta: &Delta) {
        for change in &delta.changes {
            self.change(change.clone());
        }
    }

    fn change(&mut self, change: Change) {
        let loaded = &mut self.loaded;
        match change {
            Change::Account(account) => {
                loaded.account.get_or_insert(account);
            }
            Change::Row(row) => {
                if self.rows.get(&row.key()).is_none_or(|old| row.supersedes(old)) {
                    self.rows.insert(row.key(), row);
                }
            }
            Change::Cursor(stream, cursor) => {
                loaded.cursors.insert(stream, cursor);
            }
            Change::Head(stream, head) => {
                let old = loaded.heads.remove(&stream).unwrap_or_default();
                loaded.heads.insert(stream, old.max(head));
            }
            Change::Ranges(cid, ranges) => {
                loaded.ranges.insert(cid, ranges);
            }
            Change::Rebase(stream) => {
                loaded.heads.remove(&stream);
                self.rows
                    .values_mut()
                    .filter(|row| row.stream() == stream)
                    .for_each(forget_version);
            }
            Change::Unfollow(stream) => {
                loaded.cursors.remove(&stream);
                loaded.heads.remove(&stream);
            }
            Change::HeadsToken(token) => loaded.heads_token = Some(token),
            Change::SyncedAt(at) => loaded.synced_at = Some(at),
            Change::Outbox(item) => {
                loaded.outbox.retain(|old| old.id != item.id);
                loaded.outbox.push(item);
                loaded.outbox.sort_by_key(|item| item.pos);
            }
            Change::OutboxRemoved(id) => loaded.outbox.retain(|old| old.id != id),
            Change::Local(change) => loaded.local.change(&change),
        }
    }

    pub(super) fn load(&self) -> Loaded {
        let me = self.loaded.account.as_ref().map(|account| &account.user);
        let memberships = self.all_memberships().filter(|row| Some(&row.user) == me);
        let contacts = self.rows.values().filter_map(|row| match row {
            Row::Account(AccountRow::Contact(row)) if Some(&row.user) == me => Some(row.clone()),
            _ => None,
        });
        Loaded {
            memberships: memberships.cloned().collect(),
            contacts: contacts.collect(),
            undelivered: self.undelivered(),
            ..self.loaded.clone()
        }
    }

    /// Returns everything that the query wants, in its order.
    pub(super) fn channels(&self, query: &Query, people: &People) -> Vec<ChannelSummary> {
        let cids: BTreeSet<_> = self.rows.values().filter_map(Row::cid).collect();
        let mut all: Vec<_> = cids
            .into_iter()
            .filter_map(|cid| self.channel(cid, people))
            .collect();
        all.retain(|summary| {
            let members = self.members(&summary.cid).into_iter();
            let active = members.filter(|row| row.state == MemberState::Active && row.ver > 0);
            let members: Vec<_> = active.map(|row| row.user).collect();
            query.filter().matches(&ChannelItem {
                summary,
                members: &members,
                people,
            })
        });
        all.sort_by_cached_key(|summary| {
            query.place(&ChannelItem {
                summary,
                members: &[],
                people,
            })
        });
        all
    }

    pub(super) fn channel(&self, cid: &ChannelId, people: &People) -> Option<ChannelSummary> {
        let me = self.loaded.account.as_ref().map(|account| &account.user);
        let channel = self.rows.values().find_map(|row| match row {
            Row::Channel(row) if row.cid == *cid => Some(row.clone()),
            _ => None,
        });
        let membership = self
            .all_memberships()
            .find(|row| Some(&row.user) == me && row.cid == *cid)
            .cloned();
        if channel.is_none() && membership.is_none() {
            return None;
        }
        let read = self
            .all_reads()
            .find(|row| Some(&row.user) == me && row.cid == *cid && row.thread.is_none() && row.ver > 0)
            .cloned();
        let log = || self.all_messages().filter(|row| row.cid == *cid && row.ver > 0);
        let last_message = log()
            .filter(|row| row.is_in_channel())
            .max_by_key(|row| row.seq)
            .cloned();
        let known = read.as_ref().map_or((0, 0), |read| (read.epoch, read.seq));
        let waiting = self.waiting_read(cid).filter(|waiting| *waiting > known);
        let position = waiting.unwrap_or(known).1;
        let head = self.loaded.heads.get(&StreamId::Channel(cid.clone()));
        let head_seq = last_message
            .as_ref()
            .map(|row| row.seq)
            .max(head.map(|head| head.seq))
            .unwrap_or(0);
        let ranges = self.loaded.ranges.get(cid).cloned().unwrap_or_default();
        let silent: BTreeSet<_> = people.silent().collect();
        let unread = |row: &&Message| {
            row.seq > position
                && me.is_some_and(|me| row.counts_as_unread_for(me))
                && !silent.contains(&row.author)
        };
        let lacks = |seq: &u64| !ranges.is_fresh(*seq, *seq);
        Some(ChannelSummary {
            mentions: log()
                .filter(unread)
                .filter(|row| me.is_some_and(|me| row.body.mentions(me)))
                .count() as u64,
            cid: cid.clone(),
            waiting_read: waiting.map(|(epoch, seq)| ReadPosition { epoch, seq }),
            unread_unknown: (position + 1..=head_seq).filter(lacks).count() as u64,
            unread: log().filter(unread).count() as u64,
            members: self
                .members(cid)
                .iter()
                .filter(|row| row.state == MemberState::Active && row.ver > 0)
                .count() as u64,
            head_seq,
            channel,
            membership,
            last_message,
            read,
        })
    }

    /// The furthest read position that waits in the outbox.
    fn waiting_read(&self, here: &ChannelId) -> Option<(u32, u64)> {
        let waits = |item: &&OutboxItem| item.status == OutboxStatus::Queued;
        let position = |item: &OutboxItem| match &item.op {
            Op::MarkRead {
                cid,
                thread: None,
                epoch,
                seq,
            } if cid == here => Some((*epoch, *seq)),
            _ => None,
        };
        self.loaded.outbox.iter().filter(waits).filter_map(position).max()
    }

    pub(super) fn members(&self, cid: &ChannelId) -> Vec<Member> {
        self.all_members()
            .filter(|row| row.cid == *cid)
            .cloned()
            .collect()
    }

    pub(super) fn reads(&self, cid: &ChannelId, thread: Option<MessageId>) -> Vec<Read> {
        let here = self
            .all_reads()
            .filter(|row| row.cid == *cid && row.thread == thread);
        let by_user: BTreeMap<_, _> = here.map(|row| (&row.user, row.clone())).collect();
        by_user.into_values().collect()
    }

    pub(super) fn messages(&self, query: &MessageQuery) -> MessagePage {
        let log = || {
            self.all_messages()
                .filter(|row| row.cid == query.cid && row.ver > 0)
        };
        let in_scope = |row: &&Message| match query.scope {
            MessageScope::Channel => row.is_in_channel(),
            MessageScope::Thread(parent) => row.parent == Some(parent),
        };
        let ranges = self.loaded.ranges.get(&query.cid).cloned().unwrap_or_default();
        let mut all: Vec<_> = log().filter(in_scope).cloned().collect();
        all.sort_by_key(|row| row.seq);
        let place = match query.from {
            HistoryFrom::Newest => Some(u64::MAX),
            HistoryFrom::Before(seq) | HistoryFrom::Around(seq) => Some(seq),
            HistoryFrom::After(seq) => Some(seq.saturating_add(1)),
            HistoryFrom::AroundMessage(id) => log().find(|row| row.id == id).map(|row| row.seq),
            HistoryFrom::AroundTime(at) => {
                let found = all
                    .iter()
                    .find(|row| row.accepted_at.unwrap_or(row.composed_at) >= at);
                Some(found.map_or(u64::MAX, |row| row.seq))
            }
        };
        let Some(place) = place else {
            return MessagePage {
                ranges,
                ..MessagePage::default()
            };
        };
        let (older, newer) = query.from.split(query.limit);
        let split = all.iter().filter(|row| row.seq < place).count();
        let (first, last) = (split.saturating_sub(older), (split + newer).min(all.len()));
        let (has_older, has_newer) = (first > 0, last < all.len());
        let messages: Vec<_> = all.drain(first..last).collect();
        let shown = |id: MessageId| messages.iter().any(|row| row.id == id);
        let live = |row: &&Reaction| row.ver > 0 && !row.removed && shown(row.message);
        let reactions = self.all_reactions().filter(live).cloned().collect();
        let mut replies = BTreeMap::new();
        for reply in log().filter(|row| !row.is_deleted()) {
            if let Some(parent) = reply.parent.filter(|parent| shown(*parent)) {
                *replies.entry(parent).or_default() += 1;
            }
        }
        MessagePage {
            messages,
            reactions,
            replies,
            has_older,
            has_newer,
            ranges,
        }
    }

    pub(super) fn message(&self, id: MessageId) -> Option<Message> {
        self.all_messages().find(|row| row.id == id).cloned()
    }

    /// Returns everything that the search finds, by id.
    pub(super) fn search(&self, query: &SearchQuery) -> Vec<Message> {
        let is_joined = |message: &&Message| {
            let summary = self.channel(&message.cid, &People::default());
            let membership = summary.and_then(|summary| summary.membership);
            membership.is_some_and(|row| row.state == MemberState::Active)
        };
        let found = self.all_messages().filter(|message| query.matches(message));
        let mut found: Vec<_> = found.filter(is_joined).cloned().collect();
        found.sort_unstable_by_key(|message| message.id);
        found
    }

    pub(super) fn users(&self, users: &[UserId]) -> Vec<User> {
        self.all_users()
            .filter(|row| users.contains(&row.id))
            .cloned()
            .collect()
    }
}

fn forget_version(row: &mut Row) {
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
