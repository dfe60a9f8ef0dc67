//! A server, someone who uses the device, others, and a network that delivers in any order.

mod kept;
mod people;
mod receipts;

pub(crate) use kept::Kept;
pub(crate) use people::Decision;
pub(crate) use receipts::{Other, other};

use crate::{
    disk::{accepted, channel, cid, member, message, message_id, queued, rebase, rows, user},
    driver::Driver,
};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use whimbrel_model::{
    AccountKey, AccountRow, Change, ChannelId, Code, ConsentState, Custom, Delta, DeviceId, Draft,
    MemberState, Membership, Message, MessageBody, MessageId, Op, OutboxStatus, Reaction, ReactionType, Read,
    Rejection, Row, RowKey, Timestamp, UserId,
};

/// One thing that happens. Numbers choose among what there is.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    /// The user does something; it goes to the outbox.
    Send {
        channel: u8,
        thread: Option<(u8, bool)>,
    },
    Edit(u8),
    Delete(u8),
    React {
        message: u8,
        add: bool,
    },
    MarkRead(u8, u8),
    Rename(u8),
    Create(u8),
    Leave(u8),
    /// The server decides on one operation. The row may come in a delta of its own, before the answer.
    Accept {
        op: u8,
        row_first: bool,
    },
    Reject(u8),
    Discard(u8),
    /// Someone else does something on the server; nothing has come in yet.
    RemoteSend {
        channel: u8,
        thread: Option<(u8, bool)>,
        burst: u8,
    },
    RemoteEdit(u8),
    RemoteDelete(u8),
    RemoteReact {
        message: u8,
        add: bool,
    },
    RemoteJoin(u8),
    /// Somebody else comes, goes, reads or gets messages.
    Other {
        channel: u8,
        who: u8,
        what: Other,
    },
    /// Some of the rows that the server ever had come in, the newest or older copies, in some order.
    Deliver {
        from: u8,
        step: u8,
        count: u8,
    },
    /// Everything comes in.
    CatchUp,
    Cover {
        channel: u8,
        lo: u8,
        len: u8,
    },
    Rebase(u8),
    Extend(u8),
    /// Threads, pins, drafts, and how a channel is kept.
    Kept(Kept),
    /// Who may reach the account, and invitations.
    Decide(Decision),
}

fn thread() -> impl Strategy<Value = Option<(u8, bool)>> {
    prop_oneof![3 => Just(None), 1 => any::<(u8, bool)>().prop_map(Some)]
}

pub(crate) fn action(burst: std::ops::RangeInclusive<u8>) -> impl Strategy<Value = Action> {
    let own = prop_oneof![
        6 => (any::<u8>(), thread()).prop_map(|(channel, thread)| Action::Send { channel, thread }),
        2 => any::<u8>().prop_map(Action::Edit),
        2 => any::<u8>().prop_map(Action::Delete),
        2 => any::<(u8, bool)>().prop_map(|(message, add)| Action::React { message, add }),
        1 => any::<(u8, u8)>().prop_map(|(channel, seq)| Action::MarkRead(channel, seq)),
        1 => any::<u8>().prop_map(Action::Rename),
        1 => any::<u8>().prop_map(Action::Create),
        1 => any::<u8>().prop_map(Action::Leave),
    ];
    let answer = prop_oneof![
        6 => any::<(u8, bool)>().prop_map(|(op, row_first)| Action::Accept { op, row_first }),
        2 => any::<u8>().prop_map(Action::Reject),
        1 => any::<u8>().prop_map(Action::Discard),
    ];
    let remote = prop_oneof![
        6 => (any::<u8>(), thread(), burst)
            .prop_map(|(channel, thread, burst)| Action::RemoteSend { channel, thread, burst }),
        2 => any::<u8>().prop_map(Action::RemoteEdit),
        1 => any::<u8>().prop_map(Action::RemoteDelete),
        3 => any::<(u8, bool)>().prop_map(|(message, add)| Action::RemoteReact { message, add }),
        1 => any::<u8>().prop_map(Action::RemoteJoin),
        6 => (any::<(u8, u8)>(), other())
            .prop_map(|((channel, who), what)| Action::Other { channel, who, what }),
    ];
    let arrival = prop_oneof![
        6 => any::<(u8, u8, u8)>().prop_map(|(from, step, count)| Action::Deliver { from, step, count }),
        2 => Just(Action::CatchUp),
        2 => any::<(u8, u8, u8)>().prop_map(|(channel, lo, len)| Action::Cover { channel, lo, len }),
        2 => any::<u8>().prop_map(Action::Extend),
    ];
    let kept = kept::kept().prop_map(Action::Kept);
    let decide = people::decision().prop_map(Action::Decide);
    prop_oneof![
        8 => own,
        6 => answer,
        8 => remote,
        8 => arrival,
        8 => kept,
        6 => decide,
        1 => any::<u8>().prop_map(Action::Rebase),
    ]
}

