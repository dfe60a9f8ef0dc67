//! Random operations of one channel and the own profile, and a server in miniature that carries them out.

use crate::values::{cid, device, kind, message_id, timestamp, user};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use whimbrel_model::{
    ConsentState, ContactChange, DeviceChange, DeviceId, DraftContent, DraftSeen, Hide, MembershipChange,
    MessageId, MessageKind, Mute, Op, PushToken, ReactionType, SetConsent, SetMute, SetPush, SettingsChange,
    Timestamp, UserId,
};

/// An operation on messages 0 to 5, of which a server may know 0 to 2 already.
pub(crate) fn any_op() -> impl Strategy<Value = Op> {
    (0_u8..36, 0_u64..6, 0_u64..6).prop_map(|(what, a, b)| op(what, a, b))
}

fn op(what: u8, a: u64, b: u64) -> Op {
    let some = |number: u64, text: &str| (number > 1).then(|| format!("{text} {number}"));
    match what {
        0 | 1 => send(3 + a % 3, None, b),
        // A reply is to an older message.
        2 => send(3 + a % 3, Some(b % (3 + a % 3)), a),
        25..=27 => send(3 + a % 3, Some(b % 3), a),
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
            cid: cid(),
            thread: None,
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
        14 => Op::AddMembers {
            cid: cid(),
            users: vec![user(0)],
        },
        28.. => account(what, a, b),
        _ => kept(what, a, b),
    }
}

/// Pins, threads, drafts, and how the channel is kept.
fn kept(what: u8, a: u64, b: u64) -> Op {
    match what {
        15 | 16 => Op::PinMessage {
            cid: cid(),
            id: message_id(a),
            until: (b > 3).then(|| timestamp(b)),
        },
        17 => Op::UnpinMessage {
            cid: cid(),
            id: message_id(a),
        },
        18 | 24 => Op::MarkRead {
            cid: cid(),
            thread: Some(message_id(a % 4)),
            epoch: u32::from(b % 2 == 1),
            seq: b,
        },
        19..=21 => Op::UpdateMembership {
            cid: cid(),
            change: MembershipChange {
                consent: (a == 4).then_some(consent(b)),
                pinned: (!a.is_multiple_of(3)).then_some(a % 3 == 1),
                archived: (!b.is_multiple_of(3)).then_some(b % 3 == 1),
                hidden: [None, Some(Hide::Show), Some(Hide::Until { seq: b })][pick(a)],
                muted: [None, Some(SetMute::Off), Some(SetMute::On(mute(a)))][pick(b)],
            },
        },
        _ => Op::SaveDraft {
            cid: cid(),
            parent: a.is_multiple_of(3).then(|| message_id(a)),
            device: device(0),
            content: (b > 1).then(|| DraftContent::text(format!("draft {b}"))),
            replaces: (1..=a % 3)
                .map(|other| DraftSeen {
                    device: device(other),
                    ver: 1,
                })
                .collect(),
        },
    }
}

/// What the account holds about itself: settings, contacts, devices.
fn account(what: u8, a: u64, b: u64) -> Op {
    match what {
        28 | 29 => Op::UpdateSettings {
            change: SettingsChange {
                invisible: (a != 2).then_some(a > 2),
                status: (b > 2).then(|| format!("status {b}")),
                read_receipts: (b < 2).then_some(b == 1),
                ..SettingsChange::default()
            },
        },
        30 | 31 => Op::UpdateContact {
            user: user(1 + a % 2),
            change: ContactChange {
                consent: (b > 1).then(|| SetConsent {
                    state: consent(b),
                    until: (consent(b) == ConsentState::Denied).then(|| timestamp(a)),
                }),
                muted: (b < 3).then(|| if a > 2 { SetMute::Off } else { SetMute::On(mute(a)) }),
            },
        },
        32 => Op::RegisterDevice {
            device: device(a % 2),
            name: ["", "phone", "laptop"][pick(b)].to_owned(),
            agent: format!("agent {a}"),
            key: None,
        },
        33 | 34 => Op::UpdateDevice {
            device: device(a % 2),
            change: DeviceChange {
                name: (b > 1).then(|| format!("device {b}")),
                push: [None, Some(SetPush::Off), Some(SetPush::On(token(a)))][pick(b)].clone(),
            },
        },
        _ if b > 3 => Op::RevokeDevice {
            device: device(a % 2),
        },
        _ => Op::UpdateDevice {
            device: device(a % 2),
            change: DeviceChange {
                name: None,
                push: Some(SetPush::Gone(token(b))),
            },
        },
    }
}

