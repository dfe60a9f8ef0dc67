//! What the server has to hold: the accepted operations, carried out by the simplest code there is.

use super::ghost::Decisions;
use std::collections::BTreeMap;
use whimbrel_model::{ChannelId, MessageBody, MessageId, Op, ReactionType, UserId};

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) cid: ChannelId,
    pub(super) author: UserId,
    pub(super) body: MessageBody,
    pub(super) deleted: bool,
    pub(super) revision: u32,
}

#[derive(Debug, Default)]
pub(super) struct Truth {
    pub(super) messages: BTreeMap<MessageId, Said>,
    /// Whether it is there.
    pub(super) reactions: BTreeMap<(MessageId, UserId, ReactionType), bool>,
    /// By (epoch, sequence).
    pub(super) reads: BTreeMap<(ChannelId, UserId), (u32, u64)>,
    /// The last message that was ever read.
    pub(super) receipts: BTreeMap<(ChannelId, UserId), u64>,
    pub(super) names: BTreeMap<ChannelId, String>,
}

impl Truth {
    pub(super) fn of(decisions: &Decisions) -> Self {
        let mut truth = Self::default();
        for (user, envelope) in &decisions.log {
            truth.take(user, &envelope.op);
        }
        truth
    }

    fn take(&mut self, user: &UserId, op: &Op) {
        match op {
            Op::CreateChannel { cid, name, .. } => {
                self.names.insert(cid.clone(), name.clone());
            }
            Op::UpdateChannel {
                cid,
                name: Some(name),
                ..
            } => {
                self.names.insert(cid.clone(), name.clone());
            }
            Op::SendMessage { cid, id, body, .. } => {
                let said = Said {
                    cid: cid.clone(),
                    author: user.clone(),
                    body: body.clone(),
                    deleted: false,
                    revision: 0,
                };
                self.messages.entry(*id).or_insert(said);
            }
            Op::EditMessage { id, body, .. } => {
                if let Some(said) = self.messages.get_mut(id).filter(|said| !said.deleted) {
                    said.body = body.clone();
                    said.revision += 1;
                }
            }
            Op::DeleteMessage { id, .. } => {
                if let Some(said) = self.messages.get_mut(id) {
                    said.deleted = true;
                    said.body = MessageBody::default();
                }
            }
            Op::AddReaction { message, kind, .. } if self.is_alive(*message) => {
                self.reactions
                    .insert((*message, user.clone(), kind.clone()), true);
            }
            // Taking back what never was leaves no trace.
            Op::RemoveReaction { message, kind, .. } if self.is_alive(*message) => {
                if let Some(there) = self.reactions.get_mut(&(*message, user.clone(), kind.clone())) {
                    *there = false;
                }
            }
            Op::MarkRead { cid, epoch, seq } => {
                let said = self.messages.values().filter(|said| said.cid == *cid).count() as u64;
                let ever = self.receipts.entry((cid.clone(), user.clone())).or_default();
                *ever = (*ever).max(*seq.min(&said));
                let read = self.reads.entry((cid.clone(), user.clone())).or_default();
                *read = (*read).max((*epoch, *seq.min(&said)));
            }
            _ => {}
        }
    }

    fn is_alive(&self, id: MessageId) -> bool {
        self.messages.get(&id).is_some_and(|said| !said.deleted)
    }
}
