//! What the devices promised, and what follows from it for the files.

use crate::check::{Expected, Promise, Reacted, Unsure};
use std::collections::{BTreeMap, BTreeSet};
use whimbrel_model::{ChannelId, MessageId, ReactionType, UserId};

/// What a device is told to do, as far as it leaves a trace.
#[derive(Clone, Debug)]
pub(super) enum Act {
    Send {
        text: String,
        parent: Option<MessageId>,
    },
    Edit {
        id: MessageId,
        text: String,
    },
    Delete {
        id: MessageId,
    },
    React {
        id: MessageId,
        kind: ReactionType,
        there: bool,
    },
    Create,
    Add {
        user: UserId,
    },
    Remove {
        user: UserId,
    },
    Read,
    Pin {
        id: MessageId,
        pinned: bool,
    },
    ReadThread {
        parent: MessageId,
    },
}

/// Whether a device has said that an act is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// It has, and this is the message that it sent, if it did.
    Done(Option<MessageId>),
    /// It died before it said anything, or said that it failed.
    Nothing,
}

/// Who acts, and where.
#[derive(Clone, Copy, Debug)]
pub(super) struct Actor<'a> {
    pub(super) device: &'a str,
    pub(super) user: &'a UserId,
    pub(super) cid: &'a ChannelId,
}

/// One value that a device wrote.
#[derive(Clone, Debug)]
struct Write<T> {
    device: String,
    value: T,
    certain: bool,
}

/// A message that was promised.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) id: MessageId,
    pub(super) cid: ChannelId,
    pub(super) author: UserId,
    pub(super) device: String,
    pub(super) is_reply: bool,
    text: String,
    edits: Vec<Write<String>>,
    deletions: Vec<Write<()>>,
}

/// A channel that was promised.
#[derive(Clone, Debug)]
pub(super) struct Made {
    pub(super) cid: ChannelId,
    pub(super) owner: UserId,
    pub(super) device: String,
}

type ReactionKey = (ChannelId, MessageId, UserId, ReactionType);

/// Everything that was promised in a round.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    messages: Vec<Sent>,
    channels: Vec<Made>,
    unsure: Vec<Unsure>,
    reactions: BTreeMap<ReactionKey, Vec<Write<bool>>>,
    refusable: BTreeSet<(ChannelId, UserId)>,
}

impl Ledger {
    pub(super) fn messages(&self) -> &[Sent] {
        &self.messages
    }

    pub(super) fn channels(&self) -> &[Made] {
        &self.channels
    }

    /// Writes down what became of an act.
    pub(super) fn record(&mut self, actor: Actor<'_>, act: Act, said: Said) {
        let certain = said != Said::Nothing;
        let cid = actor.cid.clone();
        match (act, said) {
            (Act::Send { text, parent }, Said::Done(Some(id))) => self.messages.push(Sent {
                id,
                cid,
                author: actor.user.clone(),
                device: actor.device.to_owned(),
                is_reply: parent.is_some(),
                text,
                edits: Vec::new(),
                deletions: Vec::new(),
            }),
            (Act::Send { text, .. }, _) => self.unsure.push(Unsure {
                cid,
                author: actor.user.clone(),
                text,
            }),
            (Act::Edit { id, text }, _) => {
                if let Some(sent) = self.message_mut(id) {
                    sent.edits.push(write(actor, text, certain));
                }
            }
            (Act::Delete { id }, _) => {
                if let Some(sent) = self.message_mut(id) {
                    sent.deletions.push(write(actor, (), certain));
                }
            }
            (Act::React { id, kind, there }, _) => {
                let writes = self.reactions.entry((cid, id, actor.user.clone(), kind));
                writes.or_default().push(write(actor, there, certain));
            }
            (Act::Create, Said::Done(_)) => self.channels.push(Made {
                cid,
                owner: actor.user.clone(),
                device: actor.device.to_owned(),
            }),
            // Whoever may be gone for a while may be refused, before and after.
            (Act::Remove { user }, _) => drop(self.refusable.insert((cid, user))),
            // What comes of these is that the server and every device have the same.
            (Act::Pin { .. } | Act::ReadThread { .. } | Act::Add { .. } | Act::Read, _)
            | (Act::Create, Said::Nothing) => {}
        }
    }

    fn message_mut(&mut self, id: MessageId) -> Option<&mut Sent> {
        self.messages.iter_mut().find(|sent| sent.id == id)
    }

