//! What is followed, how far it is on disk, and how far it goes: the cursor rule.

mod fill;
mod import;
mod left_alone;
mod marks;
mod suspect;

use crate::{consent::Consents, receipts::Receipts};
use std::collections::{BTreeMap, BTreeSet};
use whimbrel_model::{
    Account, Change, ChannelId, Cursor, Delta, Epoch, Head, MemberState, RangeSet, Row, StreamEvent,
    StreamId, UserId,
};
use whimbrel_protocol::{HistoryPage, Page};

/// Live steps of one stream that are kept while a page of it is on its way. More only cost another page.
const EARLY_STEPS: usize = 64;

#[derive(Debug, Default)]
struct Stream {
    cursor: Option<Cursor>,
    head: Head,
    early: Vec<StreamEvent>,
    /// Snapshots that were begun since the engine was loaded.
    snapshots: u64,
}

/// What a page did.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Applied {
    /// It was not what was asked for.
    Ignored,
    /// It moved the cursor.
    Followed,
    /// It moved the cursor over changes that are not on the device.
    Jumped,
}

#[derive(Debug)]
pub(crate) struct Streams {
    me: UserId,
    epoch: Option<Epoch>,
    streams: BTreeMap<StreamId, Stream>,
    ranges: BTreeMap<ChannelId, RangeSet>,
    /// Streams that have to be pulled.
    behind: BTreeSet<StreamId>,
    /// The requests that ask for their next pages.
    pulling: BTreeMap<StreamId, u64>,
    /// Streams whose membership came while a page of them was on its way: a refusal of it may be older.
    rejoined: BTreeSet<StreamId>,
    /// Streams that are not asked for before a moment.
    cooling: BTreeMap<StreamId, u64>,
    /// Channels that are on the screen: they are pulled first.
    pub(crate) visible: BTreeSet<StreamId>,
    /// Channels that are pulled only while they are on the screen.
    pub(crate) unwatched: BTreeSet<ChannelId>,
    /// What decides which channels are followed.
    pub(crate) consents: Consents,
    /// Channels that are not followed, because they may not reach the account.
    pub(crate) aside: BTreeSet<ChannelId>,
    /// Whether anything is followed by itself: else only what is wanted.
    pub(crate) following: bool,
    /// Streams that somebody wants now, followed or not.
    pub(crate) wanted: BTreeSet<StreamId>,
    /// Streams of which a page is wanted that was asked for with this request or a later one, whatever is known of them.
    pub(crate) forced: BTreeMap<StreamId, u64>,
    /// Channels that are pulled once the own stream says whether they may reach the account.
    unplaced: BTreeSet<StreamId>,
    /// Streams that were followed: whoever comes back pulls at once.
    left: BTreeSet<StreamId>,
    /// Streams that the device has further than the server says: a live step was faster, or the server lost history without a
    /// word. A page tells which.
    suspects: BTreeSet<StreamId>,
    /// Channels that may have a gap in what the device had of them.
    gapped: BTreeSet<ChannelId>,
    /// Channels whose gaps are not asked for before a moment.
    resting: BTreeMap<ChannelId, u64>,
    pub(crate) receipts: Receipts,
}

impl Streams {
    pub(crate) fn load(
        account: &Account,
        cursors: BTreeMap<StreamId, Cursor>,
        heads: BTreeMap<StreamId, Head>,
        ranges: BTreeMap<ChannelId, RangeSet>,
        undelivered: BTreeMap<ChannelId, u64>,
    ) -> Self {
        let me = account.user.clone();
        let mut streams: BTreeMap<StreamId, Stream> = BTreeMap::new();
        streams.entry(StreamId::User(me.clone())).or_default();
        for (id, head) in heads {
            streams.entry(id).or_default().head = head;
        }
        for (id, cursor) in cursors {
            let stream = streams.entry(id).or_default();
            stream.head = stream.head.max(Head {
                ver: cursor.ver,
                seq: cursor.seq,
            });
            stream.cursor = Some(cursor);
        }
        Self {
            me,
            epoch: None,
            streams,
            gapped: ranges
                .iter()
                .filter(|(_, ranges)| ranges.has_gap())
                .map(|(cid, _)| cid.clone())
                .collect(),
            resting: BTreeMap::new(),
            ranges,
            behind: BTreeSet::new(),
            pulling: BTreeMap::new(),
            rejoined: BTreeSet::new(),
            cooling: BTreeMap::new(),
            visible: BTreeSet::new(),
            unwatched: BTreeSet::new(),
            consents: Consents::default(),
            aside: BTreeSet::new(),
            following: true,
            wanted: BTreeSet::new(),
            forced: BTreeMap::new(),
            unplaced: BTreeSet::new(),
            left: BTreeSet::new(),
            suspects: BTreeSet::new(),
            receipts: Receipts::new(account, undelivered),
        }
    }

