//! Random operations of one channel and the own profile, and a server in miniature that carries them out.

use crate::values::{cid, kind, message_id, user};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use whimbrel_model::{MessageId, Op, ReactionType};

/// An operation on messages 0 to 5, of which a server may know 0 to 2 already.
pub(crate) fn any_op() -> impl Strategy<Value = Op> {
    (0_u8..15, 0_u64..6, 0_u64..6).prop_map(|(what, a, b)| op(what, a, b))
}

fn op(what: u8, a: u64, b: u64) -> Op {
    let some = |number: u64, text: &str| (number > 1).then(|| format!("{text} {number}"));
    match what {
        0 | 1 => send(3 + a % 3, None, b),
        // A reply is to an older message.
        2 => send(3 + a % 3, Some(b % (3 + a % 3)), a),
        3..=5 => edit(a, b),
        6 | 7 => Op::DeleteMessage {
            cid: cid(),
            id: message_id(a),
        },
        8 => Op::AddReaction {
            cid: cid(),
            message: message_id(a),
            kind: kind(b),
        },
        9 => Op::RemoveReaction {
            cid: cid(),
            message: message_id(a),
            kind: kind(b),
        },
        10 => Op::MarkRead {
            thread: None,
            cid: cid(),
            epoch: u32::from(b == 5),
            seq: a,
        },
        11 => Op::UpdateChannel {
            cid: cid(),
            name: some(a, "name"),
            image: some(b, "image"),
            custom: None,
        },
        12 => Op::UpdateUser {
            name: some(a, "name"),
            image: some(b, "image"),
            custom: None,
        },
        13 => Op::RemoveMembers {
            cid: cid(),
            users: vec![user(0)],
        },
        _ => Op::AddMembers {
            cid: cid(),
            users: vec![user(0)],
        },
    }
}

fn send(number: u64, parent: Option<u64>, text: u64) -> Op {
    Op::SendMessage {
        kind: whimbrel_model::MessageKind::Regular,
        silent: false,
        cid: cid(),
        id: message_id(number),
        body: format!("text {text}").into(),
        parent: parent.map(message_id),
        show_in_channel: false,
        quoted: None,
    }
}

pub(crate) fn edit(number: u64, text: u64) -> Op {
    Op::EditMessage {
        cid: cid(),
        id: message_id(number),
        body: format!("edit {text}").into(),
        base_revision: 0,
    }
}

/// What one user sees on a server: the owner, as long as they are a member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Server {
    away: bool,
    /// Text, or none once deleted; with the place among the messages.
    messages: BTreeMap<MessageId, (usize, Option<String>)>,
    reactions: BTreeSet<(MessageId, ReactionType)>,
    read: (u32, u64),
    fields: [Option<String>; 4],
}

impl Server {
    pub(crate) fn after<'a>(mut self, ops: impl IntoIterator<Item = &'a Op>) -> Self {
        ops.into_iter().for_each(|op| self.take(op));
        self
    }

    fn take(&mut self, op: &Op) {
        if let Op::UpdateUser { name, image, .. } = op {
            set(&mut self.fields[2], name.as_ref());
            set(&mut self.fields[3], image.as_ref());
            return;
        }
        if matches!(op, Op::AddMembers { .. }) {
            self.away = false;
        }
        if self.away || op.needs_messages().any(|id| !self.messages.contains_key(&id)) {
            return;
        }
        let alive = |id: &MessageId| self.messages.get(id).is_some_and(|(_, text)| text.is_some());
        match op {
            Op::SendMessage { id, body, .. } if !self.messages.contains_key(id) => {
                let place = self.messages.len();
                self.messages.insert(*id, (place, Some(body.text.clone())));
            }
            Op::EditMessage { id, body, .. } if alive(id) => {
                self.messages.entry(*id).or_default().1 = Some(body.text.clone());
            }
            Op::DeleteMessage { id, .. } => self.messages.entry(*id).or_default().1 = None,
            Op::AddReaction { message, kind, .. } if alive(message) => {
                self.reactions.insert((*message, kind.clone()));
            }
            Op::RemoveReaction { message, kind, .. } if alive(message) => {
                self.reactions.remove(&(*message, kind.clone()));
            }
            Op::MarkRead { epoch, seq, .. } => self.read = self.read.max((*epoch, *seq)),
            Op::UpdateChannel { name, image, .. } => {
                set(&mut self.fields[0], name.as_ref());
                set(&mut self.fields[1], image.as_ref());
            }
            Op::RemoveMembers { .. } => self.away = true,
            _ => {}
        }
    }

    /// As it is shown: a message that nobody ever saw is as good as one that was deleted at once.
    pub(crate) fn shown(mut self) -> Self {
        self.messages.retain(|_, (_, text)| text.is_some());
        let mut places: Vec<_> = self.messages.values_mut().map(|(place, _)| place).collect();
        places.sort_unstable();
        places
            .into_iter()
            .enumerate()
            .for_each(|(new, place)| *place = new);
        let there = &self.messages;
        self.reactions.retain(|(message, _)| there.contains_key(message));
        self
    }
}

fn set(field: &mut Option<String>, new: Option<&String>) {
    if new.is_some() {
        *field = new.cloned();
    }
}

/// A server somewhere in its history.
pub(crate) fn any_server() -> impl Strategy<Value = Server> {
    proptest::collection::vec(any_op(), 0..6).prop_map(|ops| {
        let first: Vec<Op> = (0..3).map(|number| send(number, None, number)).collect();
        // What the device is about to send is new.
        let earlier = ops.iter().filter(|op| !matches!(op, Op::SendMessage { .. }));
        Server::default().after(&first).after(earlier)
    })
}
