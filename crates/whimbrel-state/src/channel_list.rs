mod admission;
mod row;

pub use admission::Admission;
pub(crate) use row::{laid_over, own};

use crate::{
    Freshness,
    list::{Diffs, Items, Sorted},
    outbox::Outbox,
    state::lock,
};
use eyeball::{SharedObservable, Subscriber};
use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex},
};
use whimbrel_model::{
    ChannelId, ChannelSummary, ConsentState, Custom, Invite, Mute, People, Role, Timestamp, UserId,
    overlay::MessageView,
};
use whimbrel_query::{ChannelItem as Asked, PageCursor, Place, Query};

/// A channel as the store has it: what a list is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelRow {
    /// Its row of the channel list.
    pub summary: ChannelSummary,
    /// Its active members. Absent: they were not read, as no open list asks for them
    /// ([`State::asks_for_members`](crate::State::asks_for_members)).
    pub members: Option<Vec<UserId>>,
}

impl From<ChannelSummary> for ChannelRow {
    fn from(summary: ChannelSummary) -> Self {
        Self {
            summary,
            members: None,
        }
    }
}

/// How much of a list is loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LoadState {
    /// Nothing was read yet: that it has no rows says nothing.
    #[default]
    Loading,
    /// There are more rows on this device.
    More,
    /// The next ones are being read.
    LoadingMore,
    /// Everything that is on this device is in it. Without rows it is empty.
    End,
}

/// One row of a channel list.
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
    /// Those of the unread messages that mention the user.
    pub mentions: u64,
    /// When the account pinned it in the list. Absent: it did not.
    pub pinned_at: Option<Timestamp>,
    /// Whether the account put it into the archive.
    pub archived: bool,
    /// Whether the account has hidden it, and nothing new came since.
    pub hidden: bool,
    /// That the account muted it. It may have ended: see [`Mute::until`].
    pub muted: Option<Mute>,
    /// What was decided of it, else what holds of whoever brought the account in.
    pub consent: ConsentState,
    /// Who brought the account in, or invites it. Absent: it made the channel, or that is not known.
    pub added_by: Option<UserId>,
    /// That the account is invited, and has not answered.
    pub invite: Option<Invite>,
    /// Whether the last message is of somebody who is denied. It is there all the same, for an app that shows it.
    pub last_message_hidden: bool,
    /// Active members, as far as known here. Waiting changes of them are in it where the list's query asks for members.
    pub members: u64,
    /// The own role, while the account is in the channel.
    pub role: Role,
    /// Operations in the outbox that still go out.
    pub pending: u32,
    /// Whether the server does not know of the channel yet.
    pub created_locally: bool,
}

/// The channels that a query wants, in its order, kept up to date while a handle or a [`Diffs`] of it lives.
///
/// What is in it is decided by the filter itself, on each channel with what waits in the outbox laid over it: a change made
/// a moment ago, with no connection, moves a row, or makes it come and go. By `last_message_at` and `last_updated`, what
/// waits is newer than all that was accepted, what was composed last the newest. Cloning it gives another handle to the
/// same list.
#[derive(Clone)]
pub struct ChannelList(pub(crate) Arc<Shared>);

pub(crate) struct Shared {
    query: Query,
    admission: Option<Arc<dyn Admission>>,
    rows: Mutex<Rows>,
    load: SharedObservable<LoadState>,
    freshness: SharedObservable<Freshness>,
}

/// The stored rows of the list and what is shown of them.
struct Rows {
    me: UserId,
    /// What held of others when rows were computed last.
    people: People,
    /// The rows that are shown, and those that are not because of what waits in the outbox.
    stored: HashMap<ChannelId, Arc<ChannelRow>>,
    reach: Reach,
    places: HashMap<ChannelId, Place>,
    list: Sorted<Place, ChannelItem>,
}

/// How far the list was read, in the order of its query. Rows after it are on disk only.
#[derive(Debug)]
enum Reach {
    Nothing,
    UpTo(Place, PageCursor),
    All,
}

impl Reach {
    fn covers(&self, place: &Place) -> bool {
        match self {
            Self::Nothing => false,
            Self::UpTo(end, _) => place <= end,
            Self::All => true,
        }
    }
}

impl ChannelList {
    /// Returns what it is the answer to.
    #[must_use]
    pub fn query(&self) -> &Query {
        &self.0.query
    }

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

    /// Returns how much of it is loaded.
    #[must_use]
    pub fn load_state(&self) -> LoadState {
        self.0.load.get()
    }

    /// Returns a reader of [`ChannelList::load_state`].
    pub fn subscribe_load_state(&self) -> Subscriber<LoadState> {
        self.0.load.subscribe()
    }

    /// Returns whether there are more channels on this device to load.
    #[must_use]
    pub fn has_more(&self) -> bool {
        matches!(self.load_state(), LoadState::More | LoadState::LoadingMore)
    }

