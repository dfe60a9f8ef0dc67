//! What is kept, and what a delta does to it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use uuid::Uuid;
use whimbrel_model::{
    Account, AccountKey, AccountRow, Change, Channel, ChannelId, Cursor, Delivered, Delta, DeviceId, Draft,
    Head, Loaded, Local, LocalChange, Member, Membership, Message, MessageId, OpId, OutboxItem, RangeSet,
    Reaction, ReactionType, Read, Row, StreamId, Timestamp, User, UserId,
};

#[derive(Debug, Default)]
pub(super) struct Data {
    pub(super) account: Option<Account>,
    pub(super) heads: BTreeMap<StreamId, Head>,
    pub(super) ranges: BTreeMap<ChannelId, RangeSet>,
    pub(super) channels: BTreeMap<ChannelId, ChannelData>,
    pub(super) messages: HashMap<MessageId, Message>,
    pub(super) memberships: BTreeMap<(UserId, ChannelId), Membership>,
    pub(super) users: BTreeMap<UserId, User>,
    pub(super) drafts: BTreeMap<(UserId, ChannelId, Option<MessageId>, DeviceId), Draft>,
    pub(super) account_rows: BTreeMap<(UserId, AccountKey), AccountRow>,
    cursors: BTreeMap<StreamId, Cursor>,
    heads_token: Option<String>,
    synced_at: Option<Timestamp>,
    pub(super) outbox: BTreeMap<OpId, OutboxItem>,
    local: Local,
    /// The bytes of transfers, by where they begin.
    parts: BTreeMap<Uuid, BTreeMap<u64, Vec<u8>>>,
}

/// Everything of one channel's stream, so that nothing has to look through all channels.
#[derive(Debug, Default)]
pub(super) struct ChannelData {
    pub(super) row: Option<Channel>,
    pub(super) members: BTreeMap<UserId, Member>,
    /// Of the timeline, and of its threads by the message that began each.
    pub(super) reads: BTreeMap<(Option<MessageId>, UserId), Read>,
    pub(super) delivered: BTreeMap<UserId, Delivered>,
    /// The channel's messages by `seq`.
    pub(super) log: BTreeSet<(u64, MessageId)>,
    pub(super) reactions: BTreeMap<(MessageId, UserId, ReactionType), Reaction>,
}

impl Data {
    pub(super) fn load(&self) -> Loaded {
        let mut outbox: Vec<_> = self.outbox.values().cloned().collect();
        outbox.sort_by_key(|item| item.pos);
        Loaded {
            account: self.account.clone(),
            cursors: self.cursors.clone(),
            heads: self.heads.clone(),
            ranges: self.ranges.clone(),
            undelivered: self.undelivered(),
            heads_token: self.heads_token.clone(),
            synced_at: self.synced_at,
            outbox,
            local: self.local.clone(),
            memberships: self.own_memberships(),
            contacts: self.contacts(),
        }
    }

    pub(super) const fn cursors(&self) -> &BTreeMap<StreamId, Cursor> {
        &self.cursors
    }

    pub(super) fn apply(&mut self, delta: &Delta) {
        for change in &delta.changes {
            self.change(change);
        }
    }

    fn change(&mut self, change: &Change) {
        match change {
            Change::Account(account) => {
                self.account.get_or_insert_with(|| account.clone());
            }
            Change::Row(row) => self.put(row),
            Change::Cursor(stream, cursor) => {
                self.cursors.insert(stream.clone(), *cursor);
            }
            Change::Head(stream, head) => {
                let known = self.heads.entry(stream.clone()).or_default();
                *known = known.max(*head);
            }
            Change::Ranges(cid, ranges) => {
                self.ranges.insert(cid.clone(), ranges.clone());
            }
            Change::Rebase(stream) => self.rebase(stream),
            Change::Unfollow(stream) => {
                self.cursors.remove(stream);
                self.heads.remove(stream);
            }
            Change::HeadsToken(token) => self.heads_token = Some(token.clone()),
            Change::SyncedAt(at) => self.synced_at = Some(*at),
            Change::Outbox(item) => {
                self.outbox.insert(item.id, item.clone());
            }
            Change::OutboxRemoved(id) => {
                self.outbox.remove(id);
            }
            Change::Local(change) => self.change_local(change),
        }
    }

