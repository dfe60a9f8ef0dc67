use crate::{channel_list::unread_of, outbox::Outbox, state::lock};
use eyeball::{SharedObservable, Subscriber};
use imbl::OrdMap;
use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex},
};
use whimbrel_model::{ChannelId, ChannelSummary, UserId};

/// How much is unread in all channels together: the sums over the whole channel list, loaded or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UnreadTotals {
    /// Messages on this device that count as unread.
    pub messages: u64,
    /// Channels with any.
    pub channels: u64,
    /// Messages past read positions that this device lacks or has only as they once were: each of them may count. 0: the
    /// other numbers are exact, as far as the server has been heard of.
    pub unknown: u64,
}

/// What is unread in the whole account, kept up to date while a handle of it lives. Cloning it gives another handle to the
/// same numbers.
#[derive(Clone)]
pub struct Unread(pub(crate) Arc<Shared>);

pub(crate) struct Shared {
    counts: Mutex<Counts>,
    totals: SharedObservable<UnreadTotals>,
}

#[derive(Debug, Default)]
struct Counts {
    channels: HashMap<ChannelId, Count>,
    /// The sums by the type of the channel.
    types: OrdMap<String, UnreadTotals>,
}

/// What is known of one channel.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    messages: u64,
    unknown: u64,
    head_seq: u64,
}

impl Unread {
    /// Returns the totals as they are now.
    #[must_use]
    pub fn totals(&self) -> UnreadTotals {
        self.0.totals.get()
    }

    /// Returns a reader of [`Unread::totals`]. It sees the latest, not each one on the way. It does not keep them up to
    /// date: keep the handle.
    pub fn subscribe(&self) -> Subscriber<UnreadTotals> {
        self.0.totals.subscribe()
    }

    /// Returns the newest sequence of a channel that its count takes in. Absent: it was never counted.
    pub(crate) fn head_seq(&self, cid: &ChannelId) -> Option<u64> {
        let counts = lock(&self.0.counts);
        counts.channels.get(cid).map(|count| count.head_seq)
    }

    /// Returns the sums by the type of the channel. Cheap, whatever there is.
    #[must_use]
    pub fn by_type(&self) -> OrdMap<String, UnreadTotals> {
        lock(&self.0.counts).types.clone()
    }

    pub(crate) fn new(rows: &[ChannelSummary], outbox: &Outbox, me: &UserId) -> Self {
        let unread = Self(Arc::new(Shared {
            counts: Mutex::default(),
            totals: SharedObservable::default(),
        }));
        unread.replace(rows, outbox, me);
        unread
    }

    /// Forgets what is known, and counts `rows`, which are all channels.
    pub(crate) fn replace(&self, rows: &[ChannelSummary], outbox: &Outbox, me: &UserId) {
        let mut counts = lock(&self.0.counts);
        *counts = Counts::default();
        let totals = count(&mut counts, UnreadTotals::default(), rows, outbox, me);
        self.0.totals.set_if_not_eq(totals);
    }

    /// Replaces what is known of some channels. Costs as much as there are of them, not as there are in the account.
    pub(crate) fn put(&self, rows: &[ChannelSummary], outbox: &Outbox, me: &UserId) {
        let mut counts = lock(&self.0.counts);
        let totals = count(&mut counts, self.0.totals.get(), rows, outbox, me);
        self.0.totals.set_if_not_eq(totals);
    }
}

/// Puts what is unread in the channels of `rows` in the place of what was there. Returns the new totals.
fn count(
    counts: &mut Counts,
    mut totals: UnreadTotals,
    rows: &[ChannelSummary],
    outbox: &Outbox,
    me: &UserId,
) -> UnreadTotals {
    for row in rows {
        let (messages, unknown) = unread_of(row, outbox, me);
        let now = Count {
            messages,
            unknown,
            head_seq: row.head_seq,
        };
        let before = counts.channels.insert(row.cid.clone(), now).unwrap_or_default();
        totals.replace(before, now);
        let of_type = counts.types.entry(row.cid.channel_type().to_owned());
        of_type.or_default().replace(before, now);
    }
    totals
}

impl UnreadTotals {
    /// Takes what was known of a channel out of the sums, and what is known now in.
    fn replace(&mut self, before: Count, now: Count) {
        self.messages = self.messages + now.messages - before.messages;
        self.unknown = self.unknown + now.unknown - before.unknown;
        self.channels = self.channels + u64::from(now.messages > 0) - u64::from(before.messages > 0);
    }
}

impl fmt::Debug for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Unread").field(&self.totals()).finish()
    }
}
