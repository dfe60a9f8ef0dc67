use std::collections::BTreeSet;
use whimbrel_model::{
    AccountKey, ChannelId, DeviceId, MessageId, Op, OpEnvelope, OpId, ReactionType, RowKey, StreamId, UserId,
};

/// One operation of one user, as it reaches the hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Who asks.
    pub user: UserId,
    /// For what.
    pub op: OpEnvelope,
}

/// Everything that deciding a group of operations may look at: what a storage has to read, in sorted order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    /// Streams whose head is read, and which are locked in this order against other writers.
    pub streams: BTreeSet<StreamId>,
    /// Channel rows.
    pub channels: BTreeSet<ChannelId>,
    /// Member rows, and the membership rows of the same (cid, user).
    pub members: BTreeSet<(ChannelId, UserId)>,
    /// Message rows, whatever their channel.
    pub messages: BTreeSet<MessageId>,
    /// Those of the messages of which the one that they reply to, if any, is read too: only what is stored says which it is.
    pub replies: BTreeSet<MessageId>,
    /// Reaction rows.
    pub reactions: BTreeSet<(MessageId, UserId, ReactionType)>,
    /// Read positions, in a channel or in the thread of a message.
    pub reads: BTreeSet<(ChannelId, UserId, Option<MessageId>)>,
    /// Drafts: (user, channel, thread, device).
    pub drafts: BTreeSet<(UserId, ChannelId, Option<MessageId>, DeviceId)>,
    /// Profiles.
    pub users: BTreeSet<UserId>,
    /// Registers of what has reached a user.
    pub delivered: BTreeSet<(ChannelId, UserId)>,
    /// Rows about an account itself.
    pub account: BTreeSet<(UserId, AccountKey)>,
    /// Users of whom the rows of all devices are read.
    pub devices: BTreeSet<UserId>,
    /// Result rows, and the message rows whose (author, op id) it is.
    pub results: BTreeSet<(UserId, OpId)>,
}

impl Keys {
    /// Returns what deciding `requests` may look at.
    #[must_use]
    pub fn of(requests: &[Request]) -> Self {
        let mut keys = Self::default();
        for request in requests {
            keys.add(request);
        }
        keys
    }

    /// Iterates over the rows that they name, each kind in sorted order; what only stored rows lead to is not among them.
    pub fn rows(&self) -> impl Iterator<Item = RowKey> {
        let members = self.members.iter().cloned().flat_map(|(cid, user)| {
            [
                RowKey::Member(cid.clone(), user.clone()),
                RowKey::Membership(cid, user),
            ]
        });
        let reactions = self.reactions.iter().cloned();
        let reads = self.reads.iter().cloned();
        let drafts = self.drafts.iter().cloned();
        let delivered = self.delivered.iter().cloned();
        let account = self.account.iter().cloned();
        (self.channels.iter().cloned().map(RowKey::Channel))
            .chain(members)
            .chain(self.messages.iter().copied().map(RowKey::Message))
            .chain(reactions.map(|(id, user, kind)| RowKey::Reaction(id, user, kind)))
            .chain(reads.map(|(cid, user, thread)| RowKey::Read(cid, user, thread)))
            .chain(self.users.iter().cloned().map(RowKey::User))
            .chain(drafts.map(|(user, cid, thread, device)| RowKey::Draft(user, cid, thread, device)))
            .chain(delivered.map(|(cid, user)| RowKey::Delivered(cid, user)))
            .chain(account.map(|(user, key)| RowKey::Account(user, key)))
    }

