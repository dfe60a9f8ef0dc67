//! What has to be so: after each step of a device, and in the end.

use super::{
    Violation,
    device::{everything, or_broken, stream_of},
    ghost::Fate,
    log::violated,
    observe::Place,
    people::check_member,
    storage::now_or,
    truth::Truth,
    world::World,
};
use std::collections::{BTreeMap, BTreeSet};
use whimbrel_hub::Storage as _;
use whimbrel_model::{
    ChannelId, ConsentState, Cursor, HistoryFrom, MemberState, Message, MessageId, MessageScope, Op, People,
    Reaction, Row, RowKey, UserId, limits,
};
use whimbrel_state::{OlderEdge, Timeline};
use whimbrel_store::{Store as _, StoreReader as _};
use whimbrel_sync::EngineConfig;

/// How often an own message has to be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    Once,
    AtMostOnce,
}

/// What the server holds of one channel.
pub(super) struct Held {
    pub(super) rows: BTreeMap<RowKey, Row>,
    pub(super) head: whimbrel_model::Head,
}

impl World {
    /// Checks what has to be so at every moment.
    pub(super) fn check_device(&mut self, index: usize) -> Result<(), Violation> {
        if self.devices[index].run.is_none() {
            return Ok(());
        }
        if self.plan.day {
            return self.glance(index);
        }
        for (place, own) in self.own_messages(index) {
            let Some(timeline) = self.timeline(index, &place)? else {
                continue;
            };
            let mut counts: BTreeMap<MessageId, u32> = BTreeMap::new();
            for item in timeline.items().iter() {
                *counts.entry(item.id()).or_default() += 1;
            }
            for (id, shown) in own {
                let count = counts.get(&id).copied().unwrap_or_default();
                let wrong = count > 1 || (count == 0 && shown == Shown::Once);
                if wrong && !(count == 0 && self.is_on_disk_only(index, &timeline, id)) {
                    let name = &self.devices[index].name;
                    let which = if count > 1 { "E2" } else { "C1" };
                    let seqs: Vec<u64> = timeline
                        .items()
                        .iter()
                        .map(|item| item.view.message.seq)
                        .collect();
                    return violated(
                        which,
                        format!("{name} shows its own message {id} {count} times, in {seqs:?}"),
                    );
                }
            }
        }
        self.glance(index)
    }

    /// Looks at everything on a screen once in a while.
    fn glance(&mut self, index: usize) -> Result<(), Violation> {
        if self.dice.per_mille(self.plan.glances) {
            self.check_views(index)?;
        }
        Ok(())
    }

    /// Returns whether a message is older than what a timeline keeps in memory: it is a page away, on disk.
    fn is_on_disk_only(&self, index: usize, timeline: &Timeline, id: MessageId) -> bool {
        let stored = now_or(self.devices[index].store.message(id))
            .ok()
            .and_then(Result::ok)
            .flatten();
        let oldest = timeline.items().front().map_or(0, |item| item.view.message.seq);
        timeline.edge() != OlderEdge::Start && stored.is_some_and(|message| message.seq < oldest)
    }

    /// Returns what the device made and has to show, by channel.
    fn own_messages(&self, index: usize) -> BTreeMap<Place, BTreeMap<MessageId, Shown>> {
        let mut own: BTreeMap<Place, BTreeMap<MessageId, Shown>> = BTreeMap::new();
        let mut deleted = BTreeSet::new();
        for made in self.ghost.ops.values().filter(|made| made.device == index) {
            match &made.op {
                Op::DeleteMessage { id, .. } if matches!(made.fate, Fate::Queued | Fate::Accepted) => {
                    deleted.insert(*id);
                }
                Op::SendMessage {
                    cid,
                    id,
                    parent,
                    show_in_channel,
                    ..
                } if made.fate != Fate::Discarded => {
                    // What was accepted, and is not on the device again, comes with its next page.
                    let goes_back = self.ghost.restores > 0 || self.ghost.has_travelled(index);
                    let lost = made.fate == Fate::Accepted && goes_back;
                    let shown = if lost { Shown::AtMostOnce } else { Shown::Once };
                    let thread = parent.map(|parent| (cid.clone(), Some(parent)));
                    let channel = (parent.is_none() || *show_in_channel).then(|| (cid.clone(), None));
                    for place in thread.into_iter().chain(channel) {
                        own.entry(place).or_default().insert(*id, shown);
                    }
                }
                _ => {}
            }
        }
        for messages in own.values_mut() {
            for (id, shown) in messages {
                if deleted.contains(id) {
                    *shown = Shown::AtMostOnce;
                }
            }
        }
        own
    }

