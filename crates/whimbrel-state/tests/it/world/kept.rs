//! Threads, pins, drafts, and how a channel is kept: what the user does, what other devices of the account do, and what the
//! server makes of it.

use super::{CHANNELS, World, pick};
use crate::disk::{cid, op_id, user};
use proptest::prelude::*;
use whimbrel_model::{
    Change, ChannelId, Delta, DeviceId, Draft, DraftContent, DraftSeen, Hide, MemberState, Membership,
    MembershipChange, Message, MessageId, Mute, Op, Pin, Read, ReadPosition, Role, Row, SetMute, StreamId,
    ThreadSummary, Timestamp,
};

/// One thing that happens. Numbers choose among what there is.
#[derive(Clone, Debug)]
pub(crate) enum Kept {
    /// The user does something; it goes to the outbox.
    MarkThread(u8, u8),
    Pin(u8, bool),
    Keep(u8, u8),
    Draft {
        place: u8,
        text: u8,
        replaces: bool,
    },
    /// Another device of the account does something.
    OtherMarksThread(u8, u8),
    OtherKeeps(u8, u8),
    OtherDrafts {
        place: u8,
        device: bool,
        text: u8,
    },
    /// The device jumps over changes of a channel.
    Jump(u8, u8),
    /// The history of the user's stream is another one.
    Rebase,
    /// It is later, or earlier, than it was.
    Clock(u8),
}

pub(super) fn kept() -> impl Strategy<Value = Kept> {
    prop_oneof![
        3 => any::<(u8, u8)>().prop_map(|(thread, seq)| Kept::MarkThread(thread, seq)),
        2 => any::<(u8, bool)>().prop_map(|(message, on)| Kept::Pin(message, on)),
        4 => any::<(u8, u8)>().prop_map(|(channel, what)| Kept::Keep(channel, what)),
        3 => any::<(u8, u8, bool)>().prop_map(|(place, text, replaces)| Kept::Draft { place, text, replaces }),
        2 => any::<(u8, u8)>().prop_map(|(thread, seq)| Kept::OtherMarksThread(thread, seq)),
        2 => any::<(u8, u8)>().prop_map(|(channel, what)| Kept::OtherKeeps(channel, what)),
        2 => any::<(u8, bool, u8)>().prop_map(|(place, device, text)| Kept::OtherDrafts { place, device, text }),
        1 => any::<(u8, u8)>().prop_map(|(channel, ver)| Kept::Jump(channel, ver)),
        1 => Just(Kept::Rebase),
        2 => any::<u8>().prop_map(Kept::Clock),
    ]
}

/// A message that is silent, or mentions somebody, by its version.
pub(super) fn told(mut message: Message) -> Message {
    message.silent = message.ver.is_multiple_of(7);
    message.body.mention_channel = message.ver.is_multiple_of(11);
    if message.ver.is_multiple_of(3) {
        message.body.mentions = vec![user("ada")];
    }
    message
}

fn device(n: u64) -> DeviceId {
    DeviceId(op_id(10_000 + n).0)
}

fn change(what: u8, head: u64) -> MembershipChange {
    let until = (!what.is_multiple_of(3)).then(|| Timestamp(i64::from(what / 8 % 16)));
    let mut change = MembershipChange::default();
    match what % 8 {
        0 | 1 => change.pinned = Some(what.is_multiple_of(2)),
        2 | 3 => change.archived = Some(what.is_multiple_of(2)),
        4 => change.hidden = Some(Hide::Until { seq: head }),
        5 => change.hidden = Some(Hide::Show),
        6 => change.muted = Some(SetMute::On(Mute { until })),
        _ => change.muted = Some(SetMute::Off),
    }
    change
}

fn content(text: u8) -> Option<DraftContent> {
    (text.is_multiple_of(4)).then(|| DraftContent::text(format!("draft {text}")))
}

impl World {
    fn place(&self, n: u8) -> (ChannelId, Option<MessageId>) {
        let cid = cid(CHANNELS[usize::from(n) % CHANNELS.len()]);
        let thread = self
            .parent(&cid, (n / 16 % 2 == 1).then_some((n, false)), false)
            .0;
        (cid, thread)
    }

