//! The rows of one timeline: stored rows by id, and the list that is computed from them and the outbox.

use super::gaps::{gap_before, mark_gap, mark_gaps};
use crate::{
    NewerEdge, OlderEdge, TimelineItem,
    list::{Diffs, Items, Sorted},
    outbox::Outbox,
    receipts::{Receipt, ReceiptRows, Registers},
};
use std::{any::Any, collections::HashMap, sync::Arc};
use whimbrel_model::{
    Change, ChannelId, Delta, HistoryFrom, Message, MessageId, MessagePage, MessageQuery, MessageScope, Op,
    OutboxItem, People, RangeSet, Reaction, Row, StreamId, UserId,
    overlay::{self, MessageStatus, MessageView},
};

/// Accepted rows over the target before the oldest are dropped, so that it does not happen with each message.
const SLACK: usize = 30;

/// Where a row stands: accepted ones by `seq`, then the others by outbox position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Accepted(u64),
    Waiting(u64),
}

/// What is known of one message of the window.
#[derive(Debug, Default)]
struct Entry {
    stored: Option<Stored>,
    /// The server's rows, tombstones included.
    reactions: Vec<Reaction>,
    replies: u32,
    /// Where it stands in the list. Absent: it is not shown.
    place: Option<Place>,
}

/// The server's row of a message.
#[derive(Debug)]
struct Stored {
    seq: u64,
    ver: u64,
    /// Absent: it is what is shown, with nothing laid over it. So most rows are in memory once.
    row: Option<Box<Message>>,
}