const CHANNELS: [&str; 3] = ["a", "b", "c"];

fn pick<T>(of: &[T], n: u8) -> Option<&T> {
    of.get(usize::from(n) % of.len().max(1))
}

/// A server, a device that reads from it, and the laws.
pub(crate) struct World {
    pub(crate) driver: Driver,
    /// Every copy of every row that the server ever had, oldest first.
    log: Vec<Row>,
    pub(crate) newest: BTreeMap<MessageId, Message>,
    seqs: BTreeMap<ChannelId, u64>,
    reads: BTreeMap<(ChannelId, Option<MessageId>), Read>,
    memberships: BTreeMap<ChannelId, Membership>,
    drafts: BTreeMap<(ChannelId, Option<MessageId>, DeviceId), Draft>,
    /// What the account keeps about itself.
    account: BTreeMap<AccountKey, AccountRow>,
    /// How much of the log was told of by [`World::news`].
    told: usize,
    /// Those of others.
    others: BTreeMap<RowKey, Row>,
    ver: u64,
    pos: u64,
    /// Own messages that have to be shown, exactly once.
    pub(crate) alive: BTreeSet<MessageId>,
}

impl World {
    pub(crate) fn new(history: u8) -> Self {
        Self::with_window(history, 500)
    }

    pub(crate) fn with_window(history: u8, kept: usize) -> Self {
        let mut world = Self {
            driver: Driver::with_window(kept),
            log: Vec::new(),
            newest: BTreeMap::new(),
            seqs: BTreeMap::new(),
            reads: BTreeMap::new(),
            memberships: BTreeMap::new(),
            drafts: BTreeMap::new(),
            account: BTreeMap::new(),
            told: 0,
            others: BTreeMap::new(),
            ver: 0,
            pos: 0,
            alive: BTreeSet::new(),
        };
        for name in CHANNELS {
            world.ver += 1;
            world.log.push(channel(&cid(name), name, world.ver));
            world.put_membership(&cid(name), |row| row.state = MemberState::Active);
        }
        for _ in 0..history {
            world.remote_send(&cid("a"), None);
        }
        let delta = rows(world.log.iter().cloned());
        world.driver.commit(delta);
        world
    }

    /// What the server has that was not told of, in order.
    pub(crate) fn news(&mut self) -> Vec<Row> {
        let from = std::mem::replace(&mut self.told, self.log.len());
        self.log[from..].to_vec()
    }

    fn next(&mut self) -> u64 {
        self.ver += 1;
        self.ver
    }

    fn put_message(&mut self, message: Message) -> Row {
        self.newest.insert(message.id, message.clone());
        self.log.push(Row::Message(message.clone()));
        Row::Message(message)
    }

    fn next_seq(&mut self, cid: &ChannelId) -> u64 {
        let seq = self.seqs.entry(cid.clone()).or_default();
        *seq += 1;
        *seq
    }

    fn remote_send(&mut self, cid: &ChannelId, thread: Option<(u8, bool)>) {
        let (seq, ver) = (self.next_seq(cid), self.next());
        let (parent, show_in_channel) = self.parent(cid, thread, false);
        let author = user(["bob", "carol"][usize::from(ver.is_multiple_of(3))]);
        let message = Message {
            author,
            parent,
            show_in_channel,
            ..message(1_000_000 + ver, cid, seq, ver)
        };
        self.put_message(kept::told(message));
        self.restamp(parent);
    }

