//! The server as the simplest code there is would hold it: every row, and what of them each answer has to bring.

use super::{
    Violation,
    ghost::{Decisions, Ghost},
    log::violated,
    storage::now_or,
    world::World,
};
use std::collections::BTreeMap;
use whimbrel_hub::{Request, Rules, Storage as _, StorageError, apply_group};
use whimbrel_model::{
    ChannelId, Code, Cursor, Draft, Epoch, Head, HistoryFrom, MemberState, Message, MessageId, MessageKind,
    Op, OpEnvelope, Read, Role, Row, RowKey, SnapshotWindow, StreamEvent, StreamId, UserId, limits,
};
use whimbrel_protocol::{HeadsPage, HistoryPage, Outcome, Page};

/// Operations that are sent again in the end.
const PROBED: usize = 8;

/// A page that was answered, and what it answers.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) user: &'a UserId,
    pub(super) stream: &'a StreamId,
    pub(super) cursor: Option<Cursor>,
    pub(super) epoch: Epoch,
}

impl Decisions {
    pub(super) fn head(&self, stream: &StreamId) -> Head {
        self.heads.get(stream).copied().unwrap_or_default()
    }

    /// Every channel that there is.
    pub(super) fn cids(&self) -> Vec<ChannelId> {
        let streams = self.heads.keys().filter_map(|stream| match stream {
            StreamId::Channel(cid) => Some(cid.clone()),
            StreamId::User(_) => None,
        });
        streams.collect()
    }

    /// Returns the message that has this place.
    pub(super) fn message_at(&self, cid: &ChannelId, seq: u64) -> Option<MessageId> {
        let index = usize::try_from(seq.checked_sub(1)?).ok()?;
        self.logs.get(cid)?.get(index).copied()
    }

    pub(super) fn may_see(&self, user: &UserId, stream: &StreamId) -> bool {
        match stream {
            StreamId::User(owner) => owner == user,
            StreamId::Channel(cid) => self.members.get(&(cid.clone(), user.clone())) == Some(&true),
        }
    }

    /// Returns whether the user sees the stream, and did not leave it after `ver`.
    pub(super) fn was_in(&self, user: &UserId, stream: &StreamId, ver: u64) -> bool {
        let member = match stream {
            StreamId::User(_) => None,
            StreamId::Channel(cid) => self.row(stream, &RowKey::Member(cid.clone(), user.clone())),
        };
        self.may_see(user, stream) && member.is_none_or(|row| row.ver() <= ver)
    }

    /// Returns the version at which the user came into a channel the last time. 0: never, or into no channel.
    pub(super) fn joined_at(&self, user: &UserId, stream: &StreamId) -> u64 {
        match stream {
            StreamId::User(_) => 0,
            StreamId::Channel(cid) => self
                .row(stream, &RowKey::Member(cid.clone(), user.clone()))
                .map_or(0, Row::ver),
        }
    }

    /// Returns what a slot of drafts has.
    pub(super) fn slot(&self, like: &Draft) -> Option<&Draft> {
        let key = RowKey::Draft(like.user.clone(), like.cid.clone(), like.parent, like.device);
        match self.row(&StreamId::User(like.user.clone()), &key)? {
            Row::Draft(row) => Some(row),
            _ => None,
        }
    }

    /// Returns what the devices of somebody have written and not sent in one place.
    pub(super) fn slots(
        &self,
        user: &UserId,
        cid: &ChannelId,
        parent: Option<MessageId>,
    ) -> impl Iterator<Item = &Draft> {
        let rows = self.rows.get(&StreamId::User(user.clone())).map(BTreeMap::values);
        let drafts = rows.into_iter().flatten().filter_map(|row| match row {
            Row::Draft(row) => Some(row),
            _ => None,
        });
        drafts.filter(move |row| row.cid == *cid && row.parent == parent)
    }

    /// Returns whether somebody has hidden a channel until this message.
    pub(super) fn is_hidden_until(&self, cid: &ChannelId, seq: u64) -> bool {
        let rows = self.rows.values().flat_map(BTreeMap::values);
        let mut own = rows.filter_map(|row| match row {
            Row::Membership(row) if row.cid == *cid => row.hidden_seq,
            _ => None,
        });
        own.any(|hidden| hidden == seq)
    }