    fn change_local(&mut self, change: &LocalChange) {
        self.local.change(change);
        match change {
            LocalChange::TransferPart {
                request,
                offset,
                bytes,
            } => {
                let parts = self.parts.entry(*request).or_default();
                parts.insert(*offset, bytes.clone());
            }
            LocalChange::TransferOver(request) => {
                self.parts.remove(request);
            }
            LocalChange::Setting(..) | LocalChange::Transfer(_) => {}
        }
    }

    pub(super) fn transfer_part(&self, request: Uuid, offset: u64) -> Option<Vec<u8>> {
        self.parts.get(&request)?.get(&offset).cloned()
    }

    fn put(&mut self, row: &Row) {
        match row {
            Row::Channel(new) => {
                let slot = &mut self.channel_data(&new.cid).row;
                if slot.as_ref().is_none_or(|old| new.ver > old.ver) {
                    *slot = Some(new.clone());
                }
            }
            Row::Member(new) => {
                let members = &mut self.channel_data(&new.cid).members;
                put_newer(members, new.user.clone(), new, |row| row.ver);
            }
            Row::Message(new) => self.put_message(new),
            Row::Reaction(new) => {
                let key = (new.message, new.user.clone(), new.kind.clone());
                put_newer(&mut self.channel_data(&new.cid).reactions, key, new, |row| {
                    row.ver
                });
            }
            Row::Read(new) => {
                let reads = &mut self.channel_data(&new.cid).reads;
                put_newer(reads, (new.thread, new.user.clone()), new, |row| row.ver);
            }
            Row::Delivered(new) => {
                let delivered = &mut self.channel_data(&new.cid).delivered;
                put_newer(delivered, new.user.clone(), new, |row| row.ver);
            }
            Row::Account(new) => {
                let key = (new.user().clone(), new.key());
                put_newer(&mut self.account_rows, key, new, AccountRow::ver);
            }
            Row::Membership(new) => {
                let key = (new.user.clone(), new.cid.clone());
                put_newer(&mut self.memberships, key, new, |row| row.ver);
            }
            Row::User(new) => put_newer(&mut self.users, new.id.clone(), new, |row| row.ver),
            Row::Draft(new) => {
                let key = (new.user.clone(), new.cid.clone(), new.parent, new.device);
                put_newer(&mut self.drafts, key, new, |row| row.ver);
            }
        }
    }

    fn put_message(&mut self, new: &Message) {
        if let Some(old) = self.messages.get(&new.id) {
            if new.ver <= old.ver {
                return;
            }
            let place = (old.seq, old.id);
            let cid = old.cid.clone();
            self.channel_data(&cid).log.remove(&place);
        }
        self.channel_data(&new.cid).log.insert((new.seq, new.id));
        self.messages.insert(new.id, new.clone());
    }

    fn rebase(&mut self, stream: &StreamId) {
        self.heads.remove(stream);
        match stream {
            StreamId::User(user) => {
                let own = self.memberships.values_mut().filter(|row| row.user == *user);
                own.for_each(|row| row.ver = 0);
                let own = self.drafts.values_mut().filter(|row| row.user == *user);
                own.for_each(|row| row.ver = 0);
                let own = self.account_rows.values_mut().filter(|row| row.user() == user);
                own.for_each(|row| row.set_ver(0));
                if let Some(row) = self.users.get_mut(user) {
                    row.ver = 0;
                }
            }
            StreamId::Channel(cid) => {
                let Some(channel) = self.channels.get_mut(cid) else {
                    return;
                };
                channel.row.iter_mut().for_each(|row| row.ver = 0);
                channel.members.values_mut().for_each(|row| row.ver = 0);
                channel.reads.values_mut().for_each(|row| row.ver = 0);
                channel.delivered.values_mut().for_each(|row| row.ver = 0);
                channel.reactions.values_mut().for_each(|row| row.ver = 0);
                for (_, id) in &channel.log {
                    if let Some(row) = self.messages.get_mut(id) {
                        row.ver = 0;
                    }
                }
            }
        }
    }

    fn channel_data(&mut self, cid: &ChannelId) -> &mut ChannelData {
        self.channels.entry(cid.clone()).or_default()
    }
}

/// Puts `new` unless the map has a copy that it does not supersede.
fn put_newer<K: Ord, V: Clone>(rows: &mut BTreeMap<K, V>, key: K, new: &V, ver: impl Fn(&V) -> u64) {
    if rows.get(&key).is_none_or(|old| ver(new) > ver(old)) {
        rows.insert(key, new.clone());
    }
}