    /// Lets what was decided say which channels are followed.
    pub(crate) fn deciding_by(self, consents: Consents) -> Self {
        Self { consents, ..self }
    }

    /// Takes the server's history of this connection, and finds what has to be pulled. `known` is the history that the
    /// heads here were learned in, as far as that is known.
    pub(crate) fn connected(&mut self, epoch: Epoch, known: Option<Epoch>, delta: &mut Delta) {
        let before = self.epoch.replace(epoch).or(known);
        self.cooling.clear();
        self.resting.clear();
        // On a device that was never connected there is no other history.
        if before.is_some_and(|before| before != epoch) {
            self.forget_heads(delta);
        }
        let ids: Vec<StreamId> = self.streams.keys().cloned().collect();
        for id in ids {
            self.judge(&id);
        }
    }

    /// Forgets the heads of streams that were never pulled: another history may never get as far. Those of the others
    /// go when their first page comes.
    fn forget_heads(&mut self, delta: &mut Delta) {
        let unread = self.streams.iter().filter(|(_, stream)| stream.cursor.is_none());
        for id in unread.map(|(id, _)| id.clone()).collect::<Vec<_>>() {
            self.rebase(&id, delta);
        }
    }

    /// Forgets what was asked for on a connection that is gone.
    pub(crate) fn disconnected(&mut self) {
        self.pulling.clear();
        self.rejoined.clear();
        self.suspects.clear();
        self.forced.clear();
        self.receipts.disconnected();
        for stream in self.streams.values_mut() {
            stream.early.clear();
        }
    }

    pub(crate) fn set_visible(&mut self, cid: &ChannelId, visible: bool) {
        let id = StreamId::Channel(cid.clone());
        if visible {
            self.visible.insert(id.clone());
        } else {
            self.visible.remove(&id);
        }
        self.judge(&id);
    }

    /// Returns whether a channel is known to be further on the server than here, or is not told of.
    pub(crate) fn is_behind(&self, cid: &ChannelId) -> bool {
        let id = StreamId::Channel(cid.clone());
        self.unwatched.contains(cid) || self.behind.contains(&id) || self.is_left_alone(&id)
    }

    /// Returns whether a stream has to be pulled.
    pub(crate) fn wants_pull(&self, id: &StreamId) -> bool {
        self.behind.contains(id)
    }

    pub(crate) fn cursor(&self, id: &StreamId) -> Option<Cursor> {
        self.streams.get(id)?.cursor
    }

    /// Returns how many streams have to be pulled.
    pub(crate) fn behind(&self) -> usize {
        self.behind.len()
    }

    /// Lets streams be asked for again whose moment has come.
    pub(crate) fn cool_down(&mut self, now: u64) {
        self.cooling.retain(|_, until| *until > now);
    }

    /// Returns the next stream to pull and how far it is known, what somebody waits for first, then what is on the screen.
    pub(crate) fn next_pull(&self) -> Option<(StreamId, Option<Cursor>)> {
        let ready = |id: &&StreamId| !self.pulling.contains_key(*id) && !self.cooling.contains_key(*id);
        let wanted = self.wanted.intersection(&self.behind);
        let first = wanted.chain(self.visible.intersection(&self.behind)).find(ready);
        let id = first.or_else(|| self.behind.iter().find(ready))?;
        Some((id.clone(), self.streams.get(id)?.cursor))
    }

    /// Notes that a page is on its way.
    pub(crate) fn pull_sent(&mut self, id: StreamId, request: u64) {
        self.pulling.insert(id, request);
    }

    /// Returns how many pages are on their way.
    pub(crate) fn pulling(&self) -> usize {
        self.pulling.len()
    }

    /// Returns the next moment at which a stream may be asked for again. It stays until it was acted on, however late
    /// anyone asks.
    pub(crate) fn next_retry(&self) -> Option<u64> {
        self.cooling.values().copied().min()
    }

