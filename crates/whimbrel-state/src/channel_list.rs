mod row;

use crate::{
    Freshness,
    list::{Diffs, Items, Sorted},
    outbox::Outbox,
    state::lock,
};
use eyeball::{SharedObservable, Subscriber};
use row::Key;
use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex},
};
use whimbrel_model::{ChannelId, ChannelSummary, Custom, Role, UserId, overlay::MessageView};

/// One row of the channel list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelItem {
    /// Which channel: the identity of the row.
    pub cid: ChannelId,
    /// Display name, a waiting change of it included. Empty: the app names it by its members.
    pub name: String,
    /// Address of a picture. Empty: none.
    pub image: String,
    /// App-defined data.
    pub custom: Custom,
    /// The newest message of its timeline: the last one that waits, else the last accepted one.
    pub last_message: Option<MessageView>,
    /// Messages on this device past the read position, a waiting one included, that count as unread.
    pub unread: u64,
    /// Messages past the read position that this device lacks, or has only as they once were: each of them may count. 0:
    /// `unread` is exact, as far as the server has been heard of.
    pub unread_unknown: u64,
    /// Active members, as far as known here.
    pub members: u64,
    /// The own role.
    pub role: Role,
    /// Operations in the outbox that still go out.
    pub pending: u32,
    /// Whether the server does not know of the channel yet.
    pub created_locally: bool,
}

/// The channels of the account, those with the newest activity first, kept up to date while a handle or a [`Diffs`] of
/// it lives.
///
/// Channels with something unsent come first, the last composed on top; then by the time at which the newest message was
/// accepted, then by id; then those without a message. Cloning it gives another handle to the same list.
#[derive(Clone)]
pub struct ChannelList(pub(crate) Arc<Shared>);

pub(crate) struct Shared {
    rows: Mutex<Rows>,
    has_more: SharedObservable<bool>,
    freshness: SharedObservable<Freshness>,
}

/// The stored rows of the list and what is shown of them.
struct Rows {
    me: UserId,
    stored: HashMap<ChannelId, ChannelSummary>,
    /// The last row that was read, in the store's order, if there are more: rows after it are on disk only.
    end: Option<Key>,
    places: HashMap<ChannelId, Key>,
    list: Sorted<Key, ChannelItem>,
}

/// Returns what is unread in a channel and what may be besides, as the list shows it: nothing once it was left.
pub(crate) fn unread_of(row: &ChannelSummary, outbox: &Outbox, me: &UserId) -> (u64, u64) {
    let shown = row::show(&row.cid, Some(row), outbox, me);
    shown.map_or((0, 0), |(_, item)| (item.unread, item.unread_unknown))
}

impl ChannelList {
    /// Returns the rows as they are now.
    #[must_use]
    pub fn items(&self) -> Items<ChannelItem> {
        lock(&self.0.rows).list.items()
    }

    /// Returns the rows as they are now, and what changes from now on.
    #[must_use]
    pub fn subscribe(&self) -> (Items<ChannelItem>, Diffs<ChannelItem>) {
        let keep = Arc::clone(&self.0);
        lock(&self.0.rows).list.subscribe(Some(keep))
    }

    /// Returns whether there are more channels on this device to load.
    #[must_use]
    pub fn has_more(&self) -> bool {
        self.0.has_more.get()
    }

    /// Returns a reader of [`ChannelList::has_more`].
    pub fn subscribe_has_more(&self) -> Subscriber<bool> {
        self.0.has_more.subscribe()
    }

    /// Returns how fresh it is. It is complete once the device has caught up for the first time: every channel of the
    /// account is on it.
    #[must_use]
    pub fn freshness(&self) -> Freshness {
        self.0.freshness.get()
    }

    /// Returns a reader of [`ChannelList::freshness`]. While connected it changes with every heartbeat.
    pub fn subscribe_freshness(&self) -> Subscriber<Freshness> {
        self.0.freshness.subscribe()
    }

