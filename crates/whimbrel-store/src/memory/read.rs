//! The reads.

use super::data::{ChannelData, Data};
use std::collections::BTreeSet;
use uuid::Uuid;
use whimbrel_model::{
    ChannelId, ChannelSummary, HistoryFrom, Member, MemberState, Message, MessageId, MessagePage,
    MessageQuery, MessageScope, People, Read, ReadPosition, StreamId, User, UserId,
};
use whimbrel_query::{ChannelItem, Endpoint, PageCursor, Query, QueryError};

impl Data {
    pub(super) fn channels(
        &self,
        query: &Query,
        after: Option<&PageCursor>,
        limit: usize,
        people: &People,
    ) -> Result<Vec<ChannelSummary>, QueryError> {
        query.require(&Endpoint::CHANNELS)?;
        let after = after.map(|cursor| query.place_of(cursor)).transpose()?;
        let joined = self.memberships.keys().map(|(_, cid)| cid);
        let all: BTreeSet<_> = self.channels.keys().chain(joined).collect();
        let mut wanted = Vec::new();
        for summary in all.into_iter().filter_map(|cid| self.channel(cid, people)) {
            let members = self.active_members(&summary.cid);
            let item = ChannelItem {
                summary: &summary,
                members: &members,
                people,
            };
            if query.filter().matches(&item) {
                let place = query.place(&item);
                if after.as_ref().is_none_or(|after| place > *after) {
                    wanted.push((place, summary));
                }
            }
        }
        wanted.sort_by(|(a, _), (b, _)| a.cmp(b));
        let page = wanted.into_iter().take(limit);
        Ok(page.map(|(_, summary)| summary).collect())
    }

    fn active_members(&self, cid: &ChannelId) -> Vec<UserId> {
        let members = self.channels.get(cid).map(|data| data.members.values());
        let active = members.into_iter().flatten().filter(|row| is_counted(row));
        active.map(|row| row.user.clone()).collect()
    }

    pub(super) fn channel(&self, cid: &ChannelId, people: &People) -> Option<ChannelSummary> {
        let none = ChannelData::default();
        let data = self.channels.get(cid).unwrap_or(&none);
        let me = self.account.as_ref().map(|account| &account.user);
        let membership = me.and_then(|me| self.memberships.get(&(me.clone(), cid.clone())));
        if data.row.is_none() && membership.is_none() {
            return None;
        }
        let last_message = self.last_message(data);
        // A position in a history that the server no longer has says nothing about this one.
        let read = me
            .and_then(|me| data.reads.get(&(None, me.clone())))
            .filter(|read| read.ver > 0);
        let head = self.heads.get(&StreamId::Channel(cid.clone()));
        let known = head.map_or(0, |head| head.seq);
        let head_seq = last_message.map_or(known, |message| known.max(message.seq));
        let mut summary = ChannelSummary {
            cid: cid.clone(),
            channel: data.row.clone(),
            membership: membership.cloned(),
            last_message: last_message.cloned(),
            read: read.cloned(),
            waiting_read: ReadPosition::waiting(cid, None, self.outbox.values())
                .filter(|waiting| *waiting > read.map(Read::position).unwrap_or_default()),
            unread: 0,
            mentions: 0,
            unread_unknown: 0,
            members: data.members.values().filter(|row| is_counted(row)).count() as u64,
            head_seq,
        };
        let position = summary.position().seq;
        if let Some(me) = me {
            (summary.unread, summary.mentions) = self.unread(data, me, position, people);
        }
        let ranges = self.ranges.get(cid).cloned().unwrap_or_default();
        summary.unread_unknown = ranges.missing(position.saturating_add(1), head_seq);
        Some(summary)
    }

    pub(super) fn members(&self, cid: &ChannelId) -> Vec<Member> {
        self.channels
            .get(cid)
            .map_or_else(Vec::new, |data| data.members.values().cloned().collect())
    }

    pub(super) fn reads(&self, cid: &ChannelId, thread: Option<MessageId>) -> Vec<Read> {
        let rows = self.channels.get(cid).map(|data| data.reads.values());
        let here = rows.into_iter().flatten().filter(|row| row.thread == thread);
        here.cloned().collect()
    }