    /// Learns how far a stream goes.
    pub(crate) fn raise_head(&mut self, id: &StreamId, head: Head, delta: &mut Delta) {
        if matches!(id, StreamId::User(user) if *user != self.me) {
            return;
        }
        let stream = self.streams.entry(id.clone()).or_default();
        let raised = stream.head.max(head);
        if raised != stream.head {
            stream.head = raised;
            delta.push(Change::Head(id.clone(), raised));
        }
        self.judge(id);
    }

    /// Takes a live step: applies it if it begins at the cursor, else remembers that there is something to pull.
    pub(crate) fn event(&mut self, step: StreamEvent, delta: &mut Delta) {
        if self.takes(&step.stream) && !self.keep_for_page(&step) && self.begins_at_cursor(&step) {
            self.put_rows(&step.rows, delta);
            self.advance(&step, delta);
        } else {
            self.note_head(&step, delta);
        }
    }

    /// Takes a step that an answer to an own operation carried: its rows are put wherever the cursor is.
    pub(crate) fn answer(&mut self, step: StreamEvent, delta: &mut Delta) {
        self.begin_anew(&step.stream, delta);
        self.put_rows(&step.rows, delta);
        if step.to > step.from && !self.keep_for_page(&step) && self.begins_at_cursor(&step) {
            self.advance(&step, delta);
        } else {
            self.note_head(&step, delta);
        }
    }

    /// While a page of the stream is on its way, keeps a step for after it, and says so.
    fn keep_for_page(&mut self, step: &StreamEvent) -> bool {
        if !self.pulling.contains_key(&step.stream) {
            return false;
        }
        if let Some(stream) = self.streams.get_mut(&step.stream)
            && stream.early.len() < EARLY_STEPS
        {
            stream.early.push(step.clone());
        }
        true
    }

    /// Takes a page that was asked for.
    pub(crate) fn page(&mut self, page: Page, delta: &mut Delta) -> Applied {
        if self.pulling.get(&page.stream) != Some(&page.id) {
            return Applied::Ignored;
        }
        self.pulling.remove(&page.stream);
        self.rejoined.remove(&page.stream);
        self.suspects.remove(&page.stream);
        if self.forced.get(&page.stream).is_some_and(|from| page.id >= *from) {
            self.forced.remove(&page.stream);
        }
        let Some(old) = self.streams.get(&page.stream).map(|stream| stream.cursor) else {
            return Applied::Ignored;
        };
        let follows = old.is_some_and(|cursor| cursor.ver == page.from && cursor.epoch == page.to.epoch);
        if (!page.reset && !follows) || page.to.ver < page.from {
            self.judge(&page.stream);
            return Applied::Ignored;
        }
        if page.reset {
            self.begin_snapshot(&page, old, delta);
        }
        self.put_rows(&page.rows, delta);
        if !page.more {
            self.cover(&page, old, delta);
        }
        delta.push(Change::Cursor(page.stream.clone(), page.to));
        if let Some(stream) = self.streams.get_mut(&page.stream) {
            stream.cursor = Some(page.to);
        }
        self.raise_head(&page.stream, page.head, delta);
        if !page.more {
            self.take_early(&page.stream, delta);
        }
        if page.reset && old.is_some() {
            Applied::Jumped
        } else {
            Applied::Followed
        }
    }

    /// Notes that a request for a page was refused. Returns whether it was still waited for.
    pub(crate) fn pull_failed(&mut self, id: &StreamId, request: u64) -> bool {
        let waited = self.pulling.get(id) == Some(&request);
        if waited {
            self.pulling.remove(id);
        }
        waited
    }

    /// The server says that the account may not see a stream: stops following it, unless the account came back while the
    /// page was on its way. Then it is asked once more.
    pub(crate) fn refused(&mut self, id: &StreamId, delta: &mut Delta) {
        if !self.rejoined.remove(id) {
            self.unfollow(id, delta);
        }
    }

    /// Leaves a stream alone until a moment.
    pub(crate) fn cool(&mut self, id: StreamId, until: u64) {
        self.cooling.insert(id, until);
    }