    fn some_thread(&self, n: u8) -> Option<(ChannelId, MessageId)> {
        let begun: Vec<_> = self.newest.values().filter(|row| row.thread.is_some()).collect();
        let all: Vec<_> = self.newest.values().collect();
        let one = if n.is_multiple_of(4) {
            pick(&all, n)
        } else {
            pick(&begun, n)
        };
        one.map(|row| (row.cid.clone(), row.id))
    }

    pub(super) fn own_kept(&self, kept: &Kept) -> Option<Op> {
        Some(match kept {
            Kept::MarkThread(n, seq) => {
                let (cid, thread) = self.some_thread(*n)?;
                Op::MarkRead {
                    cid,
                    thread: Some(thread),
                    epoch: u32::from(seq / 32 % 3),
                    seq: u64::from(seq % 32),
                }
            }
            Kept::Pin(n, on) => {
                let (cid, id) = self.some_message(*n)?;
                match on {
                    true => Op::PinMessage {
                        cid,
                        id,
                        until: (n % 3 == 0).then(|| Timestamp(i64::from(n % 16))),
                    },
                    false => Op::UnpinMessage { cid, id },
                }
            }
            Kept::Keep(n, what) => {
                let cid = cid(pick(&CHANNELS, *n)?);
                let summary = self.driver.disk.channel(&user("ada"), &cid);
                let change = change(*what, summary.map_or(0, |summary| summary.head_seq));
                Op::UpdateMembership { cid, change }
            }
            Kept::Draft {
                place,
                text,
                replaces,
            } => {
                let (cid, parent) = self.place(*place);
                let here = self.driver.disk.drafts().into_iter();
                let here = here.filter(|row| *replaces && row.cid == cid && row.parent == parent);
                Op::SaveDraft {
                    device: device(0),
                    content: content(*text),
                    replaces: here
                        .map(|row| DraftSeen {
                            device: row.device,
                            ver: row.ver,
                        })
                        .collect(),
                    cid,
                    parent,
                }
            }
            _ => return None,
        })
    }

    pub(super) fn other_kept(&mut self, kept: &Kept) -> Vec<Delta> {
        match kept {
            Kept::OtherMarksThread(n, seq) => {
                if let Some((cid, thread)) = self.some_thread(*n) {
                    let position = ReadPosition {
                        epoch: u32::from(seq / 32 % 3),
                        seq: u64::from(seq % 32),
                    };
                    self.advance(&cid, Some(thread), position);
                }
            }
            Kept::OtherKeeps(n, what) => {
                let cid = cid(CHANNELS[usize::from(*n) % CHANNELS.len()]);
                let head = self.seqs.get(&cid).copied().unwrap_or(0);
                self.keep(&cid, &change(*what, head));
            }
            Kept::OtherDrafts {
                place,
                device: n,
                text,
            } => {
                let (cid, parent) = self.place(*place);
                self.put_draft((cid, parent), device(1 + u64::from(*n)), content(*text));
            }
            Kept::Jump(n, ver) => {
                let cid = cid(CHANNELS[usize::from(*n) % CHANNELS.len()]);
                let mut ranges = self.driver.disk.ranges.get(&cid).cloned().unwrap_or_default();
                ranges.mark_stale(u64::from(*ver));
                return vec![Change::Ranges(cid, ranges).into()];
            }
            Kept::Rebase => return vec![Change::Rebase(StreamId::User(user("ada"))).into()],
            Kept::Clock(n) => self.driver.set_now(Timestamp(i64::from(n % 20))),
            _ => {}
        }
        Vec::new()
    }