    fn row(&self, stream: &StreamId, key: &RowKey) -> Option<&Row> {
        self.rows.get(stream)?.get(key)
    }

    /// S1, S6, S11, S12: versions are dense and in commit order, a message keeps its place, a read position only grows,
    /// and what is deleted stays so.
    pub(super) fn moved(&mut self, event: &StreamEvent) -> Result<(), Violation> {
        let stream = &event.stream;
        let head = self.heads.entry(stream.clone()).or_default();
        if event.from != head.ver || event.to <= event.from {
            return violated(
                "S6",
                format!(
                    "{stream} was at {}, and moved from {} to {}",
                    head.ver, event.from, event.to
                ),
            );
        }
        *head = Head {
            ver: event.to,
            seq: event.seq,
        };
        for row in event.rows.iter().filter(|row| row.stream() == *stream) {
            if row.ver() <= event.from || row.ver() > event.to {
                return violated("S6", format!("{row:?} came with a step to {}", event.to));
            }
            self.put(stream, row)?;
        }
        Ok(())
    }

    fn put(&mut self, stream: &StreamId, row: &Row) -> Result<(), Violation> {
        match row {
            Row::Message(new) => {
                let log = self.logs.entry(new.cid.clone()).or_default();
                let seq = *self.seqs.entry(new.id).or_insert_with(|| {
                    log.push(new.id);
                    log.len() as u64
                });
                if seq != new.seq {
                    return violated("S1", format!("message {} has seq {}, not {seq}", new.id, new.seq));
                }
                let old = self.row(stream, &row.key());
                if matches!(old, Some(Row::Message(old)) if old.is_deleted() && !is_answered(old, new)) {
                    return violated("S12", format!("message {} was deleted, and changed", new.id));
                }
            }
            Row::Reaction(new) => {
                let to = self.row(stream, &RowKey::Message(new.message));
                if matches!(to, Some(Row::Message(to)) if to.is_deleted()) {
                    return violated(
                        "S12",
                        format!("a reaction came to {}, which was deleted", new.message),
                    );
                }
                if to.is_none() {
                    return violated("E10", format!("{new:?} is to no message of its channel"));
                }
            }
            Row::Read(new) => {
                let old = self.row(stream, &row.key());
                let ever = |row: &Read| row.seq.max(row.furthest);
                let stays = |old: &Read| {
                    let (was, is) = ((old.epoch, old.seq), (new.epoch, new.seq));
                    was > is || ever(old) > ever(new) || (was == is && ever(old) == ever(new))
                };
                let back = matches!(old, Some(Row::Read(old)) if stays(old));
                if back || ever(new) > self.head(stream).seq {
                    return violated("S11", format!("{old:?} became {new:?}"));
                }
            }
            Row::Delivered(new) => {
                let old = self.row(stream, &row.key());
                Ghost::check_register(old, new, self.head(stream).seq)?;
            }
            Row::Member(row) => {
                let active = row.state == MemberState::Active;
                let place = (row.cid.clone(), row.user.clone());
                if self.members.get(&place) == Some(&true) && !active {
                    self.left_at.insert(place.clone(), row.ver);
                }
                self.members.insert(place, active);
                self.moves += 1;
            }
            _ => {}
        }
        let rows = self.rows.entry(stream.clone()).or_default();
        rows.insert(row.key(), row.clone());
        Ok(())
    }

    /// S9: an accepted operation was allowed to whoever asked, at that moment.
    pub(super) fn check_allowed(&self, user: &UserId, op: &OpEnvelope) -> Result<(), Violation> {
        let Some(cid) = op.op.cid() else { return Ok(()) };
        let allowed =
            self.may_see(user, &StreamId::Channel(cid.clone())) && self.may_speak_so(user, cid, &op.op);
        // An answer without an invitation changes nothing.
        if allowed || matches!(op.op, Op::CreateChannel { .. } | Op::AnswerInvite { .. }) {
            return Ok(());
        }
        violated(
            "S9",
            format!(
                "{} {} of {user} was accepted, who is not in {cid}",
                op.op.name(),
                op.id
            ),
        )
    }

    /// Whether who says something as the channel owns it.
    fn may_speak_so(&self, user: &UserId, cid: &ChannelId, op: &Op) -> bool {
        let system = matches!(
            op,
            Op::SendMessage {
                kind: MessageKind::System,
                ..
            }
        );
        let member = self.row(
            &StreamId::Channel(cid.clone()),
            &RowKey::Member(cid.clone(), user.clone()),
        );
        !system || matches!(member, Some(Row::Member(row)) if row.role == Role::Owner)
    }