    /// Stops following a stream that the account may not see any more. Its rows stay, and so does the cursor: whoever
    /// comes back goes on from there, and another history is recognised as one.
    pub(crate) fn unfollow(&mut self, id: &StreamId, delta: &mut Delta) {
        self.behind.remove(id);
        self.pulling.remove(id);
        self.rejoined.remove(id);
        self.cooling.remove(id);
        self.suspects.remove(id);
        self.forced.remove(id);
        self.unplaced.remove(id);
        // What is owed stays: whoever comes back is not brought it again.
        let Some(mut stream) = self.streams.remove(id) else {
            return;
        };
        let of_old_history = |cursor: Cursor| self.epoch.is_some_and(|epoch| epoch != cursor.epoch);
        let kept = match stream.cursor {
            Some(cursor) if of_old_history(cursor) => {
                self.rebase(id, delta);
                None
            }
            // Answers may have put rows before the first page: nothing is covered, and the history is known.
            cursor => cursor.or_else(|| {
                self.epoch.map(|epoch| Cursor {
                    epoch,
                    ..Cursor::default()
                })
            }),
        };
        delta.push(Change::Unfollow(id.clone()));
        if let Some(cursor) = kept {
            delta.push(Change::Cursor(id.clone(), cursor));
            stream.head = Head {
                ver: cursor.ver,
                seq: cursor.seq,
            };
            stream.cursor = Some(cursor);
            stream.early.clear();
            self.streams.insert(id.clone(), stream);
            self.left.insert(id.clone());
        }
    }

    /// Returns how many snapshots of a channel were begun: what a request for older messages has to be asked after.
    pub(crate) fn snapshots(&self, cid: &ChannelId) -> u64 {
        let stream = self.streams.get(&StreamId::Channel(cid.clone()));
        stream.map_or(0, |stream| stream.snapshots)
    }

    /// Takes a page of older messages that was asked for after `snapshots` snapshots.
    pub(crate) fn history(&mut self, page: &HistoryPage, snapshots: u64, delta: &mut Delta) {
        let stream = StreamId::Channel(page.cid.clone());
        self.begin_anew(&stream, delta);
        // Whatever has rows here is known, and so is its history.
        let head = Head { ver: 0, seq: page.hi };
        self.raise_head(&stream, head, delta);
        self.put_rows(&page.rows, delta);
        // A snapshot leaves old messages out. Those that were read before it may have changed without a sign.
        if self.snapshots(&page.cid) == snapshots {
            self.add_range(&page.cid, page.lo, page.hi, delta);
        }
    }

    fn begin_snapshot(&mut self, page: &Page, old: Option<Cursor>, delta: &mut Delta) {
        if let Some(stream) = self.streams.get_mut(&page.stream) {
            stream.snapshots += 1;
        }
        match (&page.stream, old) {
            (stream, Some(cursor)) if cursor.epoch != page.to.epoch || cursor.ver > page.head.ver => {
                self.rebase(stream, delta);
            }
            // Without a cursor there may be older messages that were asked for before.
            (StreamId::Channel(cid), old) => self.mark_stale(cid, old.map_or(0, |cursor| cursor.ver), delta),
            _ => {}
        }
    }

    /// Before rows of this connection's history are put: lets go of those of another one, as two do not mix.
    pub(crate) fn begin_anew(&mut self, id: &StreamId, delta: &mut Delta) {
        let Some(stream) = self.streams.get_mut(id) else {
            return;
        };
        if stream
            .cursor
            .is_none_or(|cursor| Some(cursor.epoch) == self.epoch)
        {
            return;
        }
        stream.cursor = None;
        self.rebase(id, delta);
        delta.push(Change::Unfollow(id.clone()));
        // It has to be on disk that there is something to pull: the heads that told of it may not tell again.
        self.raise_head(id, Head { ver: 1, seq: 0 }, delta);
    }

    /// Notes that what is on the device of a stream is of a history that the server no longer has.
    fn rebase(&mut self, id: &StreamId, delta: &mut Delta) {
        delta.push(Change::Rebase(id.clone()));
        if matches!(id, StreamId::User(_)) {
            self.consents.rebase();
        }
        if let Some(stream) = self.streams.get_mut(id) {
            stream.head = Head::default();
        }
        // Its messages are not those that the new history has at these sequences.
        if let StreamId::Channel(cid) = id {
            self.receipts.forget(cid);
            if self.ranges.remove(cid).is_some() {
                delta.push(Change::Ranges(cid.clone(), RangeSet::default()));
            }
        }
    }