    /// Checks what has to be so when everything has come to rest.
    pub(super) fn check_end(&mut self) -> Result<(), Violation> {
        self.ghost.check_fates(|device| self.is_revoked(device))?;
        self.ghost.check_order()?;
        self.check_answers()?;
        let truth = Truth::of(&self.ghost.server);
        self.check_made(&truth)?;
        let cids: BTreeSet<ChannelId> = truth.names.keys().cloned().collect();
        self.check_people(&truth)?;
        for cid in &cids {
            self.check_reached(cid)?;
            let members: Vec<UserId> = or_denied(now_or(self.server.storage.members(cid))?)?;
            let Some(reader) = members.first() else {
                continue;
            };
            let held = self.held(cid, reader)?;
            check_truth(cid, &held, &truth)?;
            self.check_feed(cid, &members)?;
            for index in self.settled() {
                let active = members.contains(&self.devices[index].user);
                if active && !self.follows(index, cid) {
                    self.check_unreached(index, cid)?;
                } else if active {
                    self.check_channel(index, cid, &held)?;
                } else {
                    self.check_gone(index, cid, &held)?;
                }
            }
        }
        for index in 0..self.devices.len() {
            if self.is_revoked(index) {
                self.check_shut_out(index)?;
            } else {
                self.check_own_stream(index, &truth)?;
            }
            self.check_disk(index)?;
            self.check_views(index)?;
        }
        Ok(())
    }

    pub(super) fn held(&self, cid: &ChannelId, reader: &UserId) -> Result<Held, Violation> {
        let storage = &self.server.storage;
        let mut rows = BTreeMap::new();
        let mut cursor = Some(Cursor {
            epoch: storage.epoch(),
            ..Cursor::default()
        });
        let head = loop {
            let page = or_denied(now_or(storage.page(
                reader,
                &stream_of(cid),
                cursor,
                limits::PAGE_ROWS,
            ))?)?;
            rows.extend(
                page.rows
                    .into_iter()
                    .filter(|row| row.cid().is_some())
                    .map(|row| (row.key(), row)),
            );
            if !page.more {
                break page.head;
            }
            cursor = Some(page.to);
        };
        let mut before = head.seq + 1;
        while before > 1 {
            let page = or_denied(now_or(storage.history(
                reader,
                cid,
                HistoryFrom::Before(before),
                limits::PAGE_ROWS,
            ))?)?;
            before = page.lo;
            rows.extend(page.rows.into_iter().map(|row| (row.key(), row)));
        }
        Ok(Held { rows, head })
    }

    /// E3 of one channel: row by row.
    fn check_channel(&self, index: usize, cid: &ChannelId, held: &Held) -> Result<(), Violation> {
        let device = &self.devices[index];
        let name = &device.name;
        let loaded = or_broken(now_or(device.store.load())?)?;
        let cursor = loaded.cursors.get(&stream_of(cid));
        if cursor.is_none_or(|cursor| cursor.ver != held.head.ver || cursor.seq != held.head.seq) {
            return violated(
                "E3",
                format!("{name} has {cid} to {cursor:?}, the server to {:?}", held.head),
            );
        }
        let ranges = loaded.ranges.get(cid).cloned().unwrap_or_default();
        let capped = self.brings(index);
        let most = capped.map_or(limits::SNAPSHOT_MESSAGES as u64, |most| {
            most.min(limits::SNAPSHOT_MESSAGES as u64)
        });
        let newest = (held.head.seq + 1).saturating_sub(most).max(1);
        if !ranges.is_fresh(newest, held.head.seq) {
            return violated(
                "E3",
                format!("{name} lacks the newest messages of {cid}: {ranges:?}"),
            );
        }
        let wanted = (held.head.seq + 1).saturating_sub(EngineConfig::default().fill_messages);
        // What was skipped of a request is not fetched unasked.
        let consent = device.run.as_ref().map(|run| run.engine.consent(cid));
        if let Some(gap) = ranges.newest_gap(wanted)
            && consent != Some(ConsentState::Unknown)
        {
            return violated("L2", format!("{name} does not fill {gap:?} of {cid}"));
        }
        let mine = self.rows_on(index, cid, held)?;
        self.check_unread(index, cid, &mine)?;
        for (key, row) in &held.rows {
            let seq = match row {
                Row::Message(row) => Some(row.seq),
                Row::Reaction(row) => held.message(row.message).map(|message| message.seq),
                Row::Read(row) => row
                    .thread
                    .and_then(|id| held.message(id))
                    .map(|message| message.seq),
                _ => None,
            };
            if seq.is_some_and(|seq| !ranges.is_fresh(seq, seq)) {
                continue;
            }
            // Stores show no reaction that was taken back.
            let removed = matches!(row, Row::Reaction(row) if row.removed);
            match mine.get(key) {
                None if removed => {}
                // What is for somebody else only is not there.
                None if row.clone().seen_by(&device.user).is_none() => {}
                // What was seen of it before it was for somebody else only was seen.
                Some(copy) if row.clone().seen_by(&device.user).is_none() && copy.ver() < row.ver() => {}
                Some(copy) if row.clone().seen_by(&device.user).as_ref() == Some(copy) && !removed => {}
                other => return violated("E3", format!("{name} has {other:?}, the server {row:?}")),
            }
        }
        let known = |row: &&Row| row.ver() > 0 && !held.rows.contains_key(&row.key());
        if let Some(row) = mine.values().find(known) {
            return violated("E3", format!("{name} has {row:?}, which the server has not"));
        }
        Ok(())
    }