fn consent(number: u64) -> ConsentState {
    [ConsentState::Unknown, ConsentState::Allowed, ConsentState::Denied][pick(number)]
}

fn token(number: u64) -> PushToken {
    PushToken {
        provider: "test".to_owned(),
        token: format!("token {}", number % 2),
    }
}

fn pick(number: u64) -> usize {
    usize::try_from(number / 2).expect("it fits")
}

fn mute(number: u64) -> Mute {
    Mute {
        until: (number > 2).then(|| timestamp(number)),
    }
}

fn send(number: u64, parent: Option<u64>, text: u64) -> Op {
    Op::SendMessage {
        cid: cid(),
        id: message_id(number),
        kind: MessageKind::Regular,
        silent: false,
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

/// The epoch and the sequence of a read position, and the reply that moved it there, if one did.
type Said = (u32, u64, Option<MessageId>);

/// What one user sees on a server: the owner, as long as they are a member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Server {
    away: bool,
    /// Text, or none once deleted; with the place among the messages.
    messages: BTreeMap<MessageId, (usize, Option<String>)>,
    reactions: BTreeSet<(MessageId, ReactionType)>,
    pins: BTreeMap<MessageId, Option<Timestamp>>,
    /// What was said of each read position; by an own reply in a thread too.
    reads: BTreeMap<Option<MessageId>, BTreeSet<Said>>,
    fields: [Option<String>; 4],
    pub(crate) kept: Kept,
    /// With the version.
    drafts: BTreeMap<(Option<MessageId>, DeviceId), (u64, DraftContent)>,
    settings: SettingsChange,
    contacts: BTreeMap<UserId, ContactChange>,
    devices: BTreeMap<DeviceId, Registered>,
}

/// A device that the account knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Registered {
    name: String,
    agent: String,
    push: Option<PushToken>,
    revoked: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) consent: ConsentState,
    pinned: bool,
    archived: bool,
    hidden: Option<u64>,
    muted: Option<Mute>,
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
        if op.cid().is_none() {
            return self.take_account(op);
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
                // Who writes wants the channel.
                if self.kept.consent == ConsentState::Unknown {
                    self.kept.consent = ConsentState::Allowed;
                }
                if let Op::SendMessage {
                    parent: Some(parent), ..
                } = op
                {
                    let said = self.reads.entry(Some(*parent)).or_default();
                    let epoch = said.last().map_or(0, |(epoch, ..)| *epoch);
                    said.insert((epoch, 100 + place as u64, Some(*id)));
                }
            }
            Op::EditMessage { id, body, .. } if alive(id) => {
                self.messages.entry(*id).or_default().1 = Some(body.text.clone());
            }
            Op::DeleteMessage { id, .. } => {
                self.messages.entry(*id).or_default().1 = None;
                self.pins.remove(id);
            }
            Op::PinMessage { id, until, .. } if alive(id) => drop(self.pins.insert(*id, *until)),
            Op::UnpinMessage { id, .. } => drop(self.pins.remove(id)),
            Op::AddReaction { message, kind, .. } if alive(message) => {
                self.reactions.insert((*message, kind.clone()));
            }
            Op::RemoveReaction { message, kind, .. } if alive(message) => {
                self.reactions.remove(&(*message, kind.clone()));
            }
            Op::MarkRead {
                thread, epoch, seq, ..
            } => {
                self.reads
                    .entry(*thread)
                    .or_default()
                    .insert((*epoch, *seq, None));
            }
            Op::UpdateMembership { change, .. } => self.keep(change),
            Op::SaveDraft { .. } => self.save(op),
            Op::UpdateChannel { name, image, .. } => {
                set(&mut self.fields[0], name.as_ref());
                set(&mut self.fields[1], image.as_ref());
            }
            Op::RemoveMembers { .. } => self.away = true,
            _ => {}
        }
    }

    fn take_account(&mut self, op: &Op) {
        match op {
            Op::UpdateSettings { change } => self.settings = self.settings.clone().then(change.clone()),
            Op::UpdateContact { user, change } => {
                let contact = self.contacts.entry(user.clone()).or_default();
                contact.consent = change.consent.or(contact.consent);
                contact.muted = change.muted.or(contact.muted);
            }
            Op::RegisterDevice {
                device, name, agent, ..
            } => {
                let known = self.devices.entry(*device).or_default();
                if known.revoked {
                    return;
                }
                if known.name.is_empty() {
                    known.name.clone_from(name);
                }
                known.agent.clone_from(agent);
            }
            Op::UpdateDevice { device, change } => {
                let Some(known) = self.devices.get_mut(device).filter(|known| !known.revoked) else {
                    return;
                };
                known.name = change.name.clone().unwrap_or_else(|| known.name.clone());
                match &change.push {
                    Some(SetPush::On(token)) => known.push = Some(token.clone()),
                    Some(SetPush::Gone(token)) if known.push.as_ref() != Some(token) => {}
                    Some(SetPush::Off | SetPush::Gone(_)) => known.push = None,
                    None => {}
                }
            }
            Op::RevokeDevice { device } => {
                let known = self.devices.entry(*device).or_default();
                known.revoked = true;
                known.push = None;
            }
            _ => {}
        }
    }

    fn keep(&mut self, change: &MembershipChange) {
        let kept = &mut self.kept;
        kept.pinned = change.pinned.unwrap_or(kept.pinned);
        kept.archived = change.archived.unwrap_or(kept.archived);
        kept.consent = change.consent.unwrap_or(kept.consent);
        kept.hidden = match change.hidden {
            Some(Hide::Until { seq }) => Some(seq),
            Some(Hide::Show) => None,
            None => kept.hidden,
        };
        kept.muted = match change.muted {
            Some(SetMute::On(mute)) => Some(mute),
            Some(SetMute::Off) => None,
            None => kept.muted,
        };
    }

    fn save(&mut self, op: &Op) {
        let Op::SaveDraft {
            parent,
            device,
            content,
            replaces,
            ..
        } = op
        else {
            return;
        };
        for seen in replaces {
            let slot = (*parent, seen.device);
            if self.drafts.get(&slot).is_some_and(|(ver, _)| *ver == seen.ver) {
                self.drafts.remove(&slot);
            }
        }
        self.drafts.remove(&(*parent, *device));
        let new = content.clone().map(|content| ((*parent, *device), (0, content)));
        self.drafts.extend(new);
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
        for said in self.reads.values_mut() {
            said.retain(|(_, _, reply)| reply.is_none_or(|reply| there.contains_key(&reply)));
            let furthest = said.last().map(|(epoch, seq, reply)| {
                // The place of a reply is that among what is shown.
                let seq = reply.map_or(*seq, |reply| 100 + there[&reply].0 as u64);
                (*epoch, seq, None)
            });
            *said = furthest.into_iter().collect();
        }
        self.reads.retain(|_, said| !said.is_empty());
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
    (proptest::collection::vec(any_op(), 0..6), 1_u64..3).prop_map(|(ops, changed)| {
        let first: Vec<Op> = (0..3).map(|number| send(number, None, number)).collect();
        // What the device is about to send is new.
        let earlier = ops.iter().filter(|op| !matches!(op, Op::SendMessage { .. }));
        let mut server = Server::default().after(&first).after(earlier);
        // Other devices write too. What they wrote once may have changed since this device saw it.
        for (number, ver) in [(1, 1), (2, changed)] {
            let slot = (None, device(number));
            server.drafts.insert(slot, (ver, DraftContent::text("other")));
        }
        server
    })
}