    /// Some message to reply to; also one that waits.
    fn parent(&self, cid: &ChannelId, thread: Option<(u8, bool)>, waits: bool) -> (Option<MessageId>, bool) {
        let Some((n, show)) = thread else {
            return (None, false);
        };
        let here = self.newest.values().filter(|message| message.cid == *cid);
        let outbox = self.driver.disk.outbox.values().filter(|_| waits);
        let waiting = outbox.filter_map(|item| match &item.op {
            Op::SendMessage { cid: of, id, .. } if of == cid => Some(*id),
            _ => None,
        });
        let here: Vec<_> = here.map(|message| message.id).chain(waiting).collect();
        match pick(&here, n) {
            Some(parent) => (Some(*parent), show),
            None => (None, false),
        }
    }

    /// Some message of the server or of the outbox.
    fn some_message(&self, n: u8) -> Option<(ChannelId, MessageId)> {
        let sends = self
            .driver
            .disk
            .outbox
            .values()
            .filter_map(|item| match &item.op {
                Op::SendMessage { cid, id, .. } => Some((cid.clone(), *id)),
                _ => None,
            });
        let all: Vec<_> = self
            .newest
            .values()
            .map(|row| (row.cid.clone(), row.id))
            .chain(sends)
            .collect();
        pick(&all, n).cloned()
    }

    fn change(&mut self, n: u8, change: impl FnOnce(&mut Message)) {
        let all: Vec<_> = self
            .newest
            .values()
            .filter(|row| !row.is_deleted())
            .cloned()
            .collect();
        if let Some(mut message) = pick(&all, n).cloned() {
            message.ver = self.next();
            change(&mut message);
            let parent = message.parent;
            self.put_message(message);
            self.restamp(parent);
        }
    }

    fn reaction(&mut self, cid: ChannelId, message: MessageId, user: UserId, removed: bool) -> Row {
        let row = Row::Reaction(Reaction {
            cid,
            message,
            user,
            kind: ReactionType::new("like").unwrap(),
            removed,
            at: Timestamp(0),
            ver: self.next(),
        });
        self.log.push(row.clone());
        row
    }

    /// What the server makes of an operation: the rows of its answer.
    fn accept(&mut self, op: &Op) -> Vec<Row> {
        match op {
            Op::SendMessage { cid, id, .. } if !self.newest.contains_key(id) => {
                let (seq, ver) = (self.next_seq(cid), self.next());
                let message = accepted(op, seq, ver);
                let parent = message.parent;
                let mut rows = vec![self.put_message(message)];
                rows.extend(self.restamp(parent));
                rows.extend(self.follow(cid, parent, seq));
                rows.extend(self.allow_by_writing(cid));
                rows
            }
            Op::EditMessage { id, body, .. } => self.accept_change(*id, |row| row.body = body.clone()),
            Op::DeleteMessage { id, .. } => self.accept_change(*id, |row| {
                row.body = MessageBody::default();
                row.deleted_at = Some(Timestamp(0));
                row.pinned = None;
            }),
            Op::AddReaction { cid, message, .. } if self.newest.contains_key(message) => {
                vec![self.reaction(cid.clone(), *message, user("ada"), false)]
            }
            Op::RemoveReaction { cid, message, .. } if self.newest.contains_key(message) => {
                vec![self.reaction(cid.clone(), *message, user("ada"), true)]
            }
            Op::MarkRead { cid, thread, .. } => {
                let position = op.read_position().unwrap();
                self.advance(cid, *thread, position).into_iter().collect()
            }
            Op::UpdateChannel { cid, name, .. } => {
                vec![channel(cid, name.as_deref().unwrap_or_default(), self.next())]
            }
            Op::CreateChannel { cid, name, .. } => {
                let ver = self.next();
                vec![
                    channel(cid, name, ver),
                    member(cid, "ada", ver),
                    self.put_membership(cid, |row| {
                        row.state = MemberState::Active;
                        row.consent = ConsentState::Allowed;
                    }),
                ]
            }
            Op::RemoveMembers { cid, .. } => {
                vec![self.put_membership(cid, |row| {
                    row.state = MemberState::Gone;
                    row.invite = None;
                })]
            }
            _ => self.accept_kept(op),
        }
    }

