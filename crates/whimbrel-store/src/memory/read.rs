//! The reads.

use super::data::{ChannelData, Data};
use std::collections::BTreeSet;
use whimbrel_model::{
    ChannelId, ChannelSummary, Member, MemberState, Message, MessageId, MessagePage, MessageQuery,
    MessageScope, Read, ReadPosition, StreamId, User, UserId,
};
use whimbrel_query::{ChannelItem, Endpoint, PageCursor, Query, QueryError};

impl Data {
    pub(super) fn channels(
        &self,
        query: &Query,
        after: Option<&PageCursor>,
        limit: usize,
    ) -> Result<Vec<ChannelSummary>, QueryError> {
        query.require(&Endpoint::CHANNELS)?;
        let after = after.map(|cursor| query.place_of(cursor)).transpose()?;
        let joined = self.memberships.keys().map(|(_, cid)| cid);
        let all: BTreeSet<_> = self.channels.keys().chain(joined).collect();
        let mut wanted = Vec::new();
        for summary in all.into_iter().filter_map(|cid| self.channel(cid)) {
            let members = self.active_members(&summary.cid);
            let item = ChannelItem {
                summary: &summary,
                members: &members,
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

    pub(super) fn channel(&self, cid: &ChannelId) -> Option<ChannelSummary> {
        let none = ChannelData::default();
        let data = self.channels.get(cid).unwrap_or(&none);
        let me = self.account.as_ref().map(|account| &account.user);
        let membership = me.and_then(|me| self.memberships.get(&(me.clone(), cid.clone())));
        if data.row.is_none() && membership.is_none() {
            return None;
        }
        let last_message = self.last_message(data);
        // A position in a history that the server no longer has says nothing about this one.
        let read = me.and_then(|me| data.reads.get(me)).filter(|read| read.ver > 0);
        let head = self.heads.get(&StreamId::Channel(cid.clone()));
        let known = head.map_or(0, |head| head.seq);
        let head_seq = last_message.map_or(known, |message| known.max(message.seq));
        let mut summary = ChannelSummary {
            cid: cid.clone(),
            channel: data.row.clone(),
            membership: membership.cloned(),
            last_message: last_message.cloned(),
            read: read.cloned(),
            waiting_read: ReadPosition::waiting(cid, self.outbox.values())
                .filter(|waiting| *waiting > read.map(Read::position).unwrap_or_default()),
            unread: 0,
            unread_unknown: 0,
            members: data.members.values().filter(|row| is_counted(row)).count() as u64,
            head_seq,
        };
        let position = summary.position().seq;
        summary.unread = me.map_or(0, |me| self.unread(data, me, position));
        let ranges = self.ranges.get(cid).cloned().unwrap_or_default();
        summary.unread_unknown = ranges.missing(position + 1, head_seq);
        Some(summary)
    }

    pub(super) fn members(&self, cid: &ChannelId) -> Vec<Member> {
        self.channels
            .get(cid)
            .map_or_else(Vec::new, |data| data.members.values().cloned().collect())
    }

    pub(super) fn reads(&self, cid: &ChannelId) -> Vec<Read> {
        self.channels
            .get(cid)
            .map_or_else(Vec::new, |data| data.reads.values().cloned().collect())
    }

    pub(super) fn messages(&self, query: &MessageQuery) -> MessagePage {
        let mut page = MessagePage {
            ranges: self.ranges.get(&query.cid).cloned().unwrap_or_default(),
            ..MessagePage::default()
        };
        let Some(data) = self.channels.get(&query.cid) else {
            return page;
        };
        let mut window = self
            .history(data)
            .skip_while(|message| query.before.is_some_and(|before| message.seq >= before))
            .filter(|message| match query.scope {
                MessageScope::Channel => message.is_in_channel(),
                MessageScope::Thread(parent) => message.parent == Some(parent),
            });
        page.messages = window.by_ref().take(query.limit).cloned().collect();
        page.has_more = window.next().is_some();
        page.messages.reverse();
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

    /// Iterates over the messages of the history that the server has now, newest first.
    fn history(&self, data: &ChannelData) -> impl Iterator<Item = &Message> {
        let newest_first = data.log.iter().rev().filter_map(|(_, id)| self.messages.get(id));
        newest_first.filter(|message| message.ver > 0)
    }

    fn last_message(&self, data: &ChannelData) -> Option<&Message> {
        self.history(data).find(|message| message.is_in_channel())
    }

    fn unread(&self, data: &ChannelData, me: &UserId, read: u64) -> u64 {
        let past = self.history(data).take_while(|message| message.seq > read);
        past.filter(|message| message.counts_as_unread_for(me)).count() as u64
    }
}

/// Whether it is in the channel. Who was in a history that the server no longer has says nothing about this one.
fn is_counted(row: &Member) -> bool {
    row.state == MemberState::Active && row.ver > 0
}