    /// Notes which messages are on the device once a chain of pages is complete.
    fn cover(&mut self, page: &Page, old: Option<Cursor>, delta: &mut Delta) {
        let StreamId::Channel(cid) = &page.stream else {
            return;
        };
        let first_row = || {
            let seqs = page.rows.iter().filter_map(|row| match row {
                Row::Message(message) => Some(message.seq),
                _ => None,
            });
            seqs.min().unwrap_or(page.head.seq + 1)
        };
        let lo = match old {
            _ if page.reset => first_row(),
            Some(Cursor {
                window: Some(window), ..
            }) => window.lo,
            Some(cursor) => cursor.seq + 1,
            None => first_row(),
        };
        self.add_range(&cid.clone(), lo, page.to.seq, delta);
    }

    /// Applies the live steps that came while the page was on its way.
    fn take_early(&mut self, id: &StreamId, delta: &mut Delta) {
        let early = self
            .streams
            .get_mut(id)
            .map(|stream| std::mem::take(&mut stream.early))
            .unwrap_or_default();
        for step in early {
            if self.begins_at_cursor(&step) {
                self.put_rows(&step.rows, delta);
                self.advance(&step, delta);
            }
        }
    }

    /// The cursor rule. A stream that is not known at all begins at 0.
    fn begins_at_cursor(&self, step: &StreamEvent) -> bool {
        let Some(epoch) = self.epoch else { return false };
        if step.to < step.from {
            return false;
        }
        match self.streams.get(&step.stream).and_then(|stream| stream.cursor) {
            Some(cursor) => cursor.epoch == epoch && cursor.window.is_none() && cursor.ver == step.from,
            None => step.from == 0,
        }
    }

    fn advance(&mut self, step: &StreamEvent, delta: &mut Delta) {
        let Some(epoch) = self.epoch else { return };
        let stream = self.streams.entry(step.stream.clone()).or_default();
        let covered = stream.cursor.map_or(0, |cursor| cursor.seq);
        let cursor = Cursor {
            epoch,
            ver: step.to,
            seq: step.seq,
            window: None,
        };
        stream.cursor = Some(cursor);
        delta.push(Change::Cursor(step.stream.clone(), cursor));
        if let StreamId::Channel(cid) = &step.stream {
            self.add_range(cid, covered + 1, step.seq, delta);
        }
        self.note_head(step, delta);
    }

    fn note_head(&mut self, step: &StreamEvent, delta: &mut Delta) {
        let head = Head {
            ver: step.to,
            seq: step.seq,
        };
        self.raise_head(&step.stream, head, delta);
    }

    fn put_rows(&mut self, rows: &[Row], delta: &mut Delta) {
        for row in rows {
            delta.push(Change::Row(row.clone()));
            self.receipts
                .put(row, |cid| marks::covered(&self.streams, cid, self.epoch));
            self.consents.note(row);
            let Row::Membership(membership) = row else {
                continue;
            };
            let id = StreamId::Channel(membership.cid.clone());
            match membership.state {
                MemberState::Active => {
                    self.streams.entry(id.clone()).or_default();
                    self.judge(&id);
                    if self.pulling.contains_key(&id) {
                        self.rejoined.insert(id.clone());
                    }
                    if self.left.remove(&id) {
                        self.receipts.is_back(&membership.cid);
                        self.force(&id, 0);
                    }
                }
                MemberState::Gone | MemberState::Invited => self.unfollow(&id, delta),
            }
        }
    }

    /// Decides whether a stream has to be pulled.
    pub(crate) fn judge(&mut self, id: &StreamId) {
        let Some(stream) = self.streams.get(id) else {
            return;
        };
        let behind = match stream.cursor {
            None => true,
            Some(cursor) => {
                cursor.window.is_some()
                    || stream.head.ver > cursor.ver
                    || self.suspects.contains(id)
                    || self.forced.contains_key(id)
                    || self.epoch.is_some_and(|epoch| epoch != cursor.epoch)
            }
        };
        if behind && self.is_unplaced(id) {
            self.unplaced.insert(id.clone());
        }
        if behind && !self.is_left_alone(id) {
            self.behind.insert(id.clone());
        } else {
            self.behind.remove(id);
        }
        if matches!(id, StreamId::User(_)) && !self.is_own_behind() {
            for id in std::mem::take(&mut self.unplaced) {
                self.judge(&id);
            }
        }
    }
}
