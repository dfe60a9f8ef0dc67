//! What the server has to hold: the accepted operations, carried out by the simplest code there is.

use super::{
    ghost::Decisions,
    people::{Around, People},
};
use std::collections::BTreeMap;
use whimbrel_model::{
    ChannelId, DeviceId, DraftContent, Hide, MembershipChange, MessageBody, MessageId, MessageKind, Mute, Op,
    ReactionType, SetMute, Timestamp, UserId,
};

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) cid: ChannelId,
    pub(super) author: UserId,
    pub(super) body: MessageBody,
    pub(super) kind: MessageKind,
    pub(super) silent: bool,
    pub(super) parent: Option<MessageId>,
    /// Its place in the channel.
    pub(super) seq: u64,
    pub(super) deleted: bool,
    pub(super) revision: u32,
    /// By whom, and until when.
    pub(super) pinned: Option<(UserId, Option<Timestamp>)>,
}

/// How somebody keeps a channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) pinned: bool,
    pub(super) archived: bool,
    pub(super) hidden: Option<u64>,
    pub(super) muted: Option<Mute>,
}

/// Where a draft stands: whose, for what, of which device.
pub(super) type Slot = (UserId, ChannelId, Option<MessageId>, DeviceId);

/// What a device last wrote into its slot.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) content: Option<DraftContent>,
    /// Whether another device has named it since, to take it over.
    pub(super) taken: bool,
}

/// A register of somebody: of a channel, or of a thread in it.
pub(super) type Register = (ChannelId, UserId, Option<MessageId>);

#[derive(Debug, Default)]
pub(super) struct Truth {
    pub(super) messages: BTreeMap<MessageId, Said>,
    /// Whether it is there.
    pub(super) reactions: BTreeMap<(MessageId, UserId, ReactionType), bool>,
    /// By (epoch, sequence).
    pub(super) reads: BTreeMap<Register, (u32, u64)>,
    /// The last message that was ever read.
    pub(super) receipts: BTreeMap<Register, u64>,
    pub(super) names: BTreeMap<ChannelId, String>,
    pub(super) kept: BTreeMap<(ChannelId, UserId), Kept>,
    pub(super) drafts: BTreeMap<Slot, Written>,
    /// How many replies to a message are not deleted, and the place of the last one, deleted or not.
    pub(super) threads: BTreeMap<MessageId, (u32, u64)>,
    /// Of which registers others are shown nothing.
    pub(super) private: BTreeMap<Register, bool>,
    pub(super) people: People,
    /// How many messages each channel has.
    said: BTreeMap<ChannelId, u64>,
}

impl Truth {
    pub(super) fn of(decisions: &Decisions) -> Self {
        let mut truth = Self::default();
        for (user, envelope) in &decisions.log {
            truth.take(user, &envelope.op);
        }
        for said in truth.messages.values() {
            if let Some(parent) = said.parent {
                let (replies, last) = truth.threads.entry(parent).or_default();
                *replies += u32::from(!said.deleted);
                *last = said.seq.max(*last);
            }
        }
        truth
    }

    fn take(&mut self, user: &UserId, op: &Op) {
        self.take_people(user, op);
        match op {
            // The one that is there already is the one that was meant.
            Op::CreateChannel { cid, name, .. } => {
                self.names.entry(cid.clone()).or_insert_with(|| name.clone());
            }
            Op::UpdateChannel {
                cid,
                name: Some(name),
                ..
            } => {
                self.names.insert(cid.clone(), name.clone());
            }
            Op::SendMessage { .. } => self.send(user, op),
            Op::EditMessage { id, body, .. } => {
                if let Some(said) = self.alive(*id) {
                    said.body = body.clone();
                    said.revision += 1;
                }
            }
            Op::DeleteMessage { id, .. } => {
                if let Some(said) = self.messages.get_mut(id) {
                    said.deleted = true;
                    said.body = MessageBody::default();
                    said.pinned = None;
                }
            }
            Op::PinMessage { id, until, .. } => {
                if let Some(said) = self.alive(*id) {
                    said.pinned = Some((user.clone(), *until));
                }
            }
            Op::UnpinMessage { id, .. } => {
                if let Some(said) = self.alive(*id) {
                    said.pinned = None;
                }
            }
            Op::AddReaction { message, kind, .. } if self.alive(*message).is_some() => {
                self.reactions
                    .insert((*message, user.clone(), kind.clone()), true);
            }
            // Taking back what never was leaves no trace.
            Op::RemoveReaction { message, kind, .. } if self.alive(*message).is_some() => {
                if let Some(there) = self.reactions.get_mut(&(*message, user.clone(), kind.clone())) {
                    *there = false;
                }
            }
            Op::MarkRead {
                cid,
                thread,
                epoch,
                seq,
            } => {
                let most = self.said.get(cid).copied().unwrap_or_default();
                self.reads_to((cid.clone(), user.clone(), *thread), *epoch, *seq.min(&most));
            }
            Op::UpdateMembership { cid, change } => {
                self.kept
                    .entry((cid.clone(), user.clone()))
                    .or_default()
                    .change(change);
            }
            Op::SaveDraft { .. } => self.save(user, op),
            _ => {}
        }
    }

