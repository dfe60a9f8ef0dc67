use crate::{
    ChannelRecord, Digest, Keys, LastSeen, MessageRecord, Records, ResultRecord, Seen, StorageError,
};
use std::collections::{BTreeMap, BTreeSet};
use whimbrel_model::{
    AccountRow, ChannelId, DeviceId, Head, MemberState, Message, MessageId, OpId, Reaction, Row, RowKey,
    StreamId, Timestamp, User, UserId,
};
use whimbrel_protocol::StreamHead;

/// The rows, and the indexes that reading needs.
#[derive(Clone, Debug, Default)]
pub(super) struct Tables {
    rows: BTreeMap<RowKey, Row>,
    streams: BTreeMap<StreamId, Stream>,
    /// Digest of the creating operation.
    created: BTreeMap<ChannelId, Digest>,
    /// The sending operation.
    sent: BTreeMap<MessageId, (OpId, Digest)>,
    by_op: BTreeMap<(UserId, OpId), MessageId>,
    by_seq: BTreeMap<(ChannelId, u64), MessageId>,
    /// The reactions to each message, and the read positions in the thread that it began.
    about: BTreeMap<MessageId, BTreeSet<RowKey>>,
    /// Every user who was ever in, and every channel of a user.
    members: BTreeMap<ChannelId, BTreeSet<UserId>>,
    memberships: BTreeMap<UserId, BTreeSet<ChannelId>>,
    results: BTreeMap<(UserId, OpId), ResultRecord>,
    activity: u64,
    /// Beside the rows: when devices were seen.
    pub(super) seen: BTreeMap<(UserId, DeviceId), Seen>,
    /// Beside the rows: when users were seen last.
    pub(super) last_seen: BTreeMap<UserId, LastSeen>,
    /// Beside the rows: what devices leave for one another.
    pub(super) parcels: super::parcels::Parcels,
}

#[derive(Clone, Debug, Default)]
struct Stream {
    head: Head,
    activity: u64,
    by_ver: BTreeMap<u64, RowKey>,
}

impl Tables {
    /// Returns the rows of `keys` that exist.
    pub(super) fn read(&self, keys: &Keys) -> Records {
        let mut found = Records {
            heads: keys
                .streams
                .iter()
                .map(|stream| (stream.clone(), self.head(stream)))
                .collect(),
            ..Records::default()
        };
        let by_op = keys.results.iter().filter_map(|key| self.by_op.get(key));
        let parents = keys.replies.iter().filter_map(|id| self.parent(*id));
        let messages = by_op.copied().chain(parents).map(RowKey::Message);
        let devices = keys.devices.iter().flat_map(|user| self.devices(user));
        let devices = devices.map(|row| Row::Account(AccountRow::Device(row.clone())).key());
        let wanted = keys.rows().chain(messages).chain(devices);
        for key in wanted {
            match self.rows.get(&key).cloned() {
                Some(Row::Channel(channel)) => {
                    let digest = self.created.get(&channel.cid).copied().unwrap_or_default();
                    found.channels.push(ChannelRecord { channel, digest });
                }
                Some(Row::Message(message)) => {
                    if let Some(&(op, digest)) = self.sent.get(&message.id) {
                        found.messages.push(MessageRecord { message, op, digest });
                    }
                }
                Some(Row::Member(row)) => found.members.push(row),
                Some(Row::Membership(row)) => found.memberships.push(row),
                Some(Row::Reaction(row)) => found.reactions.push(row),
                Some(Row::Read(row)) => found.reads.push(row),
                Some(Row::User(row)) => found.users.push(row),
                Some(Row::Draft(row)) => found.drafts.push(row),
                Some(Row::Delivered(row)) => found.delivered.push(row),
                Some(Row::Account(row)) => found.account.push(row),
                None => {}
            }
        }
        found.results = keys
            .results
            .iter()
            .filter_map(|key| self.results.get(key))
            .cloned()
            .collect();
        found
    }