impl Stored {
    fn new(row: Message) -> Self {
        Self {
            seq: row.seq,
            ver: row.ver,
            row: Some(Box::new(row)),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Window {
    cid: ChannelId,
    scope: MessageScope,
    me: UserId,
    entries: HashMap<MessageId, Entry>,
    /// Entries with a stored row.
    stored: usize,
    /// The lowest `seq` that is taken in: lower ones are on disk only. 0: all of the scope are here.
    low: u64,
    /// The highest `seq` that is taken in: the window is somewhere in the past, and what is newer, waiting rows too, is not
    /// shown. [`u64::MAX`]: it reaches the newest.
    high: u64,
    /// Accepted rows that are kept.
    target: usize,
    /// The target of a window in which the user has loaded nothing.
    rows: usize,
    ranges: RangeSet,
    /// Those for whom own messages are.
    registers: Registers,
    /// Whether there ever was an accepted own message.
    has_own: bool,
    list: Sorted<Place, TimelineItem>,
}

/// What one cause touches in a window.
#[derive(Default)]
struct Touched {
    /// Messages to compute again.
    messages: Vec<MessageId>,
    /// Sequences of messages of which a delta does not say everything.
    incomplete: Option<(u64, u64)>,
}

impl Touched {
    fn is_incomplete(&mut self, seq: u64) {
        let (lo, hi) = self.incomplete.unwrap_or((seq, seq));
        self.incomplete = Some((lo.min(seq), hi.max(seq)));
    }
}

impl Entry {
    /// Keeps the row of an item that is not shown after all.
    fn keep(&mut self, item: TimelineItem) {
        if let Some(stored) = &mut self.stored {
            stored.row.get_or_insert_with(|| Box::new(item.view.message));
        }
    }
}

impl Window {
    pub(crate) fn new(cid: ChannelId, scope: MessageScope, me: UserId, rows: usize) -> Self {
        let thread = match scope {
            MessageScope::Channel => None,
            MessageScope::Thread(parent) => Some(parent),
        };
        Self {
            registers: Registers::new(cid.clone(), thread),
            has_own: false,
            cid,
            scope,
            me,
            entries: HashMap::new(),
            stored: 0,
            low: 0,
            high: u64::MAX,
            target: rows,
            rows,
            ranges: RangeSet::default(),
            list: Sorted::default(),
        }
    }

    pub(crate) fn items(&self) -> Items<TimelineItem> {
        self.list.items()
    }

    pub(crate) fn subscribe(
        &self,
        keep: Arc<dyn Any + Send + Sync>,
    ) -> (Items<TimelineItem>, Diffs<TimelineItem>) {
        self.list.subscribe(Some(keep))
    }

    /// Returns the `seq` of the oldest accepted row.
    pub(crate) fn oldest(&self) -> Option<u64> {
        match self.list.keys().front() {
            Some(Place::Accepted(seq)) => Some(*seq),
            _ => None,
        }
    }

    /// Returns the `seq` of the newest accepted row.
    pub(crate) fn newest(&self) -> Option<u64> {
        let accepted = self.list.lower_bound(&Place::Waiting(0));
        match self.list.keys().get(accepted.checked_sub(1)?) {
            Some(Place::Accepted(seq)) => Some(*seq),
            _ => None,
        }
    }

    /// Returns the lowest and the highest `seq` that is taken in.
    pub(crate) const fn span(&self) -> (u64, u64) {
        (self.low, self.high)
    }

    pub(crate) fn edge(&self) -> OlderEdge {
        let before = self.oldest().map(|oldest| oldest - 1);
        match before {
            // Older rows may be on disk beyond a gap: it is the gap that comes first.
            Some(before) if self.low > 0 && !self.ranges.covers(before, before) => OlderEdge::OnServer,
            _ if self.low > 0 => OlderEdge::OnDisk,
            before if self.ranges.covers(1, before.unwrap_or_else(|| self.known())) => OlderEdge::Start,
            _ => OlderEdge::OnServer,
        }
    }

    pub(crate) fn newer_edge(&self) -> NewerEdge {
        if self.high == u64::MAX {
            return NewerEdge::Newest;
        }
        if self.ranges.covers(self.high + 1, self.high + 1) {
            NewerEdge::OnDisk
        } else {
            NewerEdge::OnServer
        }
    }

    /// Returns the newest `seq` of the channel that is on the device.
    fn known(&self) -> u64 {
        self.ranges.as_slice().last().map_or(0, |range| range.hi)
    }

    /// Returns whether every message of the channel up to the newest known is on the device, and kept up to date.
    pub(crate) fn is_complete(&self) -> bool {
        self.ranges.is_fresh(1, self.known())
    }

    /// Returns whether every message between the oldest accepted row and the newest known (of a window in the past: the newest
    /// row) is on the device, and kept up to date.
    pub(crate) fn is_without_gap(&self) -> bool {
        let newest = self.known().min(self.high);
        self.oldest()
            .is_none_or(|oldest| self.ranges.is_fresh(oldest, newest))
    }

    /// Shows a page of the store and nothing else; and what waits in the outbox, if nothing newer than the page is there.
    pub(crate) fn show(&mut self, page: MessagePage, outbox: &Outbox) {
        let before = self.ranges.clone();
        let mut touched: Vec<_> = self.entries.keys().copied().collect();
        self.forget();
        self.target = self.rows;
        if let (true, Some(newest)) = (page.has_newer, page.messages.last()) {
            self.high = newest.seq;
        } else {
            touched.extend(self.waiting(outbox));
        }
        self.take_older(page, touched, &before, outbox);
    }

    /// Adds the page that comes before the oldest row.
    pub(crate) fn extend_older(&mut self, page: MessagePage, outbox: &Outbox) {
        let before = self.ranges.clone();
        self.take_older(page, Vec::new(), &before, outbox);
    }

    /// Adds the page that comes after the newest row of a window in the past. With the last one it reaches the newest.
    pub(crate) fn extend_newer(&mut self, page: MessagePage, outbox: &Outbox) {
        let before = self.ranges.clone();
        if self.high == u64::MAX {
            return;
        }
        let mut waiting = Vec::new();
        if page.has_newer {
            self.high = page.messages.last().map_or(self.high, |newest| newest.seq);
        } else {
            self.high = u64::MAX;
            waiting = self.waiting(outbox);
        }
        let mut touched = self.take_page(page);
        touched.append(&mut waiting);
        self.target = self.target.max(self.stored);
        self.settle(touched, &before, outbox);
    }

    /// Returns the messages of the channel of which something waits in the outbox.
    fn waiting(&self, outbox: &Outbox) -> Vec<MessageId> {
        let items = outbox.of(Some(&self.cid));
        items.filter_map(|item| item.op.message()).collect()
    }

    /// Replaces what is known of the page's messages by what the store says.
    pub(crate) fn put(&mut self, page: MessagePage, outbox: &Outbox) {
        let before = self.ranges.clone();
        let touched = self.take_page(page);
        self.settle(touched, &before, outbox);
    }

    /// Takes in a delta; `ops` are the outbox items that it touches. Returns what has to be read again from the store.
    pub(crate) fn reduce(
        &mut self,
        delta: &Delta,
        ops: &[Arc<OutboxItem>],
        outbox: &Outbox,
    ) -> Option<MessageQuery> {
        let before = self.ranges.clone();
        let mut touched = Touched::default();
        // A full window leaves older rows on disk.
        let mut full_from = self.oldest().filter(|_| self.stored >= self.target);
        for change in &delta.changes {
            match change {
                Change::Row(Row::Message(row)) if row.cid == self.cid => {
                    if let Some(oldest) = full_from
                        && self.low == 0
                        && row.seq < oldest
                        && self.admits(row)
                    {
                        self.low = oldest;
                    }
                    self.take_message(row, &mut touched);
                }
                Change::Row(Row::Reaction(row)) if row.cid == self.cid => {
                    self.take_reaction(row, &mut touched);
                }
                Change::Ranges(cid, ranges) if *cid == self.cid => self.ranges.clone_from(ranges),
                Change::Rebase(StreamId::Channel(cid)) if *cid == self.cid => {
                    full_from = None;
                    touched.messages.extend(self.entries.keys());
                    touched.messages.extend(self.waiting(outbox));
                    self.forget();
                }
                _ => {}
            }
        }
        if let Some((lo, hi)) = self.registers.reduce(delta) {
            touched.messages.extend(self.own(lo, hi));
        }
        let ours = ops.iter().filter(|item| item.op.cid() == Some(&self.cid));
        touched.messages.extend(ours.filter_map(|item| item.op.message()));
        touched.messages.extend(self.of_changed_people(outbox));
        self.settle(touched.messages, &before, outbox);
        touched.incomplete.and_then(|(lo, hi)| self.query(lo, hi))
    }

    /// Returns whether there are own messages of which is told how far they are, and the store has to be read for it.
    pub(crate) const fn wants_registers(&self) -> bool {
        self.has_own && !self.registers.is_read()
    }

    /// Lets those for whom own messages are be read from the store again.
    pub(crate) fn forget_registers(&mut self) {
        self.registers.forget();
    }

    /// Replaces those for whom own messages are by what the store has.
    pub(crate) fn put_registers(&mut self, rows: &ReceiptRows, outbox: &Outbox) {
        self.registers.replace(rows);
        let (own, before) = (self.own(0, u64::MAX), self.ranges.clone());
        self.settle(own, &before, outbox);
    }

    /// Returns the own accepted messages that are shown, after one sequence and up to another.
    fn own(&self, after: u64, upto: u64) -> Vec<MessageId> {
        let from = self.list.lower_bound(&Place::Accepted(after.saturating_add(1)));
        let to = self.list.lower_bound(&Place::Accepted(upto.saturating_add(1)));
        let between = (from..to).filter_map(|index| self.list.at(index));
        let own = between.filter(|item| item.view.message.author == self.me);
        own.map(|item| item.id()).collect()
    }

    fn take_older(
        &mut self,
        page: MessagePage,
        mut touched: Vec<MessageId>,
        before: &RangeSet,
        outbox: &Outbox,
    ) {
        match page.messages.first() {
            _ if !page.has_older => self.low = 0,
            Some(oldest) => self.low = oldest.seq,
            None => {}
        }
        // The newest first: each goes to the front of the list, which is cheap at any length.
        touched.extend(self.take_page(page).into_iter().rev());
        self.target = self.target.max(self.stored);
        self.settle(touched, before, outbox);
    }

    /// Takes in what the store says, and returns the messages to compute again.
    fn take_page(&mut self, page: MessagePage) -> Vec<MessageId> {
        let mut reactions: HashMap<MessageId, Vec<Reaction>> = HashMap::new();
        for row in page.reactions {
            reactions.entry(row.message).or_default().push(row);
        }
        let mut touched = Vec::with_capacity(page.messages.len());
        for message in page.messages {
            if !self.admits(&message) {
                continue;
            }
            let id = message.id;
            let entry = self.entries.entry(id).or_default();
            self.stored += usize::from(entry.stored.is_none());
            self.has_own |= message.author == self.me;
            entry.stored = Some(Stored::new(message));
            entry.reactions = reactions.remove(&id).unwrap_or_default();
            entry.replies = page.replies.get(&id).copied().unwrap_or_default();
            touched.push(id);
        }
        self.ranges = page.ranges;
        touched
    }

    fn take_message(&mut self, row: &Message, touched: &mut Touched) {
        let parent = row.parent.and_then(|parent| self.entries.get(&parent));
        if let Some(parent) = parent.and_then(|parent| parent.stored.as_ref()) {
            // Only the store can tell whether it counted this reply before.
            touched.is_incomplete(parent.seq);
        }
        if !self.admits(row) {
            return;
        }
        let entry = self.entries.entry(row.id).or_default();
        match &entry.stored {
            Some(known) if row.ver <= known.ver => return,
            Some(_) => {}
            None => {
                // Reactions and replies to it may have come before it.
                touched.is_incomplete(row.seq);
                self.stored += 1;
            }
        }
        self.has_own |= row.author == self.me;
        entry.stored = Some(Stored::new(row.clone()));
        touched.messages.push(row.id);
    }

    fn take_reaction(&mut self, row: &Reaction, touched: &mut Touched) {
        let Some(entry) = self.entries.get_mut(&row.message) else {
            return;
        };
        let Some(message) = &entry.stored else { return };
        let mut known = entry.reactions.iter_mut();
        match known.find(|known| known.user == row.user && known.kind == row.kind) {
            Some(known) if row.ver <= known.ver => return,
            Some(known) => known.clone_from(row),
            None => {
                // The store may hold a newer one that was removed: pages leave those out.
                touched.is_incomplete(message.seq);
                entry.reactions.push(row.clone());
            }
        }
        touched.messages.push(row.message);
    }

    /// Forgets the rows of a history that the server no longer has. What waits in the outbox stays.
    fn forget(&mut self) {
        for entry in self.entries.values_mut() {
            entry.stored = None;
            entry.reactions.clear();
            entry.replies = 0;
        }
        self.stored = 0;
        self.low = 0;
        self.high = u64::MAX;
    }

    /// Returns whether a stored row belongs in the window.
    fn admits(&self, row: &Message) -> bool {
        (self.low.max(1)..=self.high).contains(&row.seq) && stands_in(self.scope, &self.cid, row)
    }

    /// Takes in what holds of others by now.
    pub(crate) fn settle_people(&mut self, outbox: &Outbox) {
        let (touched, before) = (self.of_changed_people(outbox), self.ranges.clone());
        self.settle(touched, &before, outbox);
    }

    /// Returns the shown messages of those who are denied now and were not, or were and are not.
    fn of_changed_people(&self, outbox: &Outbox) -> Vec<MessageId> {
        let is_other = |item: &&Arc<TimelineItem>| item.hidden != is_hidden(&item.view, outbox.people());
        let items = self.list.items();
        items.iter().filter(is_other).map(|item| item.id()).collect()
    }

    /// Returns the query for the rows of `lo..=hi`.
    fn query(&self, lo: u64, hi: u64) -> Option<MessageQuery> {
        let from = self.list.lower_bound(&Place::Accepted(lo));
        let to = self.list.lower_bound(&Place::Accepted(hi + 1));
        (from < to).then(|| MessageQuery {
            cid: self.cid.clone(),
            scope: self.scope,
            from: HistoryFrom::Before(hi + 1),
            limit: to - from,
        })
    }

    /// Computes the touched messages again and shows the result as one batch. `before` are the ranges as they were.
    fn settle(&mut self, touched: Vec<MessageId>, before: &RangeSet, outbox: &Outbox) {
        let mut batch = self.list.edit();
        let mut moved = Vec::new();
        // Another history has other messages at these sequences: the old ones go before the new ones come.
        for id in &touched {
            let Some(entry) = self.entries.get_mut(id) else {
                continue;
            };
            if let Some(place @ Place::Accepted(seq)) = entry.place
                && entry.stored.as_ref().is_none_or(|stored| stored.seq != seq)
            {
                batch.place(Some(&place), None);
                entry.place = None;
                moved.push(place);
            }
        }
        for id in touched {
            let entry = self.entries.entry(id).or_default();
            let before = entry.place.and_then(|place| batch.get(&place));
            let shown = show(
                entry,
                before,
                outbox.about(id),
                (&self.me, &self.registers, outbox.people()),
            );
            let shown = shown.and_then(|(place, mut item)| {
                if !stands_in(self.scope, &self.cid, &item.view.message)
                    || (self.high < u64::MAX && !matches!(place, Place::Accepted(_)))
                {
                    entry.keep(item);
                    return None;
                }
                item.gap_before = gap_before(&batch, &self.ranges, place);
                Some((place, item))
            });
            let (old, new) = (entry.place, shown.as_ref().map(|(place, _)| *place));
            batch.place(old.as_ref(), shown);
            entry.place = new;
            if old != new {
                moved.extend(old.into_iter().chain(new));
            }
            if new.is_none() && entry.stored.is_none() {
                self.entries.remove(&id);
            }
        }
        for place in moved {
            let index = batch.lower_bound(&place);
            let itself = batch.at(index).is_some_and(|(found, _)| *found == place);
            mark_gap(&mut batch, &self.ranges, index + usize::from(itself));
        }
        if *before != self.ranges {
            mark_gaps(&mut batch, before, &self.ranges);
        }
        if self.stored > self.target + SLACK {
            while self.stored > self.target
                && let Some(item) = batch.pop_front()
            {
                self.entries.remove(&item.id());
                self.stored -= 1;
            }
            if let Some((Place::Accepted(seq), _)) = batch.at(0) {
                self.low = *seq;
                mark_gap(&mut batch, &self.ranges, 0);
            }
        }
        batch.commit();
    }
}

/// Computes how far a message has got, if it is an own one that is not deleted, nor rejected.
fn receipt(view: &MessageView, me: &UserId, registers: &Registers) -> Option<Receipt> {
    if view.message.author != *me || view.message.is_deleted() {
        return None;
    }
    match view.status {
        MessageStatus::Pending => Some(Receipt::default()),
        MessageStatus::Sent => Some(registers.receipt(&view.message)),
        MessageStatus::Failed(_) => None,
    }
}

/// Returns whether `message` stands in that timeline.
fn stands_in(scope: MessageScope, cid: &ChannelId, message: &Message) -> bool {
    message.cid == *cid
        && match scope {
            MessageScope::Channel => message.is_in_channel(),
            MessageScope::Thread(parent) => message.parent == Some(parent),
        }
}

/// Computes how a message looks and where it stands, but for the gap before it. `shown` is how it looked.
fn show<'a>(
    entry: &'a mut Entry,
    shown: Option<&Arc<TimelineItem>>,
    ops: impl Iterator<Item = &'a OutboxItem> + Clone,
    (me, registers, people): (&UserId, &Registers, &People),
) -> Option<(Place, TimelineItem)> {
    let row = entry.stored.as_mut().and_then(|stored| {
        let as_shown = || shown.map(|item| Box::new(item.view.message.clone()));
        stored.row.take().or_else(as_shown)
    });
    let view = match row {
        Some(row) if ops.clone().next().is_none() => MessageView {
            message: *row,
            status: MessageStatus::Sent,
            change_pending: false,
        },
        row => {
            let view = overlay::message(row.as_deref(), ops.clone());
            if let Some(stored) = &mut entry.stored {
                stored.row = row;
            }
            view?
        }
    };
    let place = match view.message.seq {
        0 => {
            let sent = ops
                .clone()
                .find(|item| matches!(item.op, Op::SendMessage { .. }))?;
            Place::Waiting(sent.pos)
        }
        seq => Place::Accepted(seq),
    };
    let item = TimelineItem {
        receipt: receipt(&view, me, registers),
        hidden: is_hidden(&view, people),
        view,
        reactions: overlay::reactions(&entry.reactions, ops, me),
        replies: entry.replies,
        gap_before: false,
    };
    Some((place, item))
}

/// Returns whether whoever wrote a message is denied.
fn is_hidden(view: &MessageView, people: &People) -> bool {
    people.is_denied(&view.message.author)
}