    pub(crate) fn set_freshness(&self, freshness: Freshness) {
        self.0.freshness.set_if_not_eq(freshness);
    }

    /// Returns how many rows of the store's order are in the list: the offset to read more from, for
    /// [`State::extend_channels`](crate::State::extend_channels).
    #[must_use]
    pub fn offset(&self) -> usize {
        lock(&self.0.rows).offset()
    }

    pub(crate) fn new(me: UserId) -> Self {
        Self(Arc::new(Shared {
            rows: Mutex::new(Rows {
                me,
                stored: HashMap::new(),
                end: None,
                places: HashMap::new(),
                list: Sorted::default(),
            }),
            has_more: SharedObservable::new(false),
            freshness: SharedObservable::default(),
        }))
    }

    /// Adds the rows that come next in the store's order.
    pub(crate) fn extend(&self, page: Vec<ChannelSummary>, has_more: bool, outbox: &Outbox) {
        let mut rows = lock(&self.0.rows);
        match page.last() {
            _ if !has_more => rows.end = None,
            Some(last) => rows.end = Some(Key::stored(last)),
            None => {}
        }
        let touched: Vec<_> = page
            .iter()
            .map(|row| row.cid.clone())
            .chain(outbox.channels().cloned())
            .collect();
        rows.stored
            .extend(page.into_iter().map(|row| (row.cid.clone(), row)));
        rows.settle(touched, outbox);
        drop(rows);
        self.0.has_more.set_if_not_eq(has_more);
    }

    /// Replaces one row.
    pub(crate) fn put(&self, row: ChannelSummary, outbox: &Outbox) {
        let mut rows = lock(&self.0.rows);
        let cid = row.cid.clone();
        rows.stored.insert(cid.clone(), row);
        rows.settle(vec![cid], outbox);
    }

    /// Computes channels again of which the outbox changed.
    pub(crate) fn touch(&self, cids: Vec<ChannelId>, outbox: &Outbox) {
        lock(&self.0.rows).settle(cids, outbox);
    }

    /// Returns the channels whose rows are held.
    pub(crate) fn held(&self) -> Vec<ChannelId> {
        lock(&self.0.rows).stored.keys().cloned().collect()
    }

    /// Returns the newest sequence that the row of a channel knows, if it is held.
    pub(crate) fn head_seq(&self, cid: &ChannelId) -> Option<u64> {
        lock(&self.0.rows).stored.get(cid).map(|row| row.head_seq)
    }

    /// Returns whether the row of a channel is held.
    pub(crate) fn holds(&self, cid: &ChannelId) -> bool {
        lock(&self.0.rows).stored.contains_key(cid)
    }
}

impl fmt::Debug for ChannelList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChannelList").finish_non_exhaustive()
    }
}

impl Rows {
    /// Computes the touched channels again and shows the result as one batch.
    fn settle(&mut self, touched: impl IntoIterator<Item = ChannelId>, outbox: &Outbox) {
        let mut batch = self.list.edit();
        for cid in touched {
            let stored = self.stored.get(&cid);
            let in_reach =
                stored.is_some_and(|row| self.end.as_ref().is_none_or(|end| Key::stored(row) <= *end));
            let shown = row::show(&cid, stored, outbox, &self.me)
                .filter(|(key, _)| in_reach || matches!(key, Key::Waiting(_)));
            let old = self.places.remove(&cid);
            let new = shown.as_ref().map(|(key, _)| key.clone());
            batch.place(old.as_ref(), shown);
            let waits = outbox.of(Some(&cid)).next().is_some();
            if !waits && (new.is_none() || !in_reach) {
                self.stored.remove(&cid);
            }
            if let Some(key) = new {
                self.places.insert(cid, key);
            }
        }
        batch.commit();
    }

    fn offset(&self) -> usize {
        let in_reach = |row: &&ChannelSummary| self.end.as_ref().is_none_or(|end| Key::stored(row) <= *end);
        self.stored
            .values()
            .filter(|row| row::is_member(row))
            .filter(in_reach)
            .count()
    }
}
