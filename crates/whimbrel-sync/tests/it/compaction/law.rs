//! What is left of random operations comes to the same as all of them.

use super::{
    delete, device, draft, edit, keep, leave, mark_read, mark_thread_read, pin, profile, queued, rename,
    reply, unpin, unreact,
};
use crate::frames::{cid, message_id, react, send, user};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use whimbrel_model::{
    ConsentState, ContactChange, DeviceChange, DeviceId, Hide, MembershipChange, MessageId, Mute, Op,
    ReactionType, SetConsent, SetMute, SetPush, SettingsChange, Timestamp, UserId,
};

/// A server in miniature: what one user sees after operations in one channel and their own profile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Seen {
    away: bool,
    /// Text, or none once deleted; with the place among the messages.
    messages: BTreeMap<MessageId, (usize, Option<String>)>,
    reactions: BTreeSet<(MessageId, ReactionType)>,
    reads: BTreeMap<Option<MessageId>, (u32, u64)>,
    pins: BTreeMap<MessageId, Option<Timestamp>>,
    kept: MembershipChange,
    /// The text, and the version that others have seen.
    drafts: BTreeMap<(Option<MessageId>, DeviceId), (String, u64)>,
    fields: [Option<String>; 4],
    /// What was written while nothing was decided of the channel: that allows it.
    written: BTreeSet<MessageId>,
    settings: SettingsChange,
    contacts: BTreeMap<UserId, ContactChange>,
    /// The name and the software of each, unless it was revoked.
    devices: BTreeMap<DeviceId, Option<(String, String)>>,
}

impl Seen {
    /// A channel with messages 0 to 2, of which 0 has a reaction already.
    fn before() -> Self {
        let messages = (0..3).map(|number| (message_id(number), (0, Some("old".to_owned()))));
        Self {
            messages: messages.collect(),
            reactions: [(message_id(0), "like".try_into().expect("it is valid"))].into(),
            pins: [(message_id(0), None)].into(),
            // One is as this device saw it, one is not any more.
            drafts: [(1, 1), (2, 2)]
                .map(|(number, ver)| ((None, device(number)), ("other".to_owned(), ver)))
                .into(),
            ..Self::default()
        }
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
        if let Op::AddMembers { .. } = op {
            self.away = false;
        }
        if self.away || op.needs_messages().any(|id| !self.messages.contains_key(&id)) {
            return;
        }
        let alive = |id: &MessageId| self.messages.get(id).is_some_and(|(_, text)| text.is_some());
        match op {
            Op::SendMessage { id, body, .. } => {
                let place = self.messages.len();
                self.messages.insert(*id, (place, Some(body.text.clone())));
                // Who writes wants the channel.
                if self.kept.consent.unwrap_or_default() == ConsentState::Unknown {
                    self.written.insert(*id);
                }
            }
            Op::EditMessage { id, body, .. } if alive(id) => {
                self.messages.entry(*id).or_default().1 = Some(body.text.clone());
            }
            Op::DeleteMessage { id, .. } => {
                self.messages.entry(*id).or_default().1 = None;
                self.reactions.retain(|(message, _)| message != id);
                self.pins.remove(id);
            }
            Op::PinMessage { id, until, .. } if alive(id) => drop(self.pins.insert(*id, *until)),
            Op::UnpinMessage { id, .. } => drop(self.pins.remove(id)),
            Op::UpdateMembership { change, .. } => {
                self.kept = self.kept.then(*change);
                if change.consent.is_some() {
                    self.written.clear();
                }
            }
            Op::SaveDraft { .. } => self.save(op),
            Op::AddReaction { message, kind, .. } if alive(message) => {
                self.reactions.insert((*message, kind.clone()));
            }
            Op::RemoveReaction { message, kind, .. } => {
                self.reactions.remove(&(*message, kind.clone()));
            }
            Op::MarkRead {
                thread, epoch, seq, ..
            } => {
                let known = self.reads.entry(*thread).or_default();
                *known = (*known).max((*epoch, *seq));
            }
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
                *contact = contact.then(*change);
            }
            Op::RegisterDevice {
                device, name, agent, ..
            } => {
                let known = self
                    .devices
                    .entry(*device)
                    .or_insert_with(|| Some(Default::default()));
                if let Some((known, software)) = known {
                    if known.is_empty() {
                        known.clone_from(name);
                    }
                    software.clone_from(agent);
                }
            }
            Op::UpdateDevice { device, change } => {
                if let (Some(Some((known, _))), Some(name)) = (self.devices.get_mut(device), &change.name) {
                    known.clone_from(name);
                }
            }
            Op::RevokeDevice { device } => drop(self.devices.insert(*device, None)),
            _ => {}
        }
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
            if self.drafts.get(&slot).is_some_and(|(_, ver)| *ver == seen.ver) {
                self.drafts.remove(&slot);
            }
        }
        self.drafts.remove(&(*parent, *device));
        let text = content.iter().map(|content| content.body.text.clone());
        self.drafts
            .extend(text.map(|text| ((*parent, *device), (text, 0))));
    }

    /// A message that nobody ever saw is as good as one that was deleted at once.
    fn shown(mut self) -> Self {
        self.messages.retain(|_, (_, text)| text.is_some());
        let there = &self.messages;
        self.written.retain(|id| there.contains_key(id));
        if !self.written.is_empty() {
            self.kept.consent = Some(ConsentState::Allowed);
            self.written.clear();
        }
        self.reads
            .retain(|thread, _| thread.is_none_or(|id| there.contains_key(&id)));
        let mut places: Vec<(usize, MessageId)> = self
            .messages
            .iter()
            .map(|(id, (place, _))| (*place, *id))
            .collect();
        places.sort_unstable();
        for (place, (_, id)) in places.into_iter().enumerate() {
            self.messages.entry(id).or_default().0 = place;
        }
        self
    }
}

