use crate::{ChannelRecord, MessageRecord, Records, ResultRecord};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;
use whimbrel_model::{
    AccountKey, AccountRow, ChannelId, Delivered, Device, DeviceId, Draft, Head, Member, Membership,
    MessageId, OpId, Reaction, ReactionType, Read, Row, RowKey, StreamId, User, UserId,
};

type Place = (ChannelId, UserId);
type ReadKey = (ChannelId, UserId, Option<MessageId>);
type DraftKey = (UserId, ChannelId, Option<MessageId>, DeviceId);
type AccountRowKey = (UserId, AccountKey);
type ReactionKey = (MessageId, UserId, ReactionType);

/// The copy of the stored rows that one transaction works on: what was read, and what has changed since.
///
/// A storage makes one with [`WorkingSet::new`] from the rows of its [`Keys`](crate::Keys) that exist, hands it to the
/// decision, and writes what [`WorkingSet::into_writes`] returns.
#[derive(Clone, Debug, Default)]
pub struct WorkingSet {
    heads: BTreeMap<StreamId, Head>,
    channels: BTreeMap<ChannelId, ChannelRecord>,
    members: BTreeMap<Place, Member>,
    memberships: BTreeMap<Place, Membership>,
    messages: BTreeMap<MessageId, MessageRecord>,
    by_op: BTreeMap<(UserId, OpId), MessageId>,
    reactions: BTreeMap<ReactionKey, Reaction>,
    reads: BTreeMap<ReadKey, Read>,
    drafts: BTreeMap<DraftKey, Draft>,
    users: BTreeMap<UserId, User>,
    delivered: BTreeMap<Place, Delivered>,
    account: BTreeMap<AccountRowKey, AccountRow>,
    results: BTreeMap<(UserId, OpId), ResultRecord>,
    /// Channels with more members than it is kept of what has reached whom.
    crowded: BTreeSet<ChannelId>,
    changed: Changed,
}

/// What differs from what was read.
#[derive(Clone, Debug, Default)]
struct Changed {
    rows: BTreeSet<RowKey>,
    results: BTreeSet<(UserId, OpId)>,
    streams: BTreeSet<StreamId>,
}

impl WorkingSet {
    /// Creates the copy from what is stored.
    #[must_use]
    pub fn new(stored: Records) -> Self {
        let mut set = Self {
            heads: stored.heads.into_iter().collect(),
            ..Self::default()
        };
        for row in stored.channels {
            set.channels.insert(row.channel.cid.clone(), row);
        }
        for row in stored.members {
            set.members.insert((row.cid.clone(), row.user.clone()), row);
        }
        for row in stored.memberships {
            set.memberships.insert((row.cid.clone(), row.user.clone()), row);
        }
        for row in stored.messages {
            set.insert_message(row);
        }
        for row in stored.reactions {
            set.reactions
                .insert((row.message, row.user.clone(), row.kind.clone()), row);
        }
        for row in stored.reads {
            set.reads
                .insert((row.cid.clone(), row.user.clone(), row.thread), row);
        }
        for row in stored.drafts {
            let key = (row.user.clone(), row.cid.clone(), row.parent, row.device);
            set.drafts.insert(key, row);
        }
        for row in stored.users {
            set.users.insert(row.id.clone(), row);
        }
        for row in stored.delivered {
            set.delivered.insert((row.cid.clone(), row.user.clone()), row);
        }
        for row in stored.account {
            set.account.insert((row.user().clone(), row.key()), row);
        }
        for row in stored.results {
            set.results.insert((row.user.clone(), row.op), row);
        }
        set
    }

    /// Says which channels have more than [`limits::RECEIPT_MEMBERS`](whimbrel_model::limits::RECEIPT_MEMBERS) members: there it
    /// is not kept what has reached whom. A working set does not count them.
    pub fn set_crowded(&mut self, cids: BTreeSet<ChannelId>) {
        self.crowded = cids;
    }

    pub(crate) fn is_crowded(&self, cid: &ChannelId) -> bool {
        self.crowded.contains(cid)
    }

