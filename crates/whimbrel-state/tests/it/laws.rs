//! Laws that hold after any sequence of deltas.

use crate::{
    disk::{
        Disk, accepted, channel, cid, in_scope, member, membership, message, message_id, queued, read,
        rebase, rows, user,
    },
    driver::{Driver, Reader},
};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use whimbrel_model::{
    Change, ChannelId, Code, Delta, MemberState, Message, MessageBody, MessageId, MessageQuery, MessageScope,
    Op, OutboxStatus, RangeSet, Reaction, ReactionType, Rejection, Row, Timestamp, UserId, overlay,
};
use whimbrel_state::{Items, OlderEdge, Timeline, TimelineItem};

/// One thing that happens. Numbers choose among what there is.
#[derive(Clone, Debug)]
enum Action {
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
}

fn thread() -> impl Strategy<Value = Option<(u8, bool)>> {
    prop_oneof![3 => Just(None), 1 => any::<(u8, bool)>().prop_map(Some)]
}

fn action(burst: std::ops::RangeInclusive<u8>) -> impl Strategy<Value = Action> {
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
    ];
    let arrival = prop_oneof![
        6 => any::<(u8, u8, u8)>().prop_map(|(from, step, count)| Action::Deliver { from, step, count }),
        2 => Just(Action::CatchUp),
        2 => any::<(u8, u8, u8)>().prop_map(|(channel, lo, len)| Action::Cover { channel, lo, len }),
        2 => any::<u8>().prop_map(Action::Extend),
    ];
    prop_oneof![8 => own, 6 => answer, 8 => remote, 8 => arrival, 1 => any::<u8>().prop_map(Action::Rebase)]
}

const CHANNELS: [&str; 3] = ["a", "b", "c"];

fn pick<T>(of: &[T], n: u8) -> Option<&T> {
    of.get(usize::from(n) % of.len().max(1))
}

/// A server, a device that reads from it, and the laws.
struct World {
    driver: Driver,
    /// Every copy of every row that the server ever had, oldest first.
    log: Vec<Row>,
    newest: BTreeMap<MessageId, Message>,
    seqs: BTreeMap<ChannelId, u64>,
    ver: u64,
    pos: u64,
    /// Own messages that have to be shown, exactly once.
    alive: BTreeSet<MessageId>,
}

impl World {
    fn new(history: u8) -> Self {
        let mut world = Self {
            driver: Driver::new(),
            log: Vec::new(),
            newest: BTreeMap::new(),
            seqs: BTreeMap::new(),
            ver: 0,
            pos: 0,
            alive: BTreeSet::new(),
        };
        for name in CHANNELS {
            world.ver += 1;
            world.log.push(channel(&cid(name), name, world.ver));
            world
                .log
                .push(membership(&cid(name), MemberState::Active, world.ver));
        }
        for _ in 0..history {
            world.remote_send(&cid("a"), None);
        }
        let delta = rows(world.log.iter().cloned());
        world.driver.commit(delta);
        world
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
        let (parent, show_in_channel) = self.parent(cid, thread);
        let message = Message {
            parent,
            show_in_channel,
            ..message(1_000_000 + ver, cid, seq, ver)
        };
        self.put_message(message);
    }

