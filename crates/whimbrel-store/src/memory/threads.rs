//! Threads, pins and drafts.

use super::data::{ChannelData, Data};
use std::cmp::Reverse;
use whimbrel_model::{
    AccountRow, ChannelId, Contact, Delivered, Draft, FollowedThread, MemberState, Membership, Message,
    MessageId, People, Read, ReadPosition, ThreadPlace, UserId,
};

impl Data {
    pub(super) fn threads(
        &self,
        after: Option<ThreadPlace>,
        limit: usize,
        people: &People,
    ) -> Vec<FollowedThread> {
        let begun = self.messages.values().filter(|message| message.thread.is_some());
        let mut threads: Vec<_> = begun
            .filter_map(|message| self.thread(message.id, people))
            .filter(|thread| thread.followed && after.is_none_or(|after| thread.place() < after))
            .collect();
        threads.sort_by_key(|thread| Reverse(thread.place()));
        threads.truncate(limit);
        threads
    }

    pub(super) fn thread(&self, id: MessageId, people: &People) -> Option<FollowedThread> {
        let parent = self.messages.get(&id).filter(|message| message.ver > 0)?;
        let data = self.channels.get(&parent.cid)?;
        let me = self.account.as_ref().map(|account| &account.user);
        let read = me.and_then(|me| data.reads.get(&(Some(id), me.clone())));
        let read = read.filter(|read| read.ver > 0);
        let waiting = ReadPosition::waiting(&parent.cid, Some(id), self.outbox.values());
        let membership = me.and_then(|me| self.memberships.get(&(me.clone(), parent.cid.clone())));
        let mut thread = FollowedThread {
            membership: membership.cloned(),
            parent: parent.clone(),
            last_reply: self.replies(data, id).last().cloned(),
            followed: self.is_joined(parent) && (read.is_some() || me == Some(&parent.author)),
            read: read.cloned(),
            waiting_read: waiting.filter(|waiting| *waiting > read.map(Read::position).unwrap_or_default()),
            unread: 0,
            unread_unknown: 0,
        };
        let position = thread.position().seq;
        let unread = |message: &&Message| {
            message.seq > position
                && me.is_some_and(|me| message.counts_as_unread_reply_for(me))
                && !people.is_silent(&message.author)
        };
        thread.unread = self.replies(data, id).filter(unread).count() as u64;
        let here = self
            .replies(data, id)
            .filter(|message| !message.is_deleted())
            .count() as u64;
        let ranges = self.ranges.get(&parent.cid).cloned().unwrap_or_default();
        thread.unread_unknown = parent.thread.map_or(0, |summary| {
            let lacking = u64::from(summary.replies).saturating_sub(here);
            lacking.min(ranges.missing(position.saturating_add(1), summary.last_seq))
        });
        Some(thread)
    }

    pub(super) fn pinned(&self, cid: &ChannelId) -> Vec<Message> {
        let log = self.channels.get(cid).map(|data| data.log.iter());
        let messages = log
            .into_iter()
            .flatten()
            .filter_map(|(_, id)| self.messages.get(id));
        let mut pinned: Vec<_> = messages
            .filter(|message| message.ver > 0 && message.pinned.is_some())
            .cloned()
            .collect();
        pinned.sort_by_key(|message| Reverse((message.pinned.as_ref().map(|pin| pin.at), message.seq)));
        pinned
    }

    pub(super) fn account_rows(&self) -> Vec<AccountRow> {
        let me = self.account.as_ref().map(|account| &account.user);
        let own = self.account_rows.values().filter(|row| Some(row.user()) == me);
        own.filter(|row| row.ver() > 0).cloned().collect()
    }

    pub(super) fn contacts(&self) -> Vec<Contact> {
        let me = self.account.as_ref().map(|account| &account.user);
        let contacts = self.account_rows.values().filter_map(|row| match row {
            AccountRow::Contact(contact) if Some(&contact.user) == me => Some(contact.clone()),
            _ => None,
        });
        contacts.collect()
    }

    pub(super) fn own_memberships(&self) -> Vec<Membership> {
        let me = self.account.as_ref().map(|account| &account.user);
        let own = self.memberships.values().filter(|row| Some(&row.user) == me);
        own.cloned().collect()
    }

    pub(super) fn delivered(&self, cid: &ChannelId) -> Vec<Delivered> {
        let channel = self.channels.get(cid);
        channel.map_or_else(Vec::new, |channel| channel.delivered.values().cloned().collect())
    }

    pub(super) fn drafts(&self) -> Vec<Draft> {
        let me = self.account.as_ref().map(|account| &account.user);
        let own = self.drafts.values().filter(|row| Some(&row.user) == me);
        let mut drafts: Vec<_> = own
            .filter(|row| row.content.is_some() && row.ver > 0)
            .cloned()
            .collect();
        drafts.sort_by_key(|row| Reverse((row.updated_at, row.ver)));
        drafts
    }

    fn is_joined(&self, message: &Message) -> bool {
        let me: Option<&UserId> = self.account.as_ref().map(|account| &account.user);
        let membership = me.and_then(|me| self.memberships.get(&(me.clone(), message.cid.clone())));
        membership.is_some_and(|membership| membership.state == MemberState::Active)
    }

    /// Iterates over the replies of the history that the server has now, oldest first.
    fn replies<'a>(&'a self, data: &'a ChannelData, id: MessageId) -> impl Iterator<Item = &'a Message> {
        let oldest_first = data.log.iter().filter_map(|(_, id)| self.messages.get(id));
        oldest_first.filter(move |message| message.ver > 0 && message.parent == Some(id))
    }
}