    pub(super) fn write(&mut self, writes: Records) {
        for record in writes.channels {
            self.created.insert(record.channel.cid.clone(), record.digest);
            self.put(Row::Channel(record.channel));
        }
        for row in writes.members {
            self.members
                .entry(row.cid.clone())
                .or_default()
                .insert(row.user.clone());
            self.put(Row::Member(row));
        }
        for row in writes.memberships {
            self.memberships
                .entry(row.user.clone())
                .or_default()
                .insert(row.cid.clone());
            self.put(Row::Membership(row));
        }
        for MessageRecord { message, op, digest } in writes.messages {
            self.sent.insert(message.id, (op, digest));
            self.by_op.insert((message.author.clone(), op), message.id);
            self.by_seq.insert((message.cid.clone(), message.seq), message.id);
            self.put(Row::Message(message));
        }
        for row in writes.reactions {
            let row = Row::Reaction(row);
            if let RowKey::Reaction(id, ..) = row.key() {
                self.about.entry(id).or_default().insert(row.key());
            }
            self.put(row);
        }
        for row in writes.reads {
            let thread = row.thread;
            let row = Row::Read(row);
            if let Some(id) = thread {
                self.about.entry(id).or_default().insert(row.key());
            }
            self.put(row);
        }
        writes.users.into_iter().for_each(|row| self.put(Row::User(row)));
        writes
            .drafts
            .into_iter()
            .for_each(|row| self.put(Row::Draft(row)));
        let delivered = writes.delivered.into_iter().map(Row::Delivered);
        let account = writes.account.into_iter().map(Row::Account);
        delivered.chain(account).for_each(|row| self.put(row));
        for row in writes.results {
            self.results.insert((row.user.clone(), row.op), row);
        }
        for (stream, head) in writes.heads {
            self.activity += 1;
            let stream = self.streams.entry(stream).or_default();
            stream.head = head;
            stream.activity = self.activity;
        }
    }

    fn put(&mut self, row: Row) {
        let (key, ver) = (row.key(), row.ver());
        let stream = self.streams.entry(row.stream()).or_default();
        if let Some(old) = self.rows.insert(key.clone(), row) {
            stream.by_ver.remove(&old.ver());
        }
        stream.by_ver.insert(ver, key);
    }

    /// Deletes a row, as if it had never been.
    pub(super) fn remove(&mut self, key: &RowKey) {
        if let Some(row) = self.rows.remove(key)
            && let Some(stream) = self.streams.get_mut(&row.stream())
        {
            stream.by_ver.remove(&row.ver());
        }
    }

    pub(super) fn rows_between(&self, from: RowKey, to: RowKey) -> impl Iterator<Item = &Row> {
        self.rows.range(from..=to).map(|(_, row)| row)
    }

    pub(super) const fn activity(&self) -> u64 {
        self.activity
    }

    pub(super) fn head(&self, stream: &StreamId) -> Head {
        self.streams
            .get(stream)
            .map_or_else(Head::default, |stream| stream.head)
    }

    pub(super) fn stream_head(&self, id: &StreamId) -> Option<(StreamHead, u64)> {
        let stream = self.streams.get(id)?;
        let head = StreamHead {
            stream: id.clone(),
            head: stream.head,
        };
        Some((head, stream.activity))
    }

    /// Iterates over the channels that the user is in.
    pub(super) fn channels_of(&self, user: &UserId) -> impl Iterator<Item = &ChannelId> {
        let channels = self.memberships.get(user).into_iter().flatten();
        channels.filter(|cid| self.state(cid, user) == Some(MemberState::Active))
    }

    pub(super) fn active_members(&self, cid: &ChannelId) -> Vec<UserId> {
        let members = self.members.get(cid).into_iter().flatten();
        members
            .filter(|user| self.state(cid, user) == Some(MemberState::Active))
            .cloned()
            .collect()
    }

    pub(super) fn is_active(&self, cid: &ChannelId, user: &UserId) -> bool {
        self.state(cid, user) == Some(MemberState::Active)
    }

    fn state(&self, cid: &ChannelId, user: &UserId) -> Option<MemberState> {
        match self.rows.get(&RowKey::Member(cid.clone(), user.clone())) {
            Some(Row::Member(row)) => Some(row.state),
            _ => None,
        }
    }

    pub(super) fn check_may_see(&self, user: &UserId, stream: &StreamId) -> Result<(), StorageError> {
        match stream {
            StreamId::User(owner) if owner == user => Ok(()),
            StreamId::User(_) => Err(StorageError::forbidden(stream)),
            StreamId::Channel(cid) => match self.state(cid, user) {
                Some(MemberState::Active) => Ok(()),
                Some(MemberState::Gone | MemberState::Invited) => Err(StorageError::not_member(cid)),
                None => Err(StorageError::channel_not_found(cid)),
            },
        }
    }

    pub(super) fn rows_after(&self, stream: &StreamId, ver: u64) -> impl Iterator<Item = &Row> {
        let stream = self.streams.get(stream);
        let keys = stream
            .into_iter()
            .flat_map(move |stream| stream.by_ver.range(ver + 1..));
        keys.filter_map(|(_, key)| self.rows.get(key))
    }