    /// Returns what has changed: each row once, in its last state, sorted by key.
    #[must_use]
    pub fn into_writes(self) -> Records {
        let mut writes = Records::default();
        for stream in &self.changed.streams {
            writes.heads.push((stream.clone(), self.head(stream)));
        }
        for key in &self.changed.rows {
            match key {
                RowKey::Channel(cid) => writes.channels.extend(self.channels.get(cid).cloned()),
                RowKey::Member(cid, user) => writes.members.extend(self.member(cid, user).cloned()),
                RowKey::Message(id) => writes.messages.extend(self.message(*id).cloned()),
                RowKey::Reaction(id, user, kind) => {
                    writes.reactions.extend(self.reaction(*id, user, kind).cloned());
                }
                RowKey::Read(cid, user, thread) => {
                    writes.reads.extend(self.read(cid, user, *thread).cloned());
                }
                RowKey::Membership(cid, user) => {
                    writes.memberships.extend(self.membership(cid, user).cloned());
                }
                RowKey::Delivered(cid, user) => {
                    writes.delivered.extend(self.delivered(cid, user).cloned());
                }
                RowKey::Account(user, key) => writes.account.extend(self.account(user, key).cloned()),
                RowKey::User(user) => writes.users.extend(self.user(user).cloned()),
                RowKey::Draft(user, cid, thread, device) => {
                    writes
                        .drafts
                        .extend(self.draft(user, cid, *thread, *device).cloned());
                }
            }
        }
        for key in &self.changed.results {
            writes.results.extend(self.results.get(key).cloned());
        }
        writes
    }

    /// Returns the newest position of a stream.
    #[must_use]
    pub fn head(&self, stream: &StreamId) -> Head {
        self.heads.get(stream).copied().unwrap_or_default()
    }

    pub(crate) fn channel(&self, cid: &ChannelId) -> Option<&ChannelRecord> {
        self.channels.get(cid)
    }

    pub(crate) fn member(&self, cid: &ChannelId, user: &UserId) -> Option<&Member> {
        self.members.get(&(cid.clone(), user.clone()))
    }

    pub(crate) fn membership(&self, cid: &ChannelId, user: &UserId) -> Option<&Membership> {
        self.memberships.get(&(cid.clone(), user.clone()))
    }

    pub(crate) fn message(&self, id: MessageId) -> Option<&MessageRecord> {
        self.messages.get(&id)
    }

    pub(crate) fn message_of_op(&self, user: &UserId, op: OpId) -> Option<&MessageRecord> {
        let id = self.by_op.get(&(user.clone(), op))?;
        self.messages.get(id)
    }

    pub(crate) fn reaction(&self, id: MessageId, user: &UserId, kind: &ReactionType) -> Option<&Reaction> {
        self.reactions.get(&(id, user.clone(), kind.clone()))
    }

    pub(crate) fn read(&self, cid: &ChannelId, user: &UserId, thread: Option<MessageId>) -> Option<&Read> {
        self.reads.get(&(cid.clone(), user.clone(), thread))
    }

    pub(crate) fn draft(
        &self,
        user: &UserId,
        cid: &ChannelId,
        thread: Option<MessageId>,
        device: DeviceId,
    ) -> Option<&Draft> {
        self.drafts.get(&(user.clone(), cid.clone(), thread, device))
    }

    pub(crate) fn delivered(&self, cid: &ChannelId, user: &UserId) -> Option<&Delivered> {
        self.delivered.get(&(cid.clone(), user.clone()))
    }

    pub(crate) fn account(&self, user: &UserId, key: &AccountKey) -> Option<&AccountRow> {
        self.account.get(&(user.clone(), key.clone()))
    }

    /// Iterates over the devices of a user, as far as they were read.
    pub(crate) fn devices(&self, user: &UserId) -> impl Iterator<Item = &Device> {
        let from = (user.clone(), AccountKey::Device(DeviceId(Uuid::nil())));
        let rows = self.account.range(from..).map(|(_, row)| row);
        let own = rows.take_while(move |row| row.user() == user);
        own.filter_map(|row| match row {
            AccountRow::Device(device) => Some(device),
            _ => None,
        })
    }