    /// Takes note that the next rows are being read, or that they could not be.
    pub fn set_loading_more(&self, loading: bool) {
        if self.has_more() {
            let state = if loading {
                LoadState::LoadingMore
            } else {
                LoadState::More
            };
            self.0.load.set_if_not_eq(state);
        }
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

    /// Returns the place after which the next rows are to be read, for
    /// [`State::extend_channels`](crate::State::extend_channels). Absent: from the first.
    #[must_use]
    pub fn next_page(&self) -> Option<PageCursor> {
        match &lock(&self.0.rows).reach {
            Reach::UpTo(_, cursor) => Some(cursor.clone()),
            Reach::Nothing | Reach::All => None,
        }
    }

    /// Returns how many of the store's rows, in the order of the query, the list was read up to.
    #[must_use]
    pub fn loaded(&self) -> usize {
        let rows = lock(&self.0.rows);
        let in_reach = |row: &&Arc<ChannelRow>| {
            let item = asked(row, &rows.people);
            self.0.query.filter().matches(&item) && rows.reach.covers(&self.0.query.place(&item))
        };
        rows.stored.values().filter(in_reach).count()
    }

    pub(crate) fn new(me: UserId, query: Query, admission: Option<Arc<dyn Admission>>) -> Self {
        Self(Arc::new(Shared {
            query,
            admission,
            rows: Mutex::new(Rows {
                me,
                people: People::default(),
                stored: HashMap::new(),
                reach: Reach::Nothing,
                places: HashMap::new(),
                list: Sorted::default(),
            }),
            load: SharedObservable::default(),
            freshness: SharedObservable::default(),
        }))
    }

    /// Returns whether it is the list of a query and of nothing else.
    pub(crate) fn answers(&self, query: &Query) -> bool {
        self.0.admission.is_none() && self.0.query == *query
    }

    fn rule(&self) -> (&Query, Option<&dyn Admission>) {
        (&self.0.query, self.0.admission.as_deref())
    }

    pub(crate) fn asks_for_members(&self) -> bool {
        asks_for_members(&self.0.query)
    }

    /// Adds the rows that come next in the store's order.
    pub(crate) fn extend(&self, page: Vec<ChannelRow>, has_more: bool, outbox: &Outbox) {
        let mut rows = lock(&self.0.rows);
        let query = &self.0.query;
        // Nothing comes after all of it.
        let has_more = has_more && !matches!(rows.reach, Reach::All);
        match page.last() {
            _ if !has_more => rows.reach = Reach::All,
            Some(last) => {
                let item = asked(last, outbox.people());
                rows.reach = Reach::UpTo(query.place(&item), query.cursor(&item));
            }
            None => {}
        }
        let touched: Vec<_> = page
            .iter()
            .map(|row| row.summary.cid.clone())
            .chain(outbox.channels().cloned())
            .collect();
        let page = page.into_iter();
        rows.stored
            .extend(page.map(|row| (row.summary.cid.clone(), Arc::new(row))));
        rows.settle(touched, self.rule(), outbox);
        drop(rows);
        let state = if has_more { LoadState::More } else { LoadState::End };
        self.0.load.set_if_not_eq(state);
    }

    /// Replaces one row.
    pub(crate) fn put(&self, row: Arc<ChannelRow>, outbox: &Outbox) {
        let mut rows = lock(&self.0.rows);
        let cid = row.summary.cid.clone();
        rows.stored.insert(cid.clone(), row);
        rows.settle(vec![cid], self.rule(), outbox);
    }

    /// Computes channels again of which the outbox changed.
    pub(crate) fn touch(&self, cids: &[ChannelId], outbox: &Outbox) {
        lock(&self.0.rows).settle(cids.iter().cloned(), self.rule(), outbox);
    }

    /// Returns the channels whose rows are held.
    pub(crate) fn held(&self) -> Vec<ChannelId> {
        lock(&self.0.rows).stored.keys().cloned().collect()
    }

    /// Returns the newest sequence that the row of a channel knows, if it is held.
    pub(crate) fn head_seq(&self, cid: &ChannelId) -> Option<u64> {
        lock(&self.0.rows).stored.get(cid).map(|row| row.summary.head_seq)
    }

    /// Returns whether the row of a channel is held.
    pub(crate) fn holds(&self, cid: &ChannelId) -> bool {
        lock(&self.0.rows).stored.contains_key(cid)
    }
}

impl fmt::Debug for ChannelList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChannelList")
            .field("query", &self.0.query)
            .finish_non_exhaustive()
    }
}

impl Rows {
    /// Computes the touched channels again and shows the result as one batch.
    fn settle(
        &mut self,
        touched: impl IntoIterator<Item = ChannelId>,
        rule: (&Query, Option<&dyn Admission>),
        outbox: &Outbox,
    ) {
        self.people = outbox.people().clone();
        let mut batch = self.list.edit();
        for cid in touched {
            let stored = self.stored.get(&cid).map(Arc::as_ref);
            let shown =
                row::show(&cid, stored, outbox, &self.me, rule).filter(|(place, _)| self.reach.covers(place));
            let old = self.places.remove(&cid);
            let new = shown.as_ref().map(|(place, _)| place.clone());
            batch.place(old.as_ref(), shown);
            let waits = outbox.of(Some(&cid)).next().is_some();
            if !waits && new.is_none() {
                self.stored.remove(&cid);
            }
            if let Some(place) = new {
                self.places.insert(cid, place);
            }
        }
        batch.commit();
    }
}

/// Returns whether a query cannot be answered without the members of each channel.
fn asks_for_members(query: &Query) -> bool {
    query.uses("members") || query.uses("member_count")
}

/// Returns a row as a query asks it.
fn asked<'a>(row: &'a ChannelRow, people: &'a People) -> Asked<'a> {
    Asked {
        summary: &row.summary,
        members: row.members.as_deref().unwrap_or_default(),
        people,
    }
}