    fn parent(&self, cid: &ChannelId, thread: Option<(u8, bool)>) -> (Option<MessageId>, bool) {
        let Some((n, show)) = thread else {
            return (None, false);
        };
        let here: Vec<_> = self
            .newest
            .values()
            .filter(|message| message.cid == *cid)
            .collect();
        match pick(&here, n) {
            Some(parent) => (Some(parent.id), show),
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
            self.put_message(message);
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
                vec![self.put_message(accepted(op, seq, ver))]
            }
            Op::EditMessage { id, body, .. } => self.accept_change(*id, |row| row.body = body.clone()),
            Op::DeleteMessage { id, .. } => self.accept_change(*id, |row| {
                row.body = MessageBody::default();
                row.deleted_at = Some(Timestamp(0));
            }),
            Op::AddReaction { cid, message, .. } if self.newest.contains_key(message) => {
                vec![self.reaction(cid.clone(), *message, user("ada"), false)]
            }
            Op::RemoveReaction { cid, message, .. } if self.newest.contains_key(message) => {
                vec![self.reaction(cid.clone(), *message, user("ada"), true)]
            }
            Op::MarkRead { cid, seq, .. } => vec![read(cid, *seq, self.next())],
            Op::UpdateChannel { cid, name, .. } => {
                vec![channel(cid, name.as_deref().unwrap_or_default(), self.next())]
            }
            Op::CreateChannel { cid, name, .. } => {
                let ver = self.next();
                vec![
                    channel(cid, name, ver),
                    member(cid, "ada", ver),
                    membership(cid, MemberState::Active, ver),
                ]
            }
            Op::RemoveMembers { cid, .. } => vec![membership(cid, MemberState::Gone, self.next())],
            _ => Vec::new(),
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
        vec![self.put_message(message)]
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
    fn act(&mut self, action: &Action) -> Vec<Delta> {
        match action {
            Action::Send { channel, thread } => {
                let cid = cid(pick(&CHANNELS, *channel).unwrap());
                let (parent, show_in_channel) = self.parent(&cid, *thread);
                let id = message_id(self.pos + 1);
                let body = MessageBody::text("own");
                let quoted = None;
                vec![self.queue(Op::SendMessage {
                    cid,
                    id,
                    body,
                    parent,
                    show_in_channel,
                    quoted,
                })]
            }
            Action::Edit(n) => {
                let Some((cid, id)) = self.some_message(*n) else {
                    return Vec::new();
                };
                let body = MessageBody::text(format!("edit {}", self.pos));
                vec![self.queue(Op::EditMessage {
                    cid,
                    id,
                    body,
                    base_revision: 0,
                })]
            }
            Action::Delete(n) => {
                let Some((cid, id)) = self.some_message(*n) else {
                    return Vec::new();
                };
                vec![self.queue(Op::DeleteMessage { cid, id })]
            }
            Action::React { message, add } => {
                let Some((cid, message)) = self.some_message(*message) else {
                    return Vec::new();
                };
                let kind = ReactionType::new("like").unwrap();
                vec![self.queue(match add {
                    true => Op::AddReaction { cid, message, kind },
                    false => Op::RemoveReaction { cid, message, kind },
                })]
            }
            Action::MarkRead(n, seq) => {
                let cid = cid(pick(&CHANNELS, *n).unwrap());
                vec![self.queue(Op::MarkRead {
                    cid,
                    epoch: 0,
                    seq: u64::from(*seq % 16),
                })]
            }
            Action::Rename(n) => {
                let cid = cid(pick(&CHANNELS, *n).unwrap());
                let name = Some(format!("name {}", self.pos));
                vec![self.queue(Op::UpdateChannel {
                    cid,
                    name,
                    image: None,
                    custom: None,
                })]
            }
            Action::Create(n) => {
                let (cid, name) = (cid(&format!("new{}", n % 4)), "new".to_owned());
                let (image, custom, members) = (String::new(), Default::default(), vec![user("bob")]);
                vec![self.queue(Op::CreateChannel {
                    cid,
                    name,
                    image,
                    custom,
                    members,
                })]
            }
            Action::Leave(n) => {
                let cid = cid(pick(&CHANNELS, *n).unwrap());
                vec![self.queue(Op::RemoveMembers {
                    cid,
                    users: vec![user("ada")],
                })]
            }
            _ => self.answer(action),
        }
    }

    fn answer(&mut self, action: &Action) -> Vec<Delta> {
        let items: Vec<_> = self.driver.disk.outbox.values().cloned().collect();
        match action {
            Action::Accept { op, row_first } => {
                let waiting: Vec<_> = items.iter().filter(|item| item.rejection().is_none()).collect();
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
            _ => Vec::new(),
        }
    }
}

/// A timeline under test: every snapshot is checked, and every batch of diffs applied.
struct Watched {
    timeline: Timeline,
    reader: Reader<TimelineItem>,
}

impl Watched {
    fn new(timeline: Timeline) -> Self {
        let reader = Reader::new(timeline.subscribe());
        Self { timeline, reader }
    }

    /// The lowest `seq` that the window takes in.
    fn low(&self) -> u64 {
        match self.timeline.edge() {
            OlderEdge::OnDisk => self.timeline.older(1).before.unwrap_or(0),
            _ => 0,
        }
    }

    /// C18 and C1, which hold after each single step.
    fn check_step(&mut self, disk: &Disk, alive: &BTreeSet<MessageId>) -> Result<(), TestCaseError> {
        self.reader.read();
        let items = self.timeline.items();
        prop_assert_eq!(&self.reader.list, &items);
        let ids: BTreeSet<_> = items.iter().map(|item| item.id()).collect();
        prop_assert_eq!(ids.len(), items.len(), "a message has two rows");
        let low = self.low();
        let (cid, scope) = (self.timeline.cid(), self.timeline.scope());
        let here = |row: &Message| row.cid == *cid && in_scope(scope, row);
        let rows = disk
            .all_messages()
            .filter(|row| here(row) && row.seq >= low)
            .map(|row| row.id);
        let sent = disk.outbox.values().filter_map(|item| {
            let view = overlay::message(None, [item])?;
            here(&view.message).then_some(view.message.id)
        });
        for id in rows.chain(sent).filter(|id| alive.contains(id)) {
            prop_assert!(ids.contains(&id), "the own message {id} vanished");
        }
        Ok(())
    }

    /// C8 and C14, which hold once the driver has read again what was stale.
    fn check(&self, driver: &Driver) -> Result<(), TestCaseError> {
        let items = self.timeline.items();
        let (cid, scope) = (self.timeline.cid(), self.timeline.scope());
        prop_assert_eq!(&plain(&items), &expected(&driver.disk, cid, scope, self.low()));
        let accepted = items.iter().filter(|item| item.view.message.seq > 0).count();
        let query = MessageQuery {
            cid: cid.clone(),
            scope,
            before: None,
            limit: accepted.max(1),
        };
        let fresh = driver
            .fresh()
            .open_timeline(cid.clone(), scope, driver.disk.messages(&query));
        prop_assert_eq!(&fresh.items(), &items);
        prop_assert_eq!(fresh.edge(), self.timeline.edge());
        Ok(())
    }
}

fn plain(items: &Items<TimelineItem>) -> Vec<TimelineItem> {
    items.iter().map(|item| TimelineItem::clone(item)).collect()
}

/// The rows of a timeline, computed in the plainest way.
fn expected(disk: &Disk, cid: &ChannelId, scope: MessageScope, low: u64) -> Vec<TimelineItem> {
    let stored: BTreeMap<_, _> = disk
        .all_messages()
        .filter(|row| row.cid == *cid && row.seq >= low)
        .map(|row| (row.id, row))
        .collect();
    let ids: BTreeSet<_> = stored
        .keys()
        .copied()
        .chain(disk.outbox.values().filter_map(|item| item.op.message()))
        .collect();
    let mut found = Vec::new();
    for id in ids {
        let row = stored.get(&id).copied();
        let ops: Vec<_> = disk
            .outbox
            .values()
            .filter(|item| item.op.message() == Some(id))
            .collect();
        let Some(view) = overlay::message(row, ops.iter().copied()) else {
            continue;
        };
        if view.message.cid != *cid || !in_scope(scope, &view.message) {
            continue;
        }
        let reactions = disk
            .all_reactions()
            .filter(|reaction| row.is_some() && reaction.message == id);
        let reactions = overlay::reactions(reactions, ops.iter().copied(), &user("ada"));
        let replies = if row.is_some() { disk.replies(id) } else { 0 };
        let order = match view.message.seq {
            0 => (1, ops.iter().map(|item| item.pos).min().unwrap_or(0)),
            seq => (0, seq),
        };
        found.push((
            order,
            TimelineItem {
                view,
                reactions,
                replies,
                gap_before: false,
            },
        ));
    }
    found.sort_by_key(|(order, _)| *order);
    let none = RangeSet::default();
    let ranges = disk.ranges.get(cid).unwrap_or(&none);
    let mut above = None;
    for (_, item) in &mut found {
        let seq = item.view.message.seq;
        if seq > 0 {
            item.gap_before = above.is_some_and(|above| (above + 1..seq).any(|seq| !ranges.covers(seq, seq)));
            above = Some(seq);
        }
    }
    found.into_iter().map(|(_, item)| item).collect()
}

fn obeys_the_laws(history: u8, limit: usize, actions: Vec<Action>) -> Result<(), TestCaseError> {
    let mut world = World::new(history);
    let mut timelines = vec![Watched::new(world.driver.open(&cid("a"), limit))];
    if let Some(parent) = world.newest.values().next() {
        let scope = MessageScope::Thread(parent.id);
        timelines.push(Watched::new(world.driver.open_scope(&cid("a"), scope, limit)));
    }
    let channels = world.driver.open_channels(2);
    let mut rows = Reader::new(channels.subscribe());
    for action in actions {
        for delta in world.act(&action) {
            let (mut result, alive) = (Ok(()), &world.alive);
            world.driver.commit_observed(delta, |disk| {
                for watched in &mut timelines {
                    let checked = watched.check_step(disk, alive);
                    result = std::mem::replace(&mut result, Ok(())).and(checked);
                }
            });
            result?;
        }
        if let Action::Extend(count) = action {
            world
                .driver
                .extend(&timelines[0].timeline, usize::from(count % 8) + 1);
            world.driver.extend_channels(&channels, usize::from(count % 2));
            timelines[0].check_step(&world.driver.disk, &world.alive)?;
        }
        for watched in &timelines {
            watched.check(&world.driver)?;
        }
        rows.read();
        prop_assert_eq!(&rows.list, &channels.items());
        let fresh = world.driver.fresh();
        let (page, has_more) = world.driver.disk.channels(&user("ada"), 0, channels.offset());
        let (fresh_list, missing) = fresh.open_channels(page, has_more);
        for row in missing
            .iter()
            .filter_map(|cid| world.driver.disk.channel(&user("ada"), cid))
        {
            fresh.put_channel(row);
        }
        prop_assert_eq!(fresh_list.items(), channels.items());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]
    #[test]
    fn what_is_shown_is_always_what_a_fresh_start_would_show(
        history in 0_u8..40,
        limit in 1_usize..20,
        actions in proptest::collection::vec(action(1..=3), 1..50),
    ) {
        obeys_the_laws(history, limit, actions)?;
    }
}

/// Mostly many messages in one channel, and all of them coming in.
fn flood() -> impl Strategy<Value = Action> {
    let send = (120_u8..=200).prop_map(|burst| Action::RemoteSend {
        channel: 0,
        thread: None,
        burst,
    });
    prop_oneof![2 => send, 2 => Just(Action::CatchUp), 3 => action(1..=3)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn the_same_holds_when_the_window_overflows(
        limit in 1_usize..200,
        actions in proptest::collection::vec(flood(), 1..32),
    ) {
        obeys_the_laws(200, limit, actions)?;
    }
}