    /// Checks the answer to a request for a page, also when it is a refusal.
    pub(super) fn check_answer(
        &self,
        asked: Asked<'_>,
        answer: &Result<Page, StorageError>,
    ) -> Result<(), Violation> {
        match answer {
            Ok(page) => self.check_page(asked, page),
            Err(StorageError::Denied { .. }) if self.may_see(asked.user, asked.stream) => {
                violated("S9", format!("{} did not get {}", asked.user, asked.stream))
            }
            Err(_) => Ok(()),
        }
    }

    /// S8, S9, S13: a page brings what the cursor lacks, in order and without a hole, to whoever may see it, and begins
    /// anew exactly when it has to.
    pub(super) fn check_page(&self, asked: Asked<'_>, page: &Page) -> Result<(), Violation> {
        let Asked { user, stream, .. } = asked;
        if !self.may_see(user, stream) {
            return violated("S9", format!("{user} got a page of {stream}"));
        }
        let head = self.head(stream);
        let known = asked.cursor.filter(|cursor| {
            let sound = |window: SnapshotWindow| window.ver <= head.ver && window.lo <= head.seq + 1;
            cursor.epoch == asked.epoch
                && cursor.ver <= head.ver
                && cursor.seq <= head.seq
                && cursor.window.is_none_or(sound)
        });
        let windowed = matches!(stream, StreamId::Channel(_));
        let near = |cursor: &Cursor| {
            let since = cursor.window.map_or(cursor.ver, |window| window.ver);
            !windowed || head.ver - since <= limits::SNAPSHOT_AFTER
        };
        let follows = known.filter(near);
        if page.reset == follows.is_some() || page.to.epoch != asked.epoch {
            return violated(
                "S13",
                format!(
                    "{:?} of {stream} at {head:?}: reset is {}",
                    asked.cursor, page.reset
                ),
            );
        }
        let from = follows.map_or(0, |cursor| cursor.ver);
        let window = match follows {
            Some(cursor) => cursor.window,
            None if windowed => Some(snapshot(head)),
            None => None,
        };
        let expected = self.after(stream, from, window);
        let rows: Vec<&Row> = page.rows.iter().filter(|row| row.stream() == *stream).collect();
        for (row, expected) in rows.iter().zip(&expected) {
            if row != expected {
                if matches!(expected, Row::Message(row) if row.is_deleted()) && row.key() == expected.key() {
                    return violated("S12", format!("a page of {stream} has {row:?}, which is deleted"));
                }
                return violated("S8", format!("a page of {stream} has {row:?}, not {expected:?}"));
            }
        }
        let last = rows.last().map_or(from, |row| row.ver());
        let to = Cursor {
            epoch: asked.epoch,
            ver: if page.more { last } else { head.ver },
            seq: if page.more {
                known.map_or(0, |cursor| cursor.seq)
            } else {
                head.seq
            },
            window: window.filter(|_| page.more),
        };
        let whole = rows.len() == expected.len();
        if page.more == whole || rows.len() > expected.len() || page.to != to || page.head != head {
            return violated(
                "S8",
                format!(
                    "a page of {stream} at {head:?} after {:?} has {} of {} rows, more: {}, to {:?}",
                    asked.cursor,
                    rows.len(),
                    expected.len(),
                    page.more,
                    page.to
                ),
            );
        }
        Ok(())
    }

    /// Returns every row of a stream after a version, by version: a full scan.
    fn after(&self, stream: &StreamId, from: u64, window: Option<SnapshotWindow>) -> Vec<&Row> {
        let Some(rows) = self.rows.get(stream) else {
            return Vec::new();
        };
        let place = |row: &Row| match row {
            Row::Message(row) => Some(row.seq),
            Row::Reaction(row) => self.seqs.get(&row.message).copied(),
            Row::Read(row) => row.thread.and_then(|id| self.seqs.get(&id).copied()),
            _ => None,
        };
        let counts = |row: &&Row| {
            let left_out = window.is_some_and(|window| {
                row.ver() <= window.ver && place(row).is_some_and(|seq| seq < window.lo)
            });
            row.ver() > from && !left_out
        };
        let mut after: Vec<&Row> = rows.values().filter(counts).collect();
        after.sort_by_key(|row| row.ver());
        after
    }