    /// Returns the sequence of the message that a row is, or is about: that a reaction is to, or that began a thread.
    pub(super) fn message_seq(&self, row: &Row) -> Option<u64> {
        match row {
            Row::Message(row) => Some(row.seq),
            Row::Reaction(row) => self.message(row.message).map(|message| message.seq),
            Row::Read(row) => row
                .thread
                .and_then(|id| self.message(id))
                .map(|message| message.seq),
            _ => None,
        }
    }

    pub(super) fn row(&self, key: &RowKey) -> Option<&Row> {
        self.rows.get(key)
    }

    /// Iterates over what `pick` takes of all rows.
    pub(super) fn rows_of_kind<'a, T: 'a>(
        &'a self,
        pick: impl Fn(&'a Row) -> Option<T> + 'a,
    ) -> impl Iterator<Item = T> + 'a {
        self.rows.values().filter_map(pick)
    }

    /// Returns the newest message of the timeline.
    pub(super) fn last_message(&self, cid: &ChannelId) -> Option<Message> {
        let ids = self.by_seq.range((cid.clone(), 0)..=(cid.clone(), u64::MAX));
        let mut newest = ids.rev().filter_map(|(_, id)| self.message(*id));
        newest.find(|message| message.is_in_channel()).cloned()
    }

    /// Returns up to `limit` messages beyond a sequence, the nearest first.
    pub(super) fn messages_beyond(
        &self,
        cid: &ChannelId,
        up: bool,
        beyond: Option<u64>,
        limit: usize,
    ) -> Vec<Message> {
        let key = |seq| (cid.clone(), seq);
        let found = |(_, id): (&(ChannelId, u64), &MessageId)| self.message(*id).cloned();
        if up {
            let first = beyond.unwrap_or(0).saturating_add(1);
            let ids = self.by_seq.range(key(first)..=key(u64::MAX));
            return ids.filter_map(found).take(limit).collect();
        }
        let ids = self.by_seq.range(key(0)..key(beyond.unwrap_or(u64::MAX)));
        ids.rev().filter_map(found).take(limit).collect()
    }

    pub(super) fn message(&self, id: MessageId) -> Option<&Message> {
        match self.rows.get(&RowKey::Message(id)) {
            Some(Row::Message(row)) => Some(row),
            _ => None,
        }
    }

    fn parent(&self, id: MessageId) -> Option<MessageId> {
        self.message(id).and_then(|message| message.parent)
    }

    pub(super) fn profiles(&self, rows: &[Row]) -> Vec<User> {
        let users = rows.iter().filter_map(|row| match row {
            Row::Member(row) => Some(row.user.clone()),
            _ => None,
        });
        users
            .filter_map(|user| match self.rows.get(&RowKey::User(user)) {
                Some(Row::User(row)) => Some(row.clone()),
                _ => None,
            })
            .collect()
    }

    pub(super) fn messages(&self, cid: &ChannelId, lo: u64, hi: u64) -> Vec<Message> {
        if lo > hi {
            return Vec::new();
        }
        let ids = self.by_seq.range((cid.clone(), lo)..=(cid.clone(), hi));
        ids.filter_map(|(_, id)| match self.rows.get(&RowKey::Message(*id)) {
            Some(Row::Message(row)) => Some(row.clone()),
            _ => None,
        })
        .collect()
    }

    /// Returns the place of a message, if it is in the channel.
    pub(super) fn seq_of(&self, cid: &ChannelId, id: MessageId) -> Option<u64> {
        match self.rows.get(&RowKey::Message(id)) {
            Some(Row::Message(row)) if row.cid == *cid => Some(row.seq),
            _ => None,
        }
    }

    /// Returns when the message of a sequence was accepted.
    pub(super) fn accepted_at(&self, cid: &ChannelId, seq: u64) -> Timestamp {
        let accepted = self
            .messages(cid, seq, seq)
            .first()
            .and_then(|row| row.accepted_at);
        accepted.unwrap_or_default()
    }

    pub(super) fn reactions(&self, messages: &[Message]) -> Vec<Reaction> {
        let beside = self.about(messages).into_iter();
        beside
            .filter_map(|row| match row {
                Row::Reaction(row) => Some(row),
                _ => None,
            })
            .collect()
    }

    /// Returns the reactions to messages, and the read positions in the threads that they began.
    pub(super) fn about(&self, messages: &[Message]) -> Vec<Row> {
        let keys = messages
            .iter()
            .filter_map(|row| self.about.get(&row.id))
            .flatten();
        keys.filter_map(|key| self.rows.get(key)).cloned().collect()
    }

    pub(super) fn prune_results(&mut self, before: Timestamp) -> u64 {
        let count = self.results.len();
        self.results.retain(|_, row| row.at >= before);
        (count - self.results.len()) as u64
    }
}