    pub(super) fn messages(&self, query: &MessageQuery) -> MessagePage {
        let mut page = MessagePage {
            ranges: self.ranges.get(&query.cid).cloned().unwrap_or_default(),
            ..MessagePage::default()
        };
        let Some(data) = self.channels.get(&query.cid) else {
            return page;
        };
        let in_scope = |message: &&Message| match query.scope {
            MessageScope::Channel => message.is_in_channel(),
            MessageScope::Thread(parent) => message.parent == Some(parent),
        };
        let Some(pivot) = self.pivot(data, query, in_scope) else {
            return page;
        };
        let (older, newer) = query.from.split(query.limit);
        let mut before = self.log_before(data, pivot).filter(in_scope);
        page.messages = before.by_ref().take(older).cloned().collect();
        page.has_older = before.next().is_some();
        page.messages.reverse();
        let mut after = self.log_from(data, pivot).filter(in_scope);
        page.messages.extend(after.by_ref().take(newer).cloned());
        page.has_newer = after.next().is_some();
        let shown: BTreeSet<_> = page.messages.iter().map(|message| message.id).collect();
        let live = data.reactions.values().filter(|row| row.ver > 0 && !row.removed);
        page.reactions = live.filter(|row| shown.contains(&row.message)).cloned().collect();
        for message in self.history(data).filter(|message| !message.is_deleted()) {
            if let Some(parent) = message.parent.filter(|parent| shown.contains(parent)) {
                *page.replies.entry(parent).or_default() += 1;
            }
        }
        page
    }

    pub(super) fn message(&self, id: MessageId) -> Option<Message> {
        self.messages.get(&id).cloned()
    }

    pub(super) fn users(&self, users: &[UserId]) -> Vec<User> {
        let wanted: BTreeSet<_> = users.iter().collect();
        wanted
            .into_iter()
            .filter_map(|id| self.users.get(id))
            .cloned()
            .collect()
    }

    /// Returns the first sequence that counts as after the place of a query, if the place exists.
    fn pivot(
        &self,
        data: &ChannelData,
        query: &MessageQuery,
        in_scope: impl Fn(&&Message) -> bool,
    ) -> Option<u64> {
        match query.from {
            HistoryFrom::Newest => Some(u64::MAX),
            HistoryFrom::Before(seq) | HistoryFrom::Around(seq) => Some(seq),
            HistoryFrom::After(seq) => Some(seq.saturating_add(1)),
            HistoryFrom::AroundMessage(id) => {
                let found = self
                    .messages
                    .get(&id)
                    .filter(|row| row.cid == query.cid && row.ver > 0);
                found.map(|row| row.seq)
            }
            HistoryFrom::AroundTime(at) => {
                let mut log = self.log_from(data, 0).filter(in_scope);
                let found = log.find(|row| row.accepted_at.unwrap_or(row.composed_at) >= at);
                Some(found.map_or(u64::MAX, |row| row.seq))
            }
        }
    }

    /// Iterates over the messages before a sequence, newest first.
    fn log_before(&self, data: &ChannelData, seq: u64) -> impl Iterator<Item = &Message> {
        let log = data.log.range(..(seq, MessageId(Uuid::nil()))).rev();
        log.filter_map(|(_, id)| self.messages.get(id))
            .filter(|row| row.ver > 0)
    }

    /// Iterates over the messages from a sequence on, oldest first.
    fn log_from(&self, data: &ChannelData, seq: u64) -> impl Iterator<Item = &Message> {
        let log = data.log.range((seq, MessageId(Uuid::nil()))..);
        log.filter_map(|(_, id)| self.messages.get(id))
            .filter(|row| row.ver > 0)
    }

    /// Iterates over the messages of the history that the server has now, newest first.
    fn history(&self, data: &ChannelData) -> impl Iterator<Item = &Message> {
        let newest_first = data.log.iter().rev().filter_map(|(_, id)| self.messages.get(id));
        newest_first.filter(|message| message.ver > 0)
    }

    fn last_message(&self, data: &ChannelData) -> Option<&Message> {
        self.history(data).find(|message| message.is_in_channel())
    }

    /// Counts what is unread, and what of it mentions the user.
    fn unread(&self, data: &ChannelData, me: &UserId, read: u64, people: &People) -> (u64, u64) {
        let past = self.history(data).take_while(|message| message.seq > read);
        past.filter(|message| message.counts_as_unread_for(me) && !people.is_silent(&message.author))
            .fold((0, 0), |(unread, mentions), message| {
                (unread + 1, mentions + u64::from(message.body.mentions(me)))
            })
    }
}

/// Whether it is in the channel. Who was in a history that the server no longer has says nothing about this one.
fn is_counted(row: &Member) -> bool {
    row.state == MemberState::Active && row.ver > 0
}