    /// S8, S9: a page of older messages has each of its sequences, every reaction to them and every read
    /// position in their threads, as they are.
    pub(super) fn check_history(
        &self,
        user: &UserId,
        from: HistoryFrom,
        page: &HistoryPage,
    ) -> Result<(), Violation> {
        let stream = StreamId::Channel(page.cid.clone());
        if !self.may_see(user, &stream) {
            return violated("S9", format!("{user} got older messages of {stream}"));
        }
        let head = self.head(&stream).seq;
        let is_there = match from {
            HistoryFrom::Newest => page.hi == head,
            HistoryFrom::Before(seq) => page.hi == seq.saturating_sub(1).min(head),
            HistoryFrom::After(seq) => page.lo == seq.min(head) + 1,
            HistoryFrom::Around(seq) => page.lo <= seq.max(1) && page.hi >= seq.min(head),
            HistoryFrom::AroundMessage(id) => {
                let seq = self.seqs.get(&id);
                seq.is_some_and(|seq| (page.lo..=page.hi).contains(seq))
            }
            HistoryFrom::AroundTime(_) => true,
        };
        let nothing = BTreeMap::new();
        let rows = self.rows.get(&stream).unwrap_or(&nothing);
        let within = |seq: Option<&u64>| seq.is_some_and(|seq| (page.lo..=page.hi).contains(seq));
        let expected = rows.values().filter(|row| match row {
            Row::Message(row) => within(Some(&row.seq)),
            Row::Reaction(row) => within(self.seqs.get(&row.message)),
            Row::Read(row) => within(row.thread.and_then(|id| self.seqs.get(&id))),
            _ => false,
        });
        let expected: BTreeMap<RowKey, &Row> = expected.map(|row| (row.key(), row)).collect();
        let brought: BTreeMap<RowKey, &Row> = page.rows.iter().map(|row| (row.key(), row)).collect();
        if !is_there || brought != expected || brought.len() != page.rows.len() {
            return violated(
                "S8",
                format!(
                    "messages of {stream} at {from:?}, {} to {}: {} rows, not {}",
                    page.lo,
                    page.hi,
                    brought.len(),
                    expected.len()
                ),
            );
        }
        Ok(())
    }

    /// S8: heads are those of streams that the user may see; without a token, of all of them.
    pub(super) fn check_heads(&self, user: &UserId, all: bool, page: &HeadsPage) -> Result<(), Violation> {
        let told: BTreeMap<&StreamId, Head> = page.heads.iter().map(|of| (&of.stream, of.head)).collect();
        for (stream, head) in &told {
            if !self.may_see(user, stream) {
                return violated("S9", format!("{user} got the head of {stream}"));
            }
            if *head != self.head(stream) {
                return violated("S8", format!("{stream} is said to be at {head:?}"));
            }
        }
        let lacks = |stream: &&StreamId| self.may_see(user, stream) && !told.contains_key(*stream);
        match self.heads.keys().find(lacks).filter(|_| all && !page.more) {
            Some(stream) => violated("S8", format!("{user} did not get the head of {stream}")),
            None => Ok(()),
        }
    }
}

/// Whether of a message nothing changed but what it knows of its replies: those go on when it is deleted.
fn is_answered(old: &Message, new: &Message) -> bool {
    let alike = Message {
        ver: new.ver,
        thread: new.thread,
        ..old.clone()
    };
    alike == *new
}

fn snapshot(head: Head) -> SnapshotWindow {
    let newest = (head.seq + 1).saturating_sub(limits::SNAPSHOT_MESSAGES as u64);
    SnapshotWindow {
        lo: if head.ver > limits::SNAPSHOT_AFTER {
            newest.max(1)
        } else {
            1
        },
        ver: head.ver,
    }
}

