use whimbrel_model::{
    AccountRow, Channel, Code, Delivered, Draft, Head, Member, Membership, Message, OpId, Reaction, Read,
    StreamId, Timestamp, User, UserId,
};

/// SHA-256 of an operation's content, see [`OpEnvelope::digest`](whimbrel_model::OpEnvelope::digest).
pub type Digest = [u8; 32];

/// A set of stored rows: what a storage read for a group of operations, and what it has to write after.
///
/// Every row is the whole object; writing one inserts it or replaces the one with the same key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Records {
    /// Newest position by stream, sorted. A stream that never moved may be missing.
    pub heads: Vec<(StreamId, Head)>,
    /// By cid.
    pub channels: Vec<ChannelRecord>,
    /// By (cid, user), in the channels' streams.
    pub members: Vec<Member>,
    /// By (cid, user), in the users' streams.
    pub memberships: Vec<Membership>,
    /// By message id; also unique by (author, op id).
    pub messages: Vec<MessageRecord>,
    /// By (message, user, kind).
    pub reactions: Vec<Reaction>,
    /// By (cid, user, thread).
    pub reads: Vec<Read>,
    /// By (user, cid, thread, device).
    pub drafts: Vec<Draft>,
    /// Profiles, by user.
    pub users: Vec<User>,
    /// By (cid, user).
    pub delivered: Vec<Delivered>,
    /// By (user, key).
    pub account: Vec<AccountRow>,
    /// By (user, op id).
    pub results: Vec<ResultRecord>,
}

impl Records {
    /// Adds what `other` holds, after what is there.
    pub fn append(&mut self, other: Self) {
        self.heads.extend(other.heads);
        self.channels.extend(other.channels);
        self.members.extend(other.members);
        self.memberships.extend(other.memberships);
        self.messages.extend(other.messages);
        self.reactions.extend(other.reactions);
        self.reads.extend(other.reads);
        self.drafts.extend(other.drafts);
        self.users.extend(other.users);
        self.delivered.extend(other.delivered);
        self.account.extend(other.account);
        self.results.extend(other.results);
    }
}

/// A channel, with what recognises a repeat of its creation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelRecord {
    /// The row.
    pub channel: Channel,
    /// Digest of the operation that created it.
    pub digest: Digest,
}

/// A message, with the operation that made it: the record of that operation, kept for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageRecord {
    /// The row.
    pub message: Message,
    /// The operation that sent it.
    pub op: OpId,
    /// Digest of that operation.
    pub digest: Digest,
}

/// The stored answer to an operation that no row records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResultRecord {
    /// Who asked.
    pub user: UserId,
    /// Which operation.
    pub op: OpId,
    /// Its digest.
    pub digest: Digest,
    /// What was answered.
    pub answer: Answer,
    /// When it was decided: it may be pruned `limits::RESULT_RETENTION_DAYS` later.
    pub at: Timestamp,
}

/// What was answered, for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Done, or nothing to do.
    Accepted,
    /// Decided against.
    Rejected {
        /// The stable code.
        code: Code,
        /// Why, in words.
        message: String,
    },
}