    /// Returns what has to be in the files.
    pub(super) fn expected(&self) -> Expected {
        let may_be_refused =
            |cid: &ChannelId, user: &UserId| self.refusable.contains(&(cid.clone(), user.clone()));
        let promise = |sent: &Sent| Promise {
            id: sent.id,
            cid: sent.cid.clone(),
            author: sent.author.clone(),
            device: sent.device.clone(),
            texts: sent.texts(may_be_refused(&sent.cid, &sent.author)),
        };
        // What is said about a deleted message changes nothing, and any device may delete first.
        let may_be_deleted = |id: MessageId| {
            let sent = self.messages.iter().find(|sent| sent.id == id);
            sent.is_some_and(|sent| !sent.deletions.is_empty())
        };
        let reacted = |((cid, message, user, kind), writes): (&ReactionKey, &Vec<Write<bool>>)| {
            if may_be_deleted(*message) {
                return None;
            }
            let values = outcomes(&false, writes, may_be_refused(cid, user));
            let [there] = values[..] else { return None };
            Some(Reacted {
                message: *message,
                user: user.clone(),
                kind: kind.clone(),
                there,
            })
        };
        Expected {
            promises: self.messages.iter().map(promise).collect(),
            unsure: self.unsure.clone(),
            channels: self.channels.iter().map(|made| made.cid.clone()).collect(),
            reactions: self.reactions.iter().filter_map(reacted).collect(),
            refusable: self.refusable.clone(),
        }
    }
}

impl Sent {
    fn texts(&self, may_be_refused: bool) -> Vec<Option<String>> {
        // A deletion is for ever.
        if !may_be_refused && self.deletions.iter().any(|write| write.certain) {
            return vec![None];
        }
        let mut texts: Vec<_> = outcomes(&self.text, &self.edits, may_be_refused)
            .into_iter()
            .map(Some)
            .collect();
        if !self.deletions.is_empty() {
            texts.push(None);
        }
        texts
    }
}

fn write<T>(actor: Actor<'_>, value: T, certain: bool) -> Write<T> {
    Write {
        device: actor.device.to_owned(),
        value,
        certain,
    }
}

/// Returns the values that can be left by `writes` to what was `first`, each once.
///
/// A device's writes arrive in its order, those of several devices in any. A write that is not certain may not have
/// happened; with `may_be_refused`, none is certain.
fn outcomes<T: Clone + PartialEq>(first: &T, writes: &[Write<T>], may_be_refused: bool) -> Vec<T> {
    let certain = |write: &Write<T>| write.certain && !may_be_refused;
    let mut values = Vec::new();
    if !writes.iter().any(certain) {
        values.push(first.clone());
    }
    for (at, write) in writes.iter().enumerate() {
        let mut later = writes[at + 1..].iter();
        let replaced = later.any(|later| later.device == write.device && certain(later));
        if !replaced && !values.contains(&write.value) {
            values.push(write.value.clone());
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::{Write, outcomes};

    fn write(device: &str, value: char, certain: bool) -> Write<char> {
        Write {
            device: device.to_owned(),
            value,
            certain,
        }
    }

    #[test]
    fn the_last_certain_write_of_each_device_and_what_is_unsure_after_it_can_be_left() {
        assert_eq!(outcomes(&'-', &[], false), ['-']);
        let writes = [write("a", '1', true), write("a", '2', true)];
        assert_eq!(outcomes(&'-', &writes, false), ['2']);
        let writes = [write("a", '1', true), write("a", '2', false)];
        assert_eq!(outcomes(&'-', &writes, false), ['1', '2']);
        let writes = [write("a", '1', false), write("a", '2', true)];
        assert_eq!(outcomes(&'-', &writes, false), ['2']);
        let writes = [write("a", '1', false)];
        assert_eq!(outcomes(&'-', &writes, false), ['-', '1']);
    }

    #[test]
    fn two_devices_can_come_in_any_order_and_a_refused_one_not_at_all() {
        let writes = [write("a", '1', true), write("b", '2', true)];
        assert_eq!(outcomes(&'-', &writes, false), ['1', '2']);
        let writes = [write("a", '1', true), write("a", '2', true)];
        assert_eq!(outcomes(&'-', &writes, true), ['-', '1', '2']);
    }
}