    fn take_people(&mut self, user: &UserId, op: &Op) {
        let cid = op.cid();
        let around = Around {
            name: cid.and_then(|cid| self.names.get(cid)),
            said: cid
                .and_then(|cid| self.said.get(cid))
                .copied()
                .unwrap_or_default(),
        };
        self.people.take(user, op, around);
    }

    fn send(&mut self, user: &UserId, op: &Op) {
        let Op::SendMessage {
            cid,
            id,
            body,
            parent,
            kind,
            silent,
            ..
        } = op
        else {
            return;
        };
        if self.messages.contains_key(id) {
            return;
        }
        let seq = self.said.entry(cid.clone()).or_default();
        *seq += 1;
        let seq = *seq;
        let said = Said {
            cid: cid.clone(),
            author: user.clone(),
            body: body.clone(),
            kind: *kind,
            silent: *silent,
            parent: *parent,
            seq,
            deleted: false,
            revision: 0,
            pinned: None,
        };
        self.messages.insert(*id, said);
        self.people.writes(cid, user);
        if parent.is_some() {
            // Who answers has read what was said before.
            let register = (cid.clone(), user.clone(), *parent);
            let epoch = self.reads.get(&register).map_or(0, |(epoch, _)| *epoch);
            self.reads_to(register, epoch, seq);
        }
    }

    fn reads_to(&mut self, register: Register, epoch: u32, seq: u64) {
        let ever = self.receipts.entry(register.clone()).or_default();
        let read = self.reads.entry(register.clone()).or_default();
        let before = (*ever, *read);
        *ever = (*ever).max(seq);
        *read = (*read).max((epoch, seq));
        if before != (*ever, *read) {
            let is_shown = self.people.settings(&register.1).read_receipts;
            self.private.insert(register, !is_shown);
        }
    }

    fn save(&mut self, user: &UserId, op: &Op) {
        let Op::SaveDraft {
            cid,
            parent,
            device,
            content,
            replaces,
        } = op
        else {
            return;
        };
        let slot = |device| (user.clone(), cid.clone(), *parent, device);
        for seen in replaces.iter().filter(|seen| seen.device != *device) {
            if let Some(written) = self.drafts.get_mut(&slot(seen.device)) {
                written.taken = true;
            }
        }
        let written = Written {
            content: content.clone(),
            taken: false,
        };
        self.drafts.insert(slot(*device), written);
    }

    fn alive(&mut self, id: MessageId) -> Option<&mut Said> {
        self.messages.get_mut(&id).filter(|said| !said.deleted)
    }
}

impl Kept {
    fn change(&mut self, change: &MembershipChange) {
        self.pinned = change.pinned.unwrap_or(self.pinned);
        self.archived = change.archived.unwrap_or(self.archived);
        match change.hidden {
            Some(Hide::Show) => self.hidden = None,
            Some(Hide::Until { seq }) => self.hidden = Some(seq),
            None => {}
        }
        match change.muted {
            Some(SetMute::Off) => self.muted = None,
            Some(SetMute::On(mute)) => self.muted = Some(mute),
            None => {}
        }
    }
}