    fn add(&mut self, Request { user, op }: &Request) {
        self.results.insert((user.clone(), op.id));
        self.results
            .extend(op.after.map(|earlier| (user.clone(), earlier)));
        if let Some(cid) = op.op.cid() {
            self.streams.insert(StreamId::Channel(cid.clone()));
            self.channels.insert(cid.clone());
            self.members.insert((cid.clone(), user.clone()));
        }
        self.messages.extend(op.op.message());
        self.messages.extend(op.op.needs_messages());
        match &op.op {
            Op::CreateChannel { cid, members, .. } => {
                self.add_users(cid, members);
                self.add_users(cid, std::slice::from_ref(user));
            }
            Op::AddMembers { cid, users }
            | Op::RemoveMembers { cid, users }
            | Op::InviteMembers { cid, users } => self.add_users(cid, users),
            Op::AnswerInvite { cid, .. } => self.add_users(cid, std::slice::from_ref(user)),
            Op::MarkDelivered { cid, .. } => {
                self.delivered.insert((cid.clone(), user.clone()));
                self.account.insert((user.clone(), AccountKey::Settings));
            }
            Op::AddReaction { message, kind, .. } | Op::RemoveReaction { message, kind, .. } => {
                self.reactions.insert((*message, user.clone(), kind.clone()));
            }
            Op::MarkRead { cid, thread, .. } => {
                self.reads.insert((cid.clone(), user.clone(), *thread));
                self.account.insert((user.clone(), AccountKey::Settings));
            }
            Op::SendMessage { cid, parent, .. } => {
                self.streams.insert(StreamId::User(user.clone()));
                if let Some(parent) = parent {
                    self.reads.insert((cid.clone(), user.clone(), Some(*parent)));
                    self.account.insert((user.clone(), AccountKey::Settings));
                }
            }
            Op::DeleteMessage { id, .. } => {
                self.replies.insert(*id);
            }
            Op::UpdateMembership { .. } => {
                self.streams.insert(StreamId::User(user.clone()));
            }
            Op::SaveDraft { .. } => self.add_drafts(user, &op.op),
            Op::UpdateUser { .. } => {
                self.streams.insert(StreamId::User(user.clone()));
                self.users.insert(user.clone());
            }
            Op::UpdateSettings { .. }
            | Op::UpdateContact { .. }
            | Op::RegisterDevice { .. }
            | Op::UpdateDevice { .. }
            | Op::RevokeDevice { .. }
            | Op::RequestDeviceSync { .. }
            | Op::OfferDeviceSync { .. }
            | Op::EndDeviceSync { .. } => {
                self.add_account(user, &op.op);
            }
            Op::UpdateChannel { .. }
            | Op::EditMessage { .. }
            | Op::PinMessage { .. }
            | Op::UnpinMessage { .. } => {}
        }
    }

    fn add_drafts(&mut self, user: &UserId, op: &Op) {
        let Op::SaveDraft {
            cid,
            parent,
            device,
            replaces,
            ..
        } = op
        else {
            return;
        };
        self.streams.insert(StreamId::User(user.clone()));
        let devices = replaces.iter().map(|seen| seen.device).chain([*device]);
        let slots = devices.map(|device| (user.clone(), cid.clone(), *parent, device));
        self.drafts.extend(slots);
    }

    fn add_account(&mut self, user: &UserId, op: &Op) {
        self.streams.insert(StreamId::User(user.clone()));
        let key = account_key(op);
        self.account.extend(key.map(|key| (user.clone(), key)));
        if matches!(op, Op::RegisterDevice { .. }) {
            self.devices.insert(user.clone());
        }
    }

    fn add_users(&mut self, cid: &ChannelId, users: &[UserId]) {
        for user in users {
            self.streams.insert(StreamId::User(user.clone()));
            self.members.insert((cid.clone(), user.clone()));
            self.users.insert(user.clone());
        }
    }
}

/// Returns which of the account's rows an operation is about.
pub(crate) fn account_key(op: &Op) -> Option<AccountKey> {
    match op {
        Op::UpdateSettings { .. } => Some(AccountKey::Settings),
        Op::UpdateContact { user, .. } => Some(AccountKey::Contact(user.clone())),
        Op::RegisterDevice { device, .. } | Op::UpdateDevice { device, .. } | Op::RevokeDevice { device } => {
            Some(AccountKey::Device(*device))
        }
        Op::RequestDeviceSync { device, .. }
        | Op::OfferDeviceSync { device, .. }
        | Op::EndDeviceSync { device, .. } => Some(AccountKey::DeviceSync(*device)),
        _ => None,
    }
}