impl World {
    /// S3: what was answered as accepted is there after a restart.
    pub(super) fn check_durable(&self) -> Result<(), Violation> {
        let keys = whimbrel_hub::Keys {
            streams: self.ghost.acked.keys().cloned().collect(),
            ..whimbrel_hub::Keys::default()
        };
        let mut short = None;
        let mut look = |set: &mut whimbrel_hub::WorkingSet| {
            let acked = self.ghost.acked.iter();
            short = acked
                .map(|(stream, ver)| (stream.clone(), *ver, set.head(stream).ver))
                .find(|(_, acked, kept)| kept < acked);
        };
        let read = now_or(self.server.storage.transact(&keys, &mut look))?;
        match (read, short) {
            (Err(error), _) => violated("sim", error.to_string()),
            (Ok(()), Some((stream, acked, kept))) => violated(
                "S3",
                format!("{stream} was answered to be at {acked}, and is at {kept} after a restart"),
            ),
            (Ok(()), None) => Ok(()),
        }
    }

    /// S8, S9: whoever is in reads all of a channel from anywhere, whoever is not reads nothing.
    pub(super) fn check_feed(&mut self, cid: &ChannelId, members: &[UserId]) -> Result<(), Violation> {
        let stream = StreamId::Channel(cid.clone());
        let epoch = self.server.storage.epoch();
        let head = self.ghost.server.head(&stream);
        let ver = self.dice.below(head.ver + 1);
        let users: Vec<UserId> = self.devices.iter().map(|device| device.user.clone()).collect();
        for user in users.iter().filter(|user| !members.contains(user)) {
            let page = now_or(self.server.storage.page(user, &stream, None, 1))?;
            let older = now_or(self.server.storage.history(user, cid, HistoryFrom::Before(2), 1))?;
            if page.is_ok() || older.is_ok() {
                return violated("S9", format!("{user} is not in {cid}, and reads it"));
            }
        }
        let Some(user) = self.dice.pick(members).cloned() else {
            return Ok(());
        };
        let mut cursor = self.dice.per_mille(900).then_some(Cursor {
            epoch,
            ver,
            ..Cursor::default()
        });
        loop {
            let limit = 1 + self.dice.index(60);
            let page = match now_or(self.server.storage.page(&user, &stream, cursor, limit))? {
                Ok(page) => page,
                Err(error) => return violated("S9", error.to_string()),
            };
            let asked = Asked {
                user: &user,
                stream: &stream,
                cursor,
                epoch,
            };
            self.ghost.server.check_page(asked, &page)?;
            if !page.more {
                return Ok(());
            }
            cursor = Some(page.to);
        }
    }

    /// S4, S5: an operation that comes again gets its answer again, and acts no more; its id under another content is
    /// refused.
    pub(super) fn check_answers(&mut self) -> Result<(), Violation> {
        let storage = self.server.storage.fork(self.server.storage.epoch());
        let now = self.server_time();
        for _ in 0..PROBED {
            let accepted = self.dice.pick(&self.ghost.server.log).cloned();
            // Those have no answer that is kept.
            let accepted = accepted.filter(|(_, op)| !op.op.leaves_no_result());
            let refused = self.dice.pick(&self.ghost.server.refused).cloned();
            let probes = accepted
                .map(|(user, op)| (user, op, None))
                .into_iter()
                .chain(refused.map(|(user, op, why)| (user, op, Some(why))));
            for (user, op, why) in probes {
                let mut other = op.clone();
                other.op = Op::UpdateUser {
                    name: Some("somebody else".to_owned()),
                    image: None,
                    custom: None,
                };
                let request = |op: OpEnvelope| Request {
                    user: user.clone(),
                    op,
                };
                let group = [request(op.clone()), request(other)];
                let answers = match now_or(apply_group(&storage, &Rules::default(), now, &group))? {
                    Ok(answers) => answers,
                    Err(error) => return violated("S7", error.to_string()),
                };
                let [again, conflict] = answers.as_slice() else {
                    return violated("sim", "two operations have two answers");
                };
                let same = match (&again.outcome, &why) {
                    (Outcome::Accepted { .. }, None) => true,
                    (Outcome::Rejected { code, message }, Some((was, said))) => {
                        code == was && message == said
                    }
                    _ => false,
                };
                if !same || !again.events.is_empty() {
                    return violated("S4", format!("{} {} got {again:?} again", op.op.name(), op.id));
                }
                let loud =
                    matches!(&conflict.outcome, Outcome::Rejected { code, .. } if *code == Code::OpConflict);
                if !loud || !conflict.events.is_empty() {
                    return violated("S5", format!("{} with another content got {conflict:?}", op.id));
                }
            }
        }
        Ok(())
    }
}