    pub(super) fn accept_kept(&mut self, op: &Op) -> Vec<Row> {
        match op {
            Op::PinMessage { id, until, .. } => self.accept_change(*id, |row| {
                row.pinned = Some(Pin {
                    by: user("ada"),
                    at: Timestamp(i64::try_from(row.ver).unwrap()),
                    until: *until,
                });
            }),
            Op::UnpinMessage { id, .. } => self.accept_change(*id, |row| row.pinned = None),
            Op::UpdateMembership { cid, change } => self.keep(cid, change).into_iter().collect(),
            Op::SaveDraft {
                cid,
                parent,
                device,
                content,
                replaces,
            } => {
                let place = (cid.clone(), *parent);
                let mut rows = Vec::new();
                for seen in replaces.iter().filter(|seen| seen.device != *device) {
                    let slot = self.drafts.get(&(cid.clone(), *parent, seen.device));
                    if slot.is_some_and(|slot| slot.ver == seen.ver) {
                        rows.push(self.put_draft(place.clone(), seen.device, None));
                    }
                }
                rows.push(self.put_draft(place, *device, content.clone()));
                rows
            }
            _ => self.accept_decision(op),
        }
    }

    /// Whether the message that a reply is to has reached the server.
    pub(super) fn has_parent(&self, op: &Op) -> bool {
        match op {
            Op::SendMessage {
                parent: Some(parent), ..
            } => self.newest.contains_key(parent),
            _ => true,
        }
    }

    /// Says on a message what its thread is now.
    pub(super) fn restamp(&mut self, parent: Option<MessageId>) -> Option<Row> {
        let mut message = self.newest.get(&parent?)?.clone();
        let replies = self.newest.values().filter(|row| row.parent == parent);
        let last = replies.clone().max_by_key(|row| row.seq)?;
        message.thread = Some(ThreadSummary {
            replies: u32::try_from(replies.filter(|row| !row.is_deleted()).count()).unwrap(),
            last_seq: last.seq,
            last_at: last.accepted_at?,
        });
        message.ver = self.next();
        Some(self.put_message(message))
    }

    /// Whoever replies has read what is there.
    pub(super) fn follow(&mut self, cid: &ChannelId, parent: Option<MessageId>, seq: u64) -> Option<Row> {
        let known = self.reads.get(&(cid.clone(), Some(parent?)));
        let epoch = known.map_or(0, |row| row.epoch);
        self.advance(cid, parent, ReadPosition { epoch, seq })
    }

    pub(super) fn advance(
        &mut self,
        cid: &ChannelId,
        thread: Option<MessageId>,
        position: ReadPosition,
    ) -> Option<Row> {
        let ver = self.next();
        let new = || Read::new(cid.clone(), user("ada"), thread);
        let row = self.reads.entry((cid.clone(), thread)).or_insert_with(new);
        if !row.advance(position) {
            return None;
        }
        row.ver = ver;
        let row = Row::Read(row.clone());
        self.log.push(row.clone());
        Some(row)
    }

    pub(super) fn put_membership(&mut self, cid: &ChannelId, change: impl FnOnce(&mut Membership)) -> Row {
        let ver = self.next();
        let new = || Membership::new(cid.clone(), user("ada"), Role::Member, MemberState::Gone, 0);
        let row = self.memberships.entry(cid.clone()).or_insert_with(new);
        change(row);
        row.ver = ver;
        let row = Row::Membership(row.clone());
        self.log.push(row.clone());
        row
    }

    fn keep(&mut self, cid: &ChannelId, change: &MembershipChange) -> Option<Row> {
        let mut row = self.memberships.get(cid)?.clone();
        let now = Timestamp(i64::try_from(self.ver).unwrap());
        row.change(change, now)
            .then(|| self.put_membership(cid, |known| *known = row))
    }

    fn put_draft(
        &mut self,
        (cid, parent): (ChannelId, Option<MessageId>),
        device: DeviceId,
        content: Option<DraftContent>,
    ) -> Row {
        let ver = self.next();
        let row = Draft {
            user: user("ada"),
            cid: cid.clone(),
            parent,
            device,
            content,
            updated_at: Timestamp(i64::try_from(ver).unwrap()),
            ver,
        };
        self.drafts.insert((cid, parent, device), row.clone());
        self.log.push(Row::Draft(row.clone()));
        Row::Draft(row)
    }
}