    /// Returns the rows of a channel that a device holds.
    fn rows_on(
        &self,
        index: usize,
        cid: &ChannelId,
        held: &Held,
    ) -> Result<BTreeMap<RowKey, Row>, Violation> {
        let store = &self.devices[index].store;
        let mut rows: Vec<Row> = Vec::new();
        let summary = or_broken(now_or(store.channel(cid, &People::default()))?)?;
        rows.extend(summary.and_then(|summary| summary.channel).map(Row::Channel));
        let delivered = or_broken(now_or(store.delivered(cid))?)?;
        rows.extend(delivered.into_iter().map(Row::Delivered));
        rows.extend(
            or_broken(now_or(store.members(cid))?)?
                .into_iter()
                .map(Row::Member),
        );
        for thread in held.threads().into_iter().map(Some).chain([None]) {
            let reads = or_broken(now_or(store.reads(cid, thread))?)?;
            rows.extend(reads.into_iter().map(Row::Read));
        }
        let page = or_broken(now_or(store.messages(&everything(cid, MessageScope::Channel)))?)?;
        let mut reactions: Vec<Reaction> = page.reactions;
        for parent in held.threads() {
            let thread = everything(cid, MessageScope::Thread(parent));
            reactions.extend(or_broken(now_or(store.messages(&thread))?)?.reactions);
        }
        rows.extend(reactions.into_iter().map(Row::Reaction));
        let ids = held.rows.values().filter_map(|row| match row {
            Row::Message(row) => Some(row.id),
            _ => None,
        });
        let made = self.ghost.ops.values().filter_map(|made| made.op.message());
        for id in ids.chain(made).collect::<BTreeSet<_>>() {
            let message = or_broken(now_or(store.message(id))?)?;
            rows.extend(message.filter(|message| message.cid == *cid).map(Row::Message));
        }
        Ok(rows.into_iter().map(|row| (row.key(), row)).collect())
    }

    /// E11: nothing that came after a removal reached the device.
    fn check_gone(&self, index: usize, cid: &ChannelId, held: &Held) -> Result<(), Violation> {
        let device = &self.devices[index];
        let place = RowKey::Member(cid.clone(), device.user.clone());
        let gone_at = match held.rows.get(&place) {
            // Who is asked to come in again knows what was there before they left.
            Some(Row::Member(row)) if row.state != MemberState::Active => {
                let left = self
                    .ghost
                    .server
                    .left_at
                    .get(&(row.cid.clone(), row.user.clone()));
                left.copied().unwrap_or_default()
            }
            // Never in: nothing at all.
            _ => 0,
        };
        if self.ghost.restores > 0 {
            return Ok(());
        }
        for row in self.rows_on(index, cid, held)?.values() {
            if row.ver() > gone_at {
                return violated(
                    "E11",
                    format!("{} left {cid} at {gone_at}, and has {row:?}", device.name),
                );
            }
        }
        Ok(())
    }
}

impl Held {
    /// Returns the messages that have replies, or had.
    pub(super) fn threads(&self) -> BTreeSet<MessageId> {
        let parents = self.rows.values().filter_map(|row| match row {
            Row::Message(row) => row.parent,
            _ => None,
        });
        let read = self.rows.values().filter_map(|row| match row {
            Row::Read(row) => row.thread,
            _ => None,
        });
        parents.chain(read).collect()
    }