    fn accept_change(&mut self, id: MessageId, change: impl FnOnce(&mut Message)) -> Vec<Row> {
        let Some(mut message) = self.newest.get(&id).cloned() else {
            return Vec::new();
        };
        if message.is_deleted() {
            return Vec::new();
        }
        message.ver = self.next();
        change(&mut message);
        let parent = message.parent;
        let mut rows = vec![self.put_message(message)];
        rows.extend(self.restamp(parent));
        rows
    }

    fn queue(&mut self, op: Op) -> Delta {
        self.pos += 1;
        if let Op::SendMessage { id, .. } = &op {
            self.alive.insert(*id);
        }
        if let Op::DeleteMessage { id, .. } = &op {
            self.alive.remove(id);
        }
        Change::Outbox(queued(self.pos, op)).into()
    }

    /// Returns the deltas that an action leads to.
    pub(crate) fn act(&mut self, action: &Action) -> Vec<Delta> {
        match self.own(action).or_else(|| self.own_in_channel(action)) {
            Some(op) => vec![self.queue(op)],
            None => self.answer(action),
        }
    }

    /// What the user does with a message.
    fn own(&self, action: &Action) -> Option<Op> {
        let like = || ReactionType::new("like").unwrap();
        Some(match action {
            Action::Send { channel, thread } => {
                let cid = cid(pick(&CHANNELS, *channel)?);
                let (parent, show_in_channel) = self.parent(&cid, *thread, true);
                Op::SendMessage {
                    kind: whimbrel_model::MessageKind::Regular,
                    silent: false,
                    cid,
                    id: message_id(self.pos + 1),
                    body: MessageBody::text("own"),
                    parent,
                    show_in_channel,
                    quoted: None,
                }
            }
            Action::Edit(n) => {
                let (cid, id) = self.some_message(*n)?;
                let body = MessageBody::text(format!("edit {}", self.pos));
                let base_revision = 0;
                Op::EditMessage {
                    cid,
                    id,
                    body,
                    base_revision,
                }
            }
            Action::Delete(n) => {
                let (cid, id) = self.some_message(*n)?;
                Op::DeleteMessage { cid, id }
            }
            Action::React { message, add } => {
                let ((cid, message), kind) = (self.some_message(*message)?, like());
                match add {
                    true => Op::AddReaction { cid, message, kind },
                    false => Op::RemoveReaction { cid, message, kind },
                }
            }
            _ => return None,
        })
    }

    /// What the user does with a channel.
    fn own_in_channel(&self, action: &Action) -> Option<Op> {
        let one = |n: &u8| Some(cid(pick(&CHANNELS, *n)?));
        Some(match action {
            Action::MarkRead(n, seq) => Op::MarkRead {
                thread: None,
                cid: one(n)?,
                epoch: u32::from(*seq / 16 % 3),
                seq: u64::from(*seq % 16),
            },
            Action::Rename(n) => Op::UpdateChannel {
                cid: one(n)?,
                name: Some(format!("name {}", self.pos)),
                image: None,
                custom: None,
            },
            Action::Create(n) => Op::CreateChannel {
                cid: cid(&format!("new{}", n % 4)),
                name: "new".to_owned(),
                image: String::new(),
                custom: Custom::default(),
                members: vec![user("bob")],
            },
            Action::Leave(n) => Op::RemoveMembers {
                cid: one(n)?,
                users: vec![user("ada")],
            },
            Action::Kept(kept) => self.own_kept(kept)?,
            Action::Decide(decision) => self.own_decision(decision)?,
            _ => return None,
        })
    }