    pub(crate) fn user(&self, user: &UserId) -> Option<&User> {
        self.users.get(user)
    }

    pub(crate) fn result(&self, user: &UserId, op: OpId) -> Option<&ResultRecord> {
        self.results.get(&(user.clone(), op))
    }

    /// Gives out the next version of a stream.
    pub(crate) fn next_ver(&mut self, stream: &StreamId) -> u64 {
        self.changed.streams.insert(stream.clone());
        let head = self.heads.entry(stream.clone()).or_default();
        head.ver += 1;
        head.ver
    }

    /// Gives out the next message sequence of a channel.
    pub(crate) fn next_seq(&mut self, stream: &StreamId) -> u64 {
        let head = self.heads.entry(stream.clone()).or_default();
        head.seq += 1;
        head.seq
    }

    pub(crate) fn put_channel(&mut self, record: ChannelRecord) {
        let cid = record.channel.cid.clone();
        self.changed.rows.insert(RowKey::Channel(cid.clone()));
        self.channels.insert(cid, record);
    }

    pub(crate) fn put_message(&mut self, record: MessageRecord) {
        self.changed.rows.insert(RowKey::Message(record.message.id));
        self.insert_message(record);
    }

    pub(crate) fn put_result(&mut self, record: ResultRecord) {
        let key = (record.user.clone(), record.op);
        self.changed.results.insert(key.clone());
        self.results.insert(key, record);
    }

    /// Puts a row that is stored as it is: any but a channel or a message, which have a record of their own.
    pub(crate) fn put_plain(&mut self, row: PlainRow) {
        self.changed.rows.insert(Row::from(row.clone()).key());
        match row {
            PlainRow::Member(row) => {
                self.members.insert((row.cid.clone(), row.user.clone()), row);
            }
            PlainRow::Membership(row) => {
                self.memberships.insert((row.cid.clone(), row.user.clone()), row);
            }
            PlainRow::Reaction(row) => {
                self.reactions
                    .insert((row.message, row.user.clone(), row.kind.clone()), row);
            }
            PlainRow::Read(row) => {
                self.reads
                    .insert((row.cid.clone(), row.user.clone(), row.thread), row);
            }
            PlainRow::User(row) => {
                self.users.insert(row.id.clone(), row);
            }
            PlainRow::Draft(row) => {
                let key = (row.user.clone(), row.cid.clone(), row.parent, row.device);
                self.drafts.insert(key, row);
            }
            PlainRow::Delivered(row) => {
                self.delivered.insert((row.cid.clone(), row.user.clone()), row);
            }
            PlainRow::Account(row) => {
                self.account.insert((row.user().clone(), row.key()), row);
            }
        }
    }

    fn insert_message(&mut self, record: MessageRecord) {
        let id = record.message.id;
        self.by_op.insert((record.message.author.clone(), record.op), id);
        self.messages.insert(id, record);
    }
}

/// A row that is stored as it is.
#[derive(Clone, Debug)]
pub(crate) enum PlainRow {
    Member(Member),
    Membership(Membership),
    Reaction(Reaction),
    Read(Read),
    User(User),
    Draft(Draft),
    Delivered(Delivered),
    Account(AccountRow),
}

impl From<PlainRow> for Row {
    fn from(row: PlainRow) -> Self {
        match row {
            PlainRow::Member(row) => Self::Member(row),
            PlainRow::Membership(row) => Self::Membership(row),
            PlainRow::Reaction(row) => Self::Reaction(row),
            PlainRow::Read(row) => Self::Read(row),
            PlainRow::User(row) => Self::User(row),
            PlainRow::Draft(row) => Self::Draft(row),
            PlainRow::Delivered(row) => Self::Delivered(row),
            PlainRow::Account(row) => Self::Account(row),
        }
    }
}