    fn message(&self, id: MessageId) -> Option<&Message> {
        match self.rows.get(&RowKey::Message(id)) {
            Some(Row::Message(row)) => Some(row),
            _ => None,
        }
    }
}

/// Checks the server's rows against the accepted operations.
fn check_truth(cid: &ChannelId, held: &Held, truth: &Truth) -> Result<(), Violation> {
    let mut seqs = BTreeSet::new();
    for row in held.rows.values() {
        match row {
            Row::Message(row) => {
                seqs.insert(row.seq);
                check_message(row, truth)?;
            }
            Row::Reaction(row) => {
                let key = (row.message, row.user.clone(), row.kind.clone());
                if truth.reactions.get(&key) != Some(&!row.removed) {
                    return violated("E9", format!("the last reaction was another one than {row:?}"));
                }
            }
            Row::Read(row) => {
                let register = (cid.clone(), row.user.clone(), row.thread);
                let most = truth.reads.get(&register);
                let ever = truth.receipts.get(&register);
                if ever != Some(&row.seq.max(row.furthest)) {
                    return violated(
                        "E6",
                        format!("{} ever read {cid} to {ever:?}, not {row:?}", row.user),
                    );
                }
                if truth.private.get(&register) != Some(&row.private) {
                    return violated(
                        "S19",
                        format!("{row:?} is private or not, and was to be the other"),
                    );
                }
                if most != Some(&(row.epoch, row.seq)) {
                    return violated(
                        "E6",
                        format!(
                            "{} read {cid} to {most:?}, not to {:?}",
                            row.user,
                            (row.epoch, row.seq)
                        ),
                    );
                }
            }
            Row::Delivered(row) => {
                let reached = truth.people.reached.get(&(cid.clone(), row.user.clone()));
                if reached.is_none_or(|reached| !reached.is(row)) {
                    return violated("E6", format!("{row:?} was to say {reached:?}"));
                }
            }
            Row::Member(row) => check_member(row, truth)?,
            Row::Channel(row) if truth.names.get(cid) != Some(&row.name) => {
                return violated("E8", format!("{cid} is called {:?}", row.name));
            }
            _ => {}
        }
    }
    let said = truth.messages.iter().filter(|(_, said)| said.cid == *cid);
    for (id, _) in said.clone() {
        if held.message(*id).is_none() {
            return violated("E1", format!("message {id} was accepted, and is not there"));
        }
    }
    if !seqs.iter().copied().eq(1..=said.count() as u64) {
        return violated("S1", format!("the sequences of {cid} are not dense: {seqs:?}"));
    }
    Ok(())
}

/// S18: a message knows how many replies there are, and which is the last.
fn check_thread(row: &Message, truth: &Truth) -> Result<(), Violation> {
    let knows = row.thread.map(|thread| (thread.replies, thread.last_seq));
    let there = truth.threads.get(&row.id).copied();
    if knows == there {
        return Ok(());
    }
    violated(
        "S18",
        format!(
            "message {} says of its replies {knows:?}, there are {there:?}",
            row.id
        ),
    )
}

fn check_message(row: &Message, truth: &Truth) -> Result<(), Violation> {
    let Some(said) = truth.messages.get(&row.id) else {
        return violated("E2", format!("nobody said message {}", row.id));
    };
    if said.deleted != row.is_deleted() {
        return violated(
            "E7",
            format!(
                "message {} is deleted: {}, and should not be so",
                row.id,
                row.is_deleted()
            ),
        );
    }
    check_thread(row, truth)?;
    let pinned = row.pinned.as_ref().map(|pin| (pin.by.clone(), pin.until));
    if said.pinned != pinned {
        return violated(
            "E17",
            format!(
                "message {} is pinned {pinned:?}, and should be {:?}",
                row.id, said.pinned
            ),
        );
    }
    if (said.kind, said.silent, said.parent) != (row.kind, row.silent, row.parent) {
        return violated("E8", format!("{row:?} was sent as {said:?}"));
    }
    if said.body != row.body || said.author != row.author {
        return violated(
            "E8",
            format!(
                "message {} reads {:?}, the last edit was {:?}",
                row.id, row.body, said.body
            ),
        );
    }
    if said.revision != row.revision {
        return violated(
            "S2",
            format!(
                "message {} was edited {} times, not {}",
                row.id, row.revision, said.revision
            ),
        );
    }
    Ok(())
}

pub(super) fn or_denied<T>(result: Result<T, whimbrel_hub::StorageError>) -> Result<T, Violation> {
    result.or_else(|error| violated("S9", error.to_string()))
}