    fn answer(&mut self, action: &Action) -> Vec<Delta> {
        let items: Vec<_> = self.driver.disk.outbox.values().cloned().collect();
        match action {
            Action::Accept { op, row_first } => {
                let waiting = items.iter().filter(|item| item.rejection().is_none());
                let waiting: Vec<_> = waiting.filter(|item| self.has_parent(&item.op)).collect();
                let Some(item) = pick(&waiting, *op) else {
                    return Vec::new();
                };
                let mut row = rows(self.accept(&item.op));
                if *row_first {
                    return vec![row, Change::OutboxRemoved(item.id).into()];
                }
                row.push(Change::OutboxRemoved(item.id));
                vec![row]
            }
            Action::Reject(n) => {
                let Some(mut item) = pick(&items, *n).cloned() else {
                    return Vec::new();
                };
                if matches!(&item.op, Op::SendMessage { id, .. } if self.newest.contains_key(id)) {
                    return Vec::new();
                }
                let (code, message, parent) = (Code::Forbidden, "no".to_owned(), None);
                item.status = OutboxStatus::Rejected(Rejection {
                    code,
                    message,
                    parent,
                });
                vec![Change::Outbox(item).into()]
            }
            Action::Discard(n) => {
                let Some(item) = pick(&items, *n) else {
                    return Vec::new();
                };
                if let Op::SendMessage { id, .. } = &item.op {
                    self.alive.remove(id);
                }
                vec![Change::OutboxRemoved(item.id).into()]
            }
            _ => self.remote(action),
        }
    }

    fn remote(&mut self, action: &Action) -> Vec<Delta> {
        match action {
            Action::RemoteSend {
                channel,
                thread,
                burst,
            } => {
                let cid = cid(pick(&CHANNELS, *channel).unwrap());
                (0..*burst).for_each(|_| self.remote_send(&cid, *thread));
            }
            Action::RemoteEdit(n) => {
                let text = format!("edited {}", self.ver);
                self.change(*n, |row| row.body = MessageBody::text(text));
            }
            Action::RemoteDelete(n) => self.change(*n, |row| row.deleted_at = Some(Timestamp(0))),
            Action::RemoteReact { message, add } => {
                let all: Vec<_> = self
                    .newest
                    .values()
                    .map(|row| (row.cid.clone(), row.id))
                    .collect();
                if let Some((cid, message)) = pick(&all, *message).cloned() {
                    self.reaction(cid, message, user("bob"), !add);
                }
            }
            Action::RemoteJoin(n) => {
                let row = member(&cid(pick(&CHANNELS, *n).unwrap()), "bob", self.next());
                self.log.push(row);
            }
            Action::Other { channel, who, what } => self.other(*channel, *who, *what),
            Action::Decide(decision) => self.other_decision(decision),
            _ => return self.arrive(action),
        }
        Vec::new()
    }

    fn arrive(&mut self, action: &Action) -> Vec<Delta> {
        match action {
            Action::Deliver { from, step, count } => {
                let indices = (0..usize::from(*count % 24))
                    .map(|n| (usize::from(*from) + n * usize::from(*step)) % self.log.len());
                vec![rows(
                    indices.map(|index| self.log[index].clone()).collect::<Vec<_>>(),
                )]
            }
            Action::CatchUp => self.log.chunks(150).map(|page| rows(page.to_vec())).collect(),
            Action::Cover { channel, lo, len } => {
                let cid = cid(pick(&CHANNELS, *channel).unwrap());
                let mut ranges = self.driver.disk.ranges.get(&cid).cloned().unwrap_or_default();
                let lo = u64::from(*lo % 32) + 1;
                ranges.insert(lo, lo + u64::from(*len % 32));
                vec![Change::Ranges(cid, ranges).into()]
            }
            Action::Rebase(n) => {
                let cid = cid(pick(&CHANNELS, *n).unwrap());
                self.alive
                    .retain(|id| self.newest.get(id).is_none_or(|row| row.cid != cid));
                vec![rebase(&cid).into()]
            }
            Action::Kept(kept) => self.other_kept(kept),
            _ => Vec::new(),
        }
    }
}