fn set(field: &mut Option<String>, new: Option<&String>) {
    if new.is_some() {
        *field = new.cloned();
    }
}

fn any_op() -> impl Strategy<Value = Op> {
    (0_u8..34, 0_u64..6, 0_u64..6).prop_map(|(what, a, b)| match what {
        0..=2 => send("general", a + 3),
        3 => reply(a + 10, b, a.is_multiple_of(2)),
        4..=6 => edit(a, &format!("text {b}")),
        7..=8 => delete(a),
        9 => react("general", a),
        10 => unreact(a),
        11 => mark_read(u32::from(b == 5), a),
        12 => rename((a > 2).then_some("name"), (b > 2).then_some("image")),
        13 => profile((a > 2).then_some("name"), (b > 2).then_some("image")),
        14 => leave(),
        15..=16 => pin(a, (b > 2).then_some(9)),
        17 => unpin(a),
        18 => mark_thread_read(a, u32::from(b > 3), b),
        19..=21 => keep(MembershipChange {
            pinned: (a > 2).then_some(a == 3),
            archived: (b > 2).then_some(b == 3),
            hidden: (a < 2).then_some([Hide::Show, Hide::Until { seq: b }][usize::from(a == 1)]),
            muted: (b < 3).then_some([SetMute::Off, SetMute::On(Mute { until: None })][usize::from(b > 0)]),
            consent: (a == 4).then_some([ConsentState::Denied, ConsentState::Unknown][usize::from(b > 2)]),
        }),
        22..=24 => draft(
            (a == 5).then_some(0),
            ["", "a", "b"][usize::from(b > 0) + usize::from(b > 3)],
            [&[][..], &[1], &[2], &[1, 2]][usize::try_from(a % 4).expect("it fits")],
        ),
        26.. => account(what, a, b),
        _ => Op::AddMembers {
            cid: cid("general"),
            users: vec![user("ada")],
        },
    })
}

/// What the account holds about itself.
fn account(what: u8, a: u64, b: u64) -> Op {
    match what {
        26 | 27 => Op::UpdateSettings {
            change: SettingsChange {
                invisible: (a != 2).then_some(a > 2),
                status: (b > 2).then(|| format!("status {b}")),
                device_receipts: (a == 2).then_some(b > 2),
                ..SettingsChange::default()
            },
        },
        28 | 29 => Op::UpdateContact {
            user: user(["bob", "cyd"][usize::from(a > 2)]),
            change: ContactChange {
                consent: (b > 1).then_some(SetConsent {
                    state: [ConsentState::Allowed, ConsentState::Denied][usize::from(b > 3)],
                    until: None,
                }),
                muted: (b < 3)
                    .then_some([SetMute::Off, SetMute::On(Mute { until: None })][usize::from(a > 1)]),
            },
        },
        30 | 31 => Op::RegisterDevice {
            device: device(1 + a % 2),
            name: ["", "phone"][usize::from(b > 2)].to_owned(),
            agent: format!("agent {b}"),
            key: None,
        },
        _ if b == 5 => Op::RevokeDevice {
            device: device(1 + a % 2),
        },
        _ => Op::UpdateDevice {
            device: device(1 + a % 2),
            change: DeviceChange {
                name: Some(format!("device {b}")),
                push: (a > 3).then_some(SetPush::Off),
            },
        },
    }
}

/// An id is given to one message only, and nobody refers to a message that is not shown any more.
fn sensible(mut made: Vec<Op>) -> Vec<Op> {
    let (mut known, mut deleted) = (BTreeSet::new(), BTreeSet::new());
    made.retain(|op| match op {
        Op::SendMessage { id, .. } => {
            !op.needs_messages().any(|needed| deleted.contains(&needed)) && known.insert(*id)
        }
        Op::DeleteMessage { id, .. } => {
            deleted.insert(*id);
            true
        }
        _ => true,
    });
    made
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_left_comes_to_the_same_as_everything(made in proptest::collection::vec(any_op(), 1..25)) {
        let made = sensible(made);
        let (mut all, mut less) = (Seen::before(), Seen::before());
        made.iter().for_each(|op| all.take(op));
        queued(made).iter().for_each(|op| less.take(op));
        prop_assert_eq!(less.shown(), all.shown());
    }
}
